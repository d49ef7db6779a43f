/** What is measured runs as compiled JavaScript, as a service would run it: a loader for TypeScript wraps every function it meets. */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../..')
// beside the packages it imports
const folder = join(root, 'node_modules/.cache/relisten-bench', String(process.pid))
let built: Promise<unknown> | undefined

/** The path of the JavaScript that this TypeScript file of the checkout is compiled to. Compiles all of it with the first call; it is deleted at the end. */
export async function compiled(source: URL): Promise<string> {
  built ??= compile()
  await built
  return join(folder, relative(root, fileURLToPath(source))).replace(/\.ts$/, '.js')
}

async function compile(): Promise<void> {
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const options = ['--noEmit', 'false', '--rootDir', root, '--outDir', folder]
  await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.json'), ...options])
}
