import fs, { type FSWatcher } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchFile } from '../../../src/sources/file-watch.ts'

let root: string
let folder: string
let file: string
let looks = 0
let end = () => {}
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'relisten-watch-'))
  folder = join(root, 'config')
  file = join(folder, 'brokers')
  await mkdir(folder)
  looks = 0
})
afterEach(async () => {
  end()
  vi.restoreAllMocks()
  vi.useRealTimers()
  await rm(root, { recursive: true })
})

/** Time stands still, so that what is seen is seen by a watch; `pass` goes to the next look. Resolves with the first. */
async function watch() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  end = watchFile(file, () => {
    looks += 1
  })
  await looked()
}
const pass = () => vi.advanceTimersByTimeAsync(2000)
/** Resolves once there were more looks than these. By the clock, as timers stand still. */
const looked = async (from = 0) => {
  for (const until = Date.now() + 8000; looks <= from && Date.now() < until; ) await new Promise(setImmediate)
  expect(looks).toBeGreaterThan(from)
}
const broken = (code: string) => Object.assign(new Error(code), { code })

test('a change in the folder is looked at, without any time passing', async () => {
  await writeFile(join(root, 'brokers'), 'b1:9092')
  await watch()
  const before = looks
  await rename(join(root, 'brokers'), file)
  await looked(before)
})

test('where nothing is announced the file is looked at every two seconds', async () => {
  vi.spyOn(fs, 'watch').mockImplementation(() => {
    throw broken('ENOSPC')
  })
  await watch()
  const before = looks
  await vi.advanceTimersByTimeAsync(1999)
  expect(looks).toBe(before)
  await vi.advanceTimersByTimeAsync(1)
  await looked(before)
})

test('a watch that breaks is made again', async () => {
  const made = vi.spyOn(fs, 'watch')
  await watch()
  const first = made.mock.results[0]?.value as FSWatcher
  first.emit('error', broken('EMFILE'))
  const before = looks
  await pass()
  await looked(before)
  expect(made).toHaveBeenCalledTimes(2)
})

test('a folder that is away is looked for, and watched once it is there', async () => {
  await rm(folder, { recursive: true })
  const made = vi.spyOn(fs, 'watch')
  await watch()
  expect(made).not.toHaveBeenCalled()
  await mkdir(folder)
  const before = looks
  await pass()
  await looked(before)
  expect(made).toHaveBeenCalledOnce()
})

test('a folder that another one takes the place of is left for that one', async () => {
  await watch()
  await rename(folder, join(root, 'old'))
  await mkdir(folder)
  let before = looks
  await pass()
  await looked(before)
  before = looks
  await writeFile(file, 'b1:9092')
  await looked(before)
})

test('after its end there is no watch, no timer and no look', async () => {
  const made = vi.spyOn(fs, 'watch')
  await watch()
  const close = vi.spyOn(made.mock.results[0]?.value as FSWatcher, 'close')
  end()
  const before = looks
  expect(close).toHaveBeenCalledOnce()
  expect(vi.getTimerCount()).toBe(0)
  await writeFile(file, 'b1:9092')
  await pass()
  expect(looks).toBe(before)
})

test('an end while the folder is still asked for leaves nothing behind', async () => {
  const made = vi.spyOn(fs, 'watch')
  const asked = vi.spyOn(fs.promises, 'stat')
  watchFile(file, () => {
    looks += 1
  })()
  await asked.mock.results[0]?.value
  await new Promise(setImmediate)
  expect([made.mock.calls.length, looks]).toEqual([0, 0])
})
