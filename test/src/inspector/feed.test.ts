// What viewers are sent, and what is done while there is none.
import type { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Feed } from '../../../src/inspector/feed.ts'
import { fakeWatched } from './watched.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A browser's end of the line. `isRead`: it takes what it is sent; otherwise all of it waits. */
class Line extends Writable {
  text = ''
  isRead: boolean

  constructor(isRead = true) {
    super()
    this.isRead = isRead
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk
    if (this.isRead) done()
  }

  get messages(): { event: string; data: { records: { seq: number }[]; status: unknown }; logs: unknown }[] {
    const each = this.text.split('\n\n').filter((text) => text !== '')
    return each.map((text) => {
      const [event = '', data = ''] = text.split('\n').map((line) => line.slice(line.indexOf(' ') + 1))
      return { event, data: JSON.parse(data), logs: undefined }
    })
  }

  /** Numbers of the records it was sent. */
  get seqs(): number[] {
    return this.messages
      .filter(({ event }) => event === 'records')
      .flatMap(({ data }) => data.records.map(({ seq }) => seq))
  }

  as(): ServerResponse {
    return this as unknown as ServerResponse
  }
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

test('with nobody looking no fact is encoded, no status asked for, and no timer runs', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  const encode = vi.spyOn(JSON, 'stringify')
  for (const _ of upTo(100)) watched.tell()
  await vi.advanceTimersByTimeAsync(60_000)
  // What makes a record encodes it for its checksum, and nothing else does.
  expect(encode).toHaveBeenCalledTimes(100)
  encode.mockRestore()
  expect(watched.asked).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('who comes late is sent all facts so far in order, and then those that follow, each once', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  for (const _ of upTo(1234)) watched.tell()
  const line = new Line()
  await feed.join(line.as())
  expect(line.messages.map(({ event }) => event).slice(0, 3)).toEqual(['hello', 'logs', 'look'])
  expect(line.messages.at(-1)?.event).toBe('live')
  expect(line.seqs).toEqual(upTo(1234))
  for (const _ of upTo(10)) watched.tell()
  await vi.advanceTimersByTimeAsync(100)
  expect(line.seqs).toEqual(upTo(1244))
})

test('what is new is encoded once for all viewers', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  const lines = [new Line(), new Line(), new Line()]
  for (const line of lines) await feed.join(line.as())
  watched.tell()
  watched.tell()
  const encode = vi.spyOn(JSON, 'stringify')
  await vi.advanceTimersByTimeAsync(100)
  const ofRecords = encode.mock.calls.filter(([value]) => Array.isArray((value as { records?: unknown })?.records))
  encode.mockRestore()
  expect(ofRecords).toHaveLength(1)
  for (const line of lines) expect(line.seqs).toEqual([1, 2])
})

test('a status is asked for once a second, and sent only where it has changed', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  const line = new Line()
  await feed.join(line.as())
  await vi.advanceTimersByTimeAsync(10_000)
  expect(watched.asked).toBe(11)
  expect(line.messages.filter(({ event }) => event === 'look')).toHaveLength(1)
})

test('once the last viewer has left nothing runs any more', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  const lines = [new Line(), new Line()]
  for (const line of lines) await feed.join(line.as())
  for (const line of lines) line.destroy()
  await vi.advanceTimersByTimeAsync(0)
  const { asked } = watched
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(5000)
  expect(watched.asked).toBe(asked)
})

test('a viewer that does not read is dropped with more than 1 MB queued, and the others miss nothing', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  const [slow, quick] = [new Line(), new Line()]
  await feed.join(slow.as())
  await feed.join(quick.as())
  slow.isRead = false
  const data = { text: 'x'.repeat(100_000) }
  let most = 0
  for (const _ of upTo(20)) {
    watched.tell({ data })
    await vi.advanceTimersByTimeAsync(100)
    most = Math.max(most, slow.writableLength)
  }
  expect(slow.destroyed).toBe(true)
  expect(most).toBeGreaterThan(900_000)
  expect(most).toBeLessThan(1_300_000)
  expect(quick.seqs).toEqual(upTo(20))
})

test('one that comes late and does not read is waited for, for 10 s, and then dropped', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  for (const _ of upTo(1000)) watched.tell()
  const slow = new Line(false)
  const joined = feed.join(slow.as())
  await vi.advanceTimersByTimeAsync(9000)
  expect(slow.destroyed).toBe(false)
  await vi.advanceTimersByTimeAsync(2000)
  await joined
  expect(slow.destroyed).toBe(true)
})

test('of very many facts the newest are kept, and where the brokers were', async () => {
  const feed = new Feed()
  const watched = fakeWatched()
  feed.watch(watched)
  watched.tell({ type: 'cluster.reached', data: { clusterId: 'ours', brokers: { 1: 'b1:9092' } } })
  for (const _ of upTo(10_999)) watched.tell()
  const line = new Line()
  await feed.join(line.as())
  expect(line.seqs.at(-1)).toBe(11_000)
  expect(line.seqs.length).toBeGreaterThanOrEqual(5000)
  expect(line.seqs.length).toBeLessThan(10_000)
  expect(line.text).toContain('"remembered":{"clusterId":"ours","brokers":{"1":"b1:9092"}')
})

test('a consumer that has ended stays to be seen, until twenty others have', async () => {
  const feed = new Feed()
  const line = new Line()
  await feed.join(line.as())
  const watched = upTo(21).map((number) => fakeWatched(`group-${number}`))
  for (const each of watched) feed.watch(each)
  for (const each of watched) each.end()
  await vi.advanceTimersByTimeAsync(0)
  const lists = line.messages.filter(({ event }) => event === 'logs')
  const newest = lists.at(-1)?.data as unknown as { name: string; isOpen: boolean }[]
  expect(newest.map(({ name }) => name)).toEqual(upTo(21, 2).map((number) => `group-${number}`))
  expect(newest.every(({ isOpen }) => !isOpen)).toBe(true)
})
