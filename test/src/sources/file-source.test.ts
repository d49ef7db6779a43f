// What is special about a file: how it is replaced, what stands in its place, and what is left behind when nobody listens any more.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BrokerSource } from '../../../actors/cluster/source.ts'
import { fileSource } from '../../../src/sources/file-source.ts'
import { createConfigMap } from './config-map.ts'

const { open } = fs.promises

/** How long a busy machine may take. */
const soon = { timeout: 8000, interval: 10 }

let folder: string
let file: string
const endings: (() => void)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relisten-sources-'))
  file = join(folder, 'brokers')
})
afterEach(async () => {
  for (const end of endings.splice(0)) end()
  vi.restoreAllMocks()
  await rm(folder, { recursive: true })
})

/** Listens as a consumer does; resolves when the file has been read once. */
async function listen(source: BrokerSource) {
  const seen: string[] = []
  if (!source.changes || !('subscribe' in source.changes)) throw new Error('It announces nothing')
  const next = (list: readonly string[]) => void seen.push(list.join())
  const { unsubscribe } = source.changes.subscribe({ next, error: () => {}, complete: () => {} })
  endings.push(unsubscribe)
  await source.current()
  return { seen, unsubscribe, announced: (list: string) => expect.poll(() => seen.at(-1), soon).toBe(list) }
}

const replaced = async (text: string) => {
  await writeFile(`${file}.tmp`, text)
  await rename(`${file}.tmp`, file)
}

test('a ConfigMap whose symlink is swapped is announced', async () => {
  await using map = await createConfigMap('b1:9092')
  const { announced, seen } = await listen(fileSource(map.file))
  await map.swap('b2:9092')
  await announced('b2:9092')
  await map.swap('b3:9092')
  await announced('b3:9092')
  expect(seen).toEqual(['b2:9092', 'b3:9092'])
})

test.each([
  ['renamed over', replaced],
  ['written in place', (text: string) => writeFile(file, text)],
  [
    'deleted and made again',
    async (text: string) => {
      await rm(file)
      await writeFile(file, text)
    },
  ],
])('a file that is %s is announced', async (_, change) => {
  await writeFile(file, 'b1:9092')
  const { announced, seen } = await listen(fileSource(file))
  await change('b2:9092,b3:9092')
  await announced('b2:9092,b3:9092')
  expect(seen).toEqual(['b2:9092,b3:9092'])
})

test('a file that is written piece by piece counts when it is whole, though half of it is a list as well', async () => {
  const pieces = ['b2:9092', 'b2:9092\nb3:90', 'b2:9092\nb3:9093\n']
  vi.spyOn(fs.promises, 'open').mockImplementation(async (...call) => {
    await writeFile(file, pieces[0] ?? '')
    if (pieces.length > 1) pieces.shift()
    return open(...call)
  })
  expect(await fileSource(file).current()).toEqual(['b2:9092', 'b3:9093'])
})

test('a file that is written to without end fails, and does not hang', async () => {
  let count = 0
  const write = () => writeFile(file, `b${count++}:9092`)
  await write()
  vi.spyOn(fs.promises, 'open').mockImplementation(async (...call) => {
    await write()
    return open(...call)
  })
  await expect(fileSource(file).current()).rejects.toThrow(`${file}: it does not stay the same`)
})

test.each<[string, () => unknown, string]>([
  ['is missing', () => {}, 'ENOENT'],
  ['is empty', () => writeFile(file, ''), 'there is no broker in it'],
  ['is a folder', () => mkdir(file), 'it is not a file'],
  ['is a named pipe', () => execFileSync('mkfifo', [file]), 'it is not a file'],
  ['is a symlink to itself', () => symlink(file, file), 'ELOOP'],
  ['is larger than 64 KiB', () => writeFile(file, '#'.repeat(65_537)), 'it is larger than 65536 bytes'],
  ['holds something else', () => writeFile(file, 'b1:9092\nhunter2hunter2'), 'line 2 is not `host:port`'],
])('a file that %s fails with its path and why, and is read once it is good', async (_, make, why) => {
  await make()
  const source = fileSource(file)
  const failure: Error = await (async () => source.current())().then(
    () => expect.fail('It is read'),
    (error) => error,
  )
  expect(failure.message).toContain(why)
  expect(failure.message).toContain(file)
  expect(failure.message).not.toContain('hunter2')
  await rm(file, { recursive: true, force: true })
  await writeFile(file, 'b1:9092')
  expect(await source.current()).toEqual(['b1:9092'])
})

test('a file of exactly 64 KiB is read', async () => {
  await writeFile(file, `b1:9092\n${'#'.repeat(65_528)}`)
  expect(await fileSource(file).current()).toEqual(['b1:9092'])
})

test('a file that recovers is announced, and one that only fails is not', async () => {
  await writeFile(file, 'b1:9092')
  const source = fileSource(file)
  const { announced, seen } = await listen(source)
  await rm(file)
  await expect.poll(() => (async () => source.current())().then(String, () => 'failed'), soon).toBe('failed')
  await writeFile(file, 'b1:9092')
  await announced('b1:9092')
  expect(seen).toEqual(['b1:9092'])
})

test('a file is watched while somebody listens, once for all who do, and not before or after', async () => {
  const watch = vi.spyOn(fs, 'watch')
  await writeFile(file, 'b1:9092')
  const source = fileSource(file)
  await source.current()
  expect(watch).not.toHaveBeenCalled()
  const [one, other] = [await listen(source), await listen(source)]
  await expect.poll(() => watch.mock.results.length, soon).toBe(1)
  const close = vi.spyOn(watch.mock.results[0]?.value as fs.FSWatcher, 'close')
  one.unsubscribe()
  expect(close).not.toHaveBeenCalled()
  await replaced('b2:9092')
  await other.announced('b2:9092')
  other.unsubscribe()
  expect(close).toHaveBeenCalledOnce()
  await replaced('b3:9092')
  expect(await source.current()).toEqual(['b3:9092'])
  expect([one.seen, other.seen]).toEqual([[], ['b2:9092']])
})

test.each<[string, unknown]>([
  ['a number', 7],
  ['an empty text', ''],
  ['a text that no path can have', 'a\0b'],
])('%s as path is an invalid option', (_, path) => {
  expect(() => fileSource(path as string)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
})
