/** A checkout of KafkaJS's repository: whether it is the right one, what its tests need, and which files they are. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const suites = ['admin', 'consumer', 'producer'] as const
export type Suite = (typeof suites)[number]

const KAFKAJS_VERSION = '2.2.4'

/** Of its devDependencies what the three suites load, within the ranges it names. */
const packages = {
  execa: '2.1.0',
  glob: '7.2.3',
  ip: '1.1.9',
  jest: '25.5.4',
  'jest-circus': '25.5.4',
  'jest-extended': '0.11.5',
  jsonwebtoken: '9.0.2',
  mockdate: '2.0.5',
  semver: '6.3.1',
  uuid: '3.4.0',
}

/** Refuses a folder that is not the repository of KafkaJS in the version that relisten brings, and installs there what its tests need. */
export async function prepareCheckout(folder: string, say: (line: string) => void): Promise<void> {
  const manifest = await readFile(join(folder, 'package.json'), 'utf8').then(JSON.parse, () => ({}))
  if (manifest.name !== 'kafkajs' || manifest.version !== KAFKAJS_VERSION || !existsSync(join(folder, 'testHelpers'))) {
    throw new Error(
      `${folder} is no checkout of KafkaJS ${KAFKAJS_VERSION} with its tests: clone github.com/tulios/kafkajs and check out the tag v${KAFKAJS_VERSION}.`,
    )
  }
  const modules = join(folder, 'node_modules')
  if (existsSync(join(modules, 'jest-circus'))) return
  if (existsSync(modules)) {
    throw new Error(`${modules} lacks jest-circus: remove that folder, and what the tests need is installed.`)
  }
  say('Installing Jest into the checkout')
  // beside it and not in it: npm would install all that its package.json names, and run the scripts of that
  const aside = await mkdtemp(join(tmpdir(), 'relisten-jest-'))
  try {
    await writeFile(join(aside, 'package.json'), JSON.stringify({ private: true, dependencies: packages }))
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    await promisify(execFile)('npm', ['install', '--prefer-offline', ...quiet], { cwd: aside, timeout: 300_000 })
    await move(join(aside, 'node_modules'), modules)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/** The files of a suite, from the root of the checkout. */
export async function specFiles(folder: string, suite: Suite): Promise<string[]> {
  const names = await readdir(join(folder, 'src', suite), { recursive: true })
  return names
    .filter((name) => /(^|\.|\/)spec\.js$/.test(name))
    .map((name) => join('src', suite, name))
    .sort()
}

async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EXDEV') throw error
    // another file system
    await promisify(execFile)('mv', [from, to])
  })
}
