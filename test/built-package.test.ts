// The built package as its users get it: imported by name under plain Node, and its declarations checked without ours.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

beforeAll(() => {
  if (!existsSync(join(root, 'dist/src/index.js')))
    throw new Error('dist/ is missing or incomplete. Run "npm run build" first.')
})

test.each([
  ['relisten', 'createConsumer'],
  ['relisten/machine', 'lifecycleMachine'],
  ['relisten/opentelemetry', 'instrument'],
  ['relisten/balancer', 'createBalancer'],
])('require gives what import gives of %s, name for name, as one instance', async (path, name) => {
  const printed = await plainNode(`
    import { createRequire } from 'node:module'
    import * as imported from '${path}'
    const required = createRequire(import.meta.url)('${path}')
    const isOne = Object.keys(required).every((name) => imported[name] === required[name])
    console.log(JSON.stringify([Object.keys(imported), Object.keys(required), isOne]))
  `)
  const [imported, required, isOne] = JSON.parse(printed)
  expect(imported).toContain(name)
  expect(required.toSorted()).toEqual(imported)
  expect(isOne).toBe(true)
})

test('a wrong option gives an error that names it', async () => {
  const printed = await plainNode(`
    import { createConsumer } from 'relisten'
    try {
      createConsumer({ brokers: 5, groupId: 'orders', topics: ['orders'], eachMessage: async () => {} })
    } catch (error) {
      console.log(JSON.stringify({ name: error.constructor.name, code: typeof error.code, message: error.message }))
    }
  `)
  const error = JSON.parse(printed)
  expect(error.message).toMatch(/^Expected `brokers` to be .*, got .*5/)
  expect(error.code).toBe('string')
})

test('an unreachable cluster is a fact, and stop lets the process end by itself', async () => {
  const printed = await plainNode(`
    import { createServer } from 'node:net'
    import { createConsumer } from 'relisten'
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address()
    await new Promise((resolve) => server.close(resolve))
    const consumer = createConsumer({
      brokers: ['127.0.0.1:' + port], groupId: 'orders', topics: ['orders'], eachMessage: async () => {},
    })
    const facts = consumer.events()
    consumer.start().catch(() => {})
    for await (const fact of facts) {
      if (fact.to === 'retrying') break
    }
    console.log(JSON.stringify({ ready: consumer.status().ready }))
    await consumer.stop()
  `)
  expect(JSON.parse(printed)).toEqual({ ready: false })
})

test('the command line runs, and says by its exit code what it thinks of the journal', async () => {
  expect(manifest.bin).toEqual({ relisten: './dist/src/cli.js' })
  const relisten = (...args: string[]) => run(process.execPath, ['dist/src/cli.js', ...args])
  expect(await relisten('--help')).toContain('relisten journal <command> PATH')
  await expect(relisten('journal', 'show')).rejects.toThrow(/ended with 2: [\s\S]*"journal show" needs the path/)
  const printed = await plainNode(`
    import { execFileSync, spawnSync } from 'node:child_process'
    import fs from 'node:fs'
    import { tmpdir } from 'node:os'
    import { createConsumer, fileJournal } from 'relisten'
    const folder = fs.mkdtempSync(tmpdir() + '/relisten-built-')
    const journal = fileJournal(folder + '/journal')
    const consumer = createConsumer({
      brokers: ['127.0.0.1:1'], groupId: 'orders', topics: ['orders'], eachMessage: async () => {}, journal,
    })
    consumer.start().catch(() => {})
    while (consumer.status().state !== 'connecting') await new Promise((resolve) => consumer.on('*', resolve))
    await consumer.stop()
    const cli = (command) => spawnSync(process.execPath, ['dist/src/cli.js', 'journal', command, folder + '/journal'])
    console.log(cli('verify').status, String(cli('show').stdout).includes('connecting → stopping'))
    const head = \`"\${process.execPath}" dist/src/cli.js journal show "\${folder}/journal" | head -n 1\`
    console.log(String(execFileSync('sh', ['-c', head])).slice(0, 10))
    fs.rmSync(folder, { recursive: true })
  `)
  expect(printed.split('\n')).toEqual(['0 true', 'time (UTC)'])
})

test('the inspector serves its page, and lets the process end by itself', async () => {
  const printed = await plainNode(`
    import { serveInspector } from 'relisten'
    const { url } = await serveInspector({ port: 0 })
    for (const path of ['/', '/page.js', '/page.css', '/icon.svg']) {
      const response = await fetch(new URL(path, url))
      console.log(response.status, response.headers.get('content-type'), (await response.text()).length > 200)
    }
  `)
  expect(printed.split('\n')).toEqual([
    '200 text/html; charset=utf-8 true',
    '200 text/javascript; charset=utf-8 true',
    '200 text/css; charset=utf-8 true',
    '200 image/svg+xml true',
  ])
})

test('the declarations compile alone, without the declarations of our sources', async () => {
  const flags = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
  ]
  const lib = ['--lib', 'es2023,esnext.disposable']
  await run('node_modules/.bin/tsc', [...flags, ...lib, 'dist/src/index.d.ts'])
}, 60_000)

/** Runs an ES module under the Node that runs us, without a loader; rejects with what it wrote when it fails or does not end. */
async function plainNode(code: string): Promise<string> {
  return run(process.execPath, ['--input-type=module', '--eval', code])
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { NODE_OPTIONS: _, ...env } = process.env
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd: root, env, timeout: 30_000 })
    return stdout.trim()
  } catch (error) {
    const { message, stdout = '', code, signal } = error as Error & { stdout?: string; code?: number; signal?: string }
    throw new Error(`ended with ${signal ?? code}: ${message}\n${stdout}`, { cause: error })
  }
}
