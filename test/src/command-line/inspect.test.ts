// `relisten inspect`: what it asks for, what it says of journals that are not well, and what it answers of a moment in one.
import { appendFileSync, mkdirSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { stateAfter } from '../../../src/command-line/fold.ts'
import { inspect } from '../../../src/command-line/inspect.ts'
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

async function inspecting(...args: string[]) {
  const [out, error]: [string[], string[]] = [[], []]
  const found = await inspect(args, { out: (line) => out.push(line), error: (line) => error.push(line) })
  if ('url' in found) servers.push(found)
  return { out, error, found }
}

/** What the server that was found answers, with the token of its address. */
async function asked(found: Awaited<ReturnType<typeof inspect>>, path: string) {
  if (!('url' in found)) throw new Error('Nothing is served')
  const { origin, hash } = new URL(found.url)
  const response = await fetch(origin + path, { headers: { authorization: `Bearer ${hash.replace('#token=', '')}` } })
  return { code: response.status, body: (await response.json()) as { error: string; record: number } }
}

test('it is asked for the state after each record, and answers as the machines fold it', async () => {
  const { path, records } = lived()
  const { found, error } = await inspecting(path)
  for (const [index, { seq }] of records.entries()) {
    const { code, body } = await asked(found, `/state?log=1&seq=${seq}`)
    expect(code).toBe(200)
    expect(body).toEqual(JSON.parse(JSON.stringify(stateAfter(records.slice(0, index + 1)))))
  }
  expect(error).toEqual([])
})

test.each(['/state?log=2&seq=1', '/state?log=1&seq=one', '/state'])('%s is no moment of a journal', async (path) => {
  const { found } = await inspecting(lived().path)
  expect(await asked(found, path)).toMatchObject({ code: 404 })
})

test('before the first record there is nothing to fold, and it says so', async () => {
  const { found } = await inspecting(lived().path)
  const { code, body } = await asked(found, '/state?log=1&seq=0')
  expect(code).toBe(422)
  expect(body.error).toContain('Nothing to replay')
})

test('of a damaged journal it says where, and shows what is good', async () => {
  const { path, records } = lived()
  appendFileSync(segmentFiles(path)[0] ?? '', 'no record\n')
  const { found, error } = await inspecting(path)
  expect(error.join('\n')).toMatch(/BROKEN: .*line \d+/)
  expect(error.join('\n')).toContain(`good     records 1 to ${records.length}`)
  const { body } = await asked(found, `/state?log=1&seq=${records.length}`)
  expect(body.record).toBe(records.length)
})

test.each([
  [[], '"inspect" needs the path of a journal.'],
  [['/nowhere'], 'There is no journal at /nowhere.'],
  [[lived().path, '--speed', '2'], "Unknown option '--speed'."],
])('%j is wrong usage', async (args, message) => {
  const { found, error } = await inspecting(...args)
  expect(found).toEqual({ exitCode: 2 })
  expect(error).toHaveLength(1)
  expect(error[0]).toBe(`${message} "relisten inspect --help" tells the usage.`)
})

test('a folder without a journal is wrong usage', async () => {
  const path = newPath()
  mkdirSync(path)
  const { found, error } = await inspecting(path)
  expect(found).toEqual({ exitCode: 2 })
  expect(error[0]).toContain('has no files of a journal in it')
})

test.each(['http', '70000', '-1'])('it does not listen at the port %s', async (port) => {
  const { found, error } = await inspecting(lived().path, `--port=${port}`)
  expect(found).toEqual({ exitCode: 2 })
  expect(error[0]).toContain(`Expected --port to be a port, got "${port}".`)
})

test('a port that is in use is named', async () => {
  const { path } = lived()
  const { found } = await inspecting(path)
  const { port } = new URL('url' in found ? found.url : '')
  const { error } = await inspecting(path, '--port', port)
  expect(error[0]).toContain(`The inspector can't listen at 127.0.0.1:${port}: EADDRINUSE`)
})

test('it tells its usage', async () => {
  const { found, out } = await inspecting('--help')
  expect(found).toEqual({ exitCode: 0 })
  expect(out[0]).toBe('Usage: relisten inspect PATH... [--port PORT]')
})
