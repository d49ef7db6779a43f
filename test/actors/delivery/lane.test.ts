// A lane: what waits in it, what that takes, and where the next fetch begins.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Backlog } from '../../../actors/delivery/backlog.ts'
import { Lane, type Load } from '../../../actors/delivery/lane.ts'
import { Progress } from '../../../actors/delivery/progress.ts'
import { Tenure } from '../../../actors/delivery/tenure.ts'
import type { KafkaMessage } from '../../../actors/kafkajs/consumer.ts'
import { batchOf } from '../stage.ts'

const tenure = new Tenure(1, 1, { orders: [0] })

const laneOf = () => {
  const backlog = new Backlog(1_000_000)
  return { backlog, lane: new Lane({ topic: 'orders', partition: 0 }, new Progress(), backlog) }
}

/** A load of one message with this key, value and headers. */
const loadOf = (message: Partial<KafkaMessage>, offset = 0): Load => {
  const batch = batchOf(0, [offset])
  const messages = batch.messages.map((each) => ({ ...each, value: null, ...message })) as KafkaMessage[]
  return { batch: { ...batch, messages }, tenure, from: BigInt(offset), next: 0 }
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
  const { backlog, lane } = laneOf()
  lane.put(loadOf(message))
  expect(backlog.held).toBe(empty + bytes)
  lane.shift()
  expect(backlog.held).toBe(0)
})

test('whatever comes and goes, the backlog holds what waits here, and a lane that is cleared holds nothing', () => {
  const value = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes))
  const moves = fc.array(fc.oneof(value, fc.constant('shift' as const)), { maxLength: 30 })
  fc.assert(
    fc.property(moves, (all) => {
      const { backlog, lane } = laneOf()
      const waiting: Load[] = []
      for (const [offset, move] of all.entries()) {
        if (move === 'shift') {
          lane.shift()
          waiting.shift()
        } else {
          const load = loadOf({ value: move }, offset)
          lane.put(load)
          waiting.push(load)
        }
        const sizes = waiting.map(({ batch }) => empty + (batch.messages[0]?.value?.length ?? 0))
        expect(backlog.held).toBe(sizes.reduce((sum, size) => sum + size, 0))
        expect([lane.depth, lane.first]).toEqual([waiting.length, waiting[0]])
      }
      lane.clear()
      expect([backlog.held, lane.depth]).toEqual([0, 0])
    }),
  )
})

test('the next fetch begins behind what waits, else at the mark', () => {
  const { lane } = laneOf()
  expect(lane.position).toBeUndefined()
  lane.progress.mark = 3n
  expect(lane.position).toBe(3n)
  lane.put(loadOf({}, 3))
  lane.put(loadOf({}, 4))
  expect(lane.position).toBe(5n)
  lane.seek(9n, tenure)
  expect([lane.position, lane.depth, lane.progress.uncommitted]).toEqual([9n, 0, 9n])
})

test('a new lane has lost no position, and is held by the user and by a handler, not by its backlog', () => {
  const { lane } = laneOf()
  expect([lane.outOfRange, lane.busy, lane.held]).toEqual([false, false, false])
  lane.pausedBy.add('backlog')
  expect(lane.held).toBe(false)
  for (const by of ['user', 'handler'] as const) {
    lane.pausedBy.add(by)
    expect(lane.held).toBe(true)
    lane.pausedBy.delete(by)
  }
})
