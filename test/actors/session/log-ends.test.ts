// Where logs end: by fetches, and by asking where nothing is fetched.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Fetched } from '../../../actors/session/fetch-record.ts'
import { LogEnds } from '../../../actors/session/log-ends.ts'
import type { TopicPartition } from '../../../machines/topic-partition.ts'
import { settled } from '../stage.ts'

beforeEach(() => vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => vi.useRealTimers())

const where = (partition: number): TopicPartition => ({ topic: 'orders', partition })

function ends() {
  const fetched = new Map<number, Fetched>()
  const asked: number[][] = []
  const answers = new Map<number, bigint | Error>()
  const subject = new LogEnds({
    fetched: { of: ({ partition }) => fetched.get(partition) },
    assigned: () => [where(0), where(1)],
    log: {
      edges: (places) => {
        asked.push(places.map(({ partition }) => partition))
        return places.map(async ({ partition }) => {
          const answer = answers.get(partition) ?? new Error('away')
          if (answer instanceof Error) throw answer
          return { offset: answer, leaderEpoch: -1 }
        })
      },
    },
  })
  const fetch = (partition: number, end: bigint) =>
    fetched.set(partition, { at: performance.now(), end, nodeId: 1, errorCode: 0 })
  return { subject, fetch, asked, answers }
}

test('the end that the newest fetch has shown is known without asking', () => {
  const { subject, fetch, asked } = ends()
  vi.advanceTimersByTime(60_000)
  fetch(0, 7n)
  fetch(1, 9n)
  subject.refresh()
  expect([subject.of(where(0)), subject.of(where(1))]).toEqual([7n, 9n])
  expect(asked).toEqual([])
})

test('where nothing is fetched the leaders are asked, once in ten seconds, and what is newer counts', async () => {
  const { subject, fetch, asked, answers } = ends()
  vi.advanceTimersByTime(60_000)
  fetch(1, 9n)
  answers.set(0, 7n).set(1, 20n)
  subject.refresh()
  subject.refresh()
  await settled()
  expect(asked).toEqual([[0]])
  expect([subject.of(where(0)), subject.of(where(1))]).toEqual([7n, 9n])
  vi.advanceTimersByTime(10_001)
  subject.refresh()
  await settled()
  expect(asked).toEqual([[0], [0, 1]])
  expect(subject.of(where(1))).toBe(20n)
  vi.advanceTimersByTime(1)
  fetch(1, 21n)
  expect(subject.of(where(1))).toBe(21n)
})

test('a leader that does not respond leaves the end as it was', async () => {
  const { subject, fetch, answers } = ends()
  vi.advanceTimersByTime(60_000)
  fetch(0, 7n)
  vi.advanceTimersByTime(10_001)
  answers.set(0, new Error('away'))
  subject.refresh()
  await settled()
  expect([subject.of(where(0)), subject.of(where(1))]).toEqual([7n, undefined])
})
