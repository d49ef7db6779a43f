// A queue: what waits in it, what that takes, and where the next fetch begins.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { PartitionQueue, type QueuedBatch } from '../../../actors/delivery/partition-queue.ts'
import { PrefetchBudget } from '../../../actors/delivery/prefetch-budget.ts'
import { Progress } from '../../../actors/delivery/progress.ts'
import type { KafkaMessage } from '../../../actors/kafkajs/consumer.ts'
import { batchOf } from '../stage.ts'

const assignment = new Assignment(1, 1, { orders: [0] })

const queueOf = () => {
  const prefetchBudget = new PrefetchBudget(1_000_000)
  const where = { topic: 'orders', partition: 0 }
  return { prefetchBudget, queue: new PartitionQueue(where, new Progress(), prefetchBudget, () => undefined) }
}

/** A batch of one message with this key, value and headers. */
const loadOf = (message: Partial<KafkaMessage>, offset = 0): QueuedBatch => {
  const batch = batchOf(0, [offset])
  const messages = batch.messages.map((each) => ({ ...each, value: null, ...message })) as KafkaMessage[]
  return { batch: { ...batch, messages }, assignment, from: BigInt(offset), next: 0 }
}

/** What a message without content takes. */
const empty = 100

test.each<{ what: string; message: Partial<KafkaMessage>; bytes: number }>([
  { what: 'nothing', message: {}, bytes: 0 },
  { what: 'a key', message: { key: Buffer.from('abc') }, bytes: 3 },
  { what: 'a value', message: { value: Buffer.from('abcd') }, bytes: 4 },
  { what: 'a key and a value', message: { key: Buffer.from('abc'), value: Buffer.from('abcd') }, bytes: 7 },
  { what: 'a header', message: { headers: { name: Buffer.from('ab') } }, bytes: 6 },
  { what: 'a header twice', message: { headers: { name: [Buffer.from('ab'), 'c'] } }, bytes: 7 },
  { what: 'a header without a value', message: { headers: { name: undefined } }, bytes: 4 },
])('a message with $what takes $bytes bytes beside its object, until it is gone', ({ message, bytes }) => {
  const { prefetchBudget, queue } = queueOf()
  queue.put(loadOf(message))
  expect(prefetchBudget.held).toBe(empty + bytes)
  queue.shift()
  expect(prefetchBudget.held).toBe(0)
})

test('whatever comes and goes, the budget holds what waits here, and a queue that is closed holds nothing', () => {
  const value = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes))
  const moves = fc.array(fc.oneof(value, fc.constant('shift' as const)), { maxLength: 30 })
  fc.assert(
    fc.property(moves, (all) => {
      const { prefetchBudget, queue } = queueOf()
      const waiting: QueuedBatch[] = []
      for (const [offset, move] of all.entries()) {
        if (move === 'shift') {
          queue.shift()
          waiting.shift()
        } else {
          const queued = loadOf({ value: move }, offset)
          queue.put(queued)
          waiting.push(queued)
        }
        const sizes = waiting.map(({ batch }) => empty + (batch.messages[0]?.value?.length ?? 0))
        expect(prefetchBudget.held).toBe(sizes.reduce((sum, size) => sum + size, 0))
        expect([queue.depth, queue.first]).toEqual([waiting.length, waiting[0]])
      }
      queue.close()
      expect([prefetchBudget.held, queue.depth]).toEqual([0, 0])
    }),
  )
})

test('the next fetch begins behind what waits, else at the mark', () => {
  const { queue } = queueOf()
  expect(queue.position).toBeUndefined()
  queue.progress.mark = 3n
  expect(queue.position).toBe(3n)
  queue.put(loadOf({}, 3))
  queue.put(loadOf({}, 4))
  expect(queue.position).toBe(5n)
  queue.seek(9n, assignment)
  expect([queue.position, queue.depth, queue.progress.uncommitted]).toEqual([9n, 0, 9n])
})

test('a new queue is closed and idle', () => {
  const { queue } = queueOf()
  expect([queue.open, queue.busy, queue.held, queue.pausedBy.size]).toEqual([false, false, false, 0])
})

test('a queue is held by the user and by a handler, and not as it is full', async () => {
  const { queue } = queueOf()
  for (const offset of [0, 1, 2]) queue.put(loadOf({}, offset))
  await queue.room()
  expect([[...queue.pausedBy], queue.held]).toEqual([['prefetch'], false])
  for (const by of ['user', 'handler'] as const) {
    queue.hold(by)
    expect([[...queue.pausedBy], queue.held]).toEqual([[by], true])
    queue.release()
    expect(queue.held).toBe(false)
  }
})

test('a queue is open from where its start position is known until that is lost or another assignment begins', () => {
  const { queue } = queueOf()
  for (const end of [() => queue.close(), () => queue.begin(true)]) {
    queue.open = true
    expect(queue.open).toBe(true)
    end()
    expect(queue.open).toBe(false)
  }
})
