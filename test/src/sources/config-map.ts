/** A folder as the kubelet mounts a ConfigMap: `brokers` leads to `..data/brokers`, and `..data` to a folder with a date. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ConfigMap extends AsyncDisposable {
  readonly file: string
  /** Another folder takes the place of the one before, by one rename of the symlink; that one is deleted. */
  swap(text: string): Promise<void>
}

export async function createConfigMap(text: string): Promise<ConfigMap> {
  const folder = await mkdtemp(join(tmpdir(), 'relisten-config-map-'))
  const file = join(folder, 'brokers')
  const dated = (version: number) => `..2026_11_26_${version}`
  let version = 0
  const swap = async (next: string) => {
    version += 1
    await mkdir(join(folder, dated(version)))
    await writeFile(join(folder, dated(version), 'brokers'), next)
    await symlink(dated(version), join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await rm(join(folder, dated(version - 1)), { recursive: true, force: true })
  }
  await swap(text)
  await symlink('..data/brokers', file)
  return { file, swap, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
