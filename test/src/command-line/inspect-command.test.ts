// `relisten inspect`: what it asks for, what it says of journals that are not well, and what it answers of a moment in one.
import { appendFileSync, mkdirSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { runCommand } from '../../../src/command-line/command.ts'
import { stateAfter } from '../../../src/command-line/fold.ts'
import { inspectJournals } from '../../../src/command-line/inspect-command.ts'
import type { InspectorServer } from '../../../src/inspector/inspector-server.ts'
import { newPath, opened, segmentFiles } from '../journal/journal-files.ts'
import { startLife } from '../journal/journal-lives.ts'

const servers: { close(): Promise<void> }[] = []
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true))
afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

/** A journal of a life with one move, and its records. */
function lived() {
  const path = newPath()
  const records = opened(path, (journal) => {
    startLife(journal).move()
    return [...journal.read()]
  })
  return { path, records }
}

async function inspecting(...paths: string[]) {
  const error: string[] = []
  const server = await inspectJournals(paths, '0', { error: (line) => error.push(line) })
  servers.push(server)
  return { error, server }
}

/** What the command prints, and its exit code; with `interrupted` at once. */
async function relisten(...args: string[]) {
  const [out, error]: [string[], string[]] = [[], []]
  const interrupted = () => AbortSignal.abort()
  const code = await runCommand(['inspect', ...args], {
    ...{ out: (line) => out.push(line), error: (line) => error.push(line), interrupted },
  })
  return { code, out: out.join('\n'), error }
}

/** What the server answers, with the token of its address. */
async function asked({ url }: InspectorServer, path: string) {
  const { origin, hash } = new URL(url)
  const response = await fetch(origin + path, { headers: { authorization: `Bearer ${hash.replace('#token=', '')}` } })
  return { code: response.status, body: (await response.json()) as { error: string; record: number } }
}

test('it is asked for the state after each record, and answers as the machines fold it', async () => {
  const { path, records } = lived()
  const { server, error } = await inspecting(path)
  for (const [index, { seq }] of records.entries()) {
    const { code, body } = await asked(server, `/state?log=1&seq=${seq}`)
    expect(code).toBe(200)
    expect(body).toEqual(JSON.parse(JSON.stringify(stateAfter(records.slice(0, index + 1)))))
  }
  expect(error).toEqual([])
})

test.each(['/state?log=2&seq=1', '/state?log=1&seq=one', '/state'])('%s is no moment of a journal', async (path) => {
  const { server } = await inspecting(lived().path)
  expect(await asked(server, path)).toMatchObject({ code: 404 })
})

test('before the first record there is nothing to fold, and it says so', async () => {
  const { server } = await inspecting(lived().path)
  const { code, body } = await asked(server, '/state?log=1&seq=0')
  expect(code).toBe(422)
  expect(body.error).toContain('Nothing to replay')
})

test('of a damaged journal it says where, and shows what is good', async () => {
  const { path, records } = lived()
  appendFileSync(segmentFiles(path)[0] ?? '', 'no record\n')
  const { server, error } = await inspecting(path)
  expect(error.join('\n')).toMatch(/BROKEN: .*line \d+/)
  expect(error.join('\n')).toContain(`good     records 1 to ${records.length}`)
  const { body } = await asked(server, `/state?log=1&seq=${records.length}`)
  expect(body.record).toBe(records.length)
})

test.each([
  [[], '"inspect" needs the path of a journal.'],
  [['/nowhere'], 'There is no journal at /nowhere.'],
  [[lived().path, '--speed', '2'], "Unknown option '--speed'."],
  [[lived().path, '--port=http'], 'Expected --port to be a port, got "http".'],
  [[lived().path, '--port=70000'], 'Expected --port to be a port, got "70000".'],
])('%j is wrong usage', async (args, message) => {
  const { code, error } = await relisten(...args)
  expect(error).toEqual([`${message} "relisten --help" tells the usage.`])
  expect(code).toBe(2)
})

test('a folder without a journal is wrong usage', async () => {
  const path = newPath()
  mkdirSync(path)
  const { code, error } = await relisten(path)
  expect(error[0]).toContain('has no files of a journal in it')
  expect(code).toBe(2)
})

test('a port that is in use is named', async () => {
  const { path } = lived()
  const { server } = await inspecting(path)
  const { code, error } = await relisten(path, '--port', String(server.port))
  expect(error[0]).toContain(`The inspector can't listen at 127.0.0.1:${server.port}: EADDRINUSE`)
  expect(code).toBe(2)
})

test('it prints its address, serves until it is interrupted, and ends well', async () => {
  const { code, error } = await relisten(lived().path)
  expect(vi.mocked(process.stderr.write).mock.calls.flat().join('')).toMatch(/the inspector is at http:\S+#token=/)
  expect(error).toEqual([])
  expect(code).toBe(0)
})

test('it tells its usage', async () => {
  const { code, out } = await relisten('--help')
  expect(out).toContain('relisten inspect PATH… [--port PORT]')
  expect(code).toBe(0)
})
