// Producers: each of their oracles sees what it is there for, brokers judge sequences as Kafka's do, and a seed gives the same each time.
import { expect, test } from 'vitest'
import { producerProofs } from './faults/produces.ts'
import { ProducerStates } from './kafka/producer-states.ts'
import { producerOracles } from './oracles/producing.ts'
import { producingPlan } from './producers/producing-plan.ts'
import { run } from './run.ts'
import { keptProducerSeeds } from './seeds.ts'
import type { Sighting } from './sighting.ts'

const offered = (request: number, ids: readonly string[], isIdempotent = false): Sighting => ({
  ...{ type: 'offered', producer: 'p1.1', request, partition: 0, ids, isIdempotent, withinMs: 1000 },
})
const stored = (offset: number, ...ids: string[]): Sighting => ({ type: 'stored', partition: 0, offset, ids })
const settled = (request: number, code: number, offset = -1): Sighting => ({
  ...{ type: 'settled', request, partition: 0, code, offset },
})
const givenUp = (isUnwritten: boolean): Sighting => ({
  ...{ type: 'given-up', partitions: [0], unwritten: isUnwritten ? [0] : [] },
})
const sendEnded = (ids: readonly string[], isAcknowledged: boolean, isRetriable = false): Sighting => ({
  ...{ type: 'send-ended', ids, isAcknowledged, isRetriable, error: 'an error' },
})
const produced = (repeated: number, ...behind: string[]): Sighting => ({ type: 'produced', repeated, behind })
const tick: Sighting = { type: 'tick', isTroubled: false }

/** Sightings, and milliseconds that pass between them. */
type Moment = Sighting | number

/** The invariants that a history breaks. */
function broken(history: readonly Moment[]): string[] {
  const oracles = producerOracles()
  let at = 0
  return history.flatMap((moment) => {
    if (typeof moment === 'number') {
      at += moment
      return []
    }
    return oracles.flatMap((oracle) => (oracle.see(moment, at) === undefined ? [] : [oracle.id]))
  })
}

test.each<[string, string, Moment[]]>([
  ['P1', 'what is acknowledged and not in the log', [offered(1, ['a']), settled(1, 0, 0)]],
  ['P1', 'what is acknowledged at another offset', [offered(1, ['a']), stored(1, 'a'), settled(1, 0, 0)]],
  [
    'P1',
    'a batch of which the second message is another one',
    [offered(1, ['a', 'b']), stored(0, 'a', 'c'), settled(1, 0, 0)],
  ],
  ['P1', 'a send that is acknowledged and was never written', [sendEnded(['a'], true)]],
  ['P1', 'an answer to what is not open', [offered(1, ['a']), stored(0, 'a'), settled(1, 0, 0), settled(1, 0, 0)]],
  ['P2', 'an idempotent message that is there twice', [offered(1, ['a'], true), stored(0, 'a'), stored(1, 'a')]],
  [
    'P2',
    'plain messages that are there twice and not told',
    [offered(1, ['a']), stored(0, 'a'), stored(1, 'a'), produced(0)],
  ],
  [
    'P3',
    'messages in another order than they were sent',
    [offered(1, ['a']), offered(2, ['b']), stored(0, 'b'), stored(1, 'a'), settled(1, 0, 1), settled(2, 0, 0)],
  ],
  ['P4', 'what is refused and in the log', [offered(1, ['a']), stored(0, 'a'), settled(1, 29)]],
  ['P4', 'what is refused and comes to the log', [offered(1, ['a']), settled(1, 29), stored(0, 'a')]],
  ['P4', 'what is told as not written and is', [offered(1, ['a']), stored(0, 'a'), givenUp(true), settled(1, -1)]],
  ['P5', 'a message that KafkaJS sends again', [offered(1, ['a']), settled(1, -1), offered(2, ['a'])]],
  ['P5', 'a rejection that KafkaJS tries again', [offered(1, ['a']), sendEnded(['a'], false, true)]],
  ['P6', 'an answer after its deadline', [offered(1, ['a']), 1200, settled(1, -1)]],
  ['P6', 'an answer that does not come', [offered(1, ['a']), 1200, tick]],
  ['P7', 'a producer that can not send any more', [produced(0, 'p1.1')]],
])('%s sees %s', (invariant, _what, history) => {
  expect(broken(history)).toEqual([invariant])
})

test.each<[string, Moment[]]>([
  [
    'what is written and acknowledged',
    [offered(1, ['a', 'b']), stored(3, 'a', 'b'), settled(1, 0, 3), sendEnded(['a', 'b'], true)],
  ],
  ['what is there twice and told', [offered(1, ['a']), stored(0, 'a'), stored(1, 'a'), settled(1, 0, 1), produced(1)]],
  [
    'what is unknown and written',
    [offered(1, ['a']), stored(0, 'a'), givenUp(false), settled(1, -1), sendEnded(['a'], false)],
  ],
  ['what is told as not written and is not', [offered(1, ['a']), givenUp(true), settled(1, -1), produced(0)]],
  [
    'of two that were given up, the one that is written and told as unknown',
    [
      offered(1, ['a']),
      offered(2, ['b']),
      stored(0, 'a'),
      givenUp(false),
      givenUp(true),
      settled(1, -1),
      settled(2, -1),
    ],
  ],
  ['an answer at its deadline', [offered(1, ['a']), 1000, settled(1, -1)]],
  ['a send that never came to a wire', [sendEnded(['a'], false, true)]],
])('no oracle objects to %s', (_what, history) => {
  expect(broken(history)).toEqual([])
})

test('a partition takes the batches of an idempotent producer in order, and knows its last five again', () => {
  const states = new ProducerStates()
  const batch = (sequence: number, epoch = 0, producerId = 7) => ({ producerId, epoch, sequence, count: 2 })
  expect(states.judge(batch(40))).toEqual({ kind: 'new' })
  for (let index = 0; index < 6; index++) {
    expect(states.judge(batch(2 * index))).toEqual({ kind: 'new' })
    states.note(batch(2 * index), 100 + index)
  }
  expect(states.judge(batch(10))).toEqual({ kind: 'duplicate', offset: 105 })
  expect(states.judge(batch(2))).toEqual({ kind: 'duplicate', offset: 101 })
  expect(states.judge(batch(0))).toEqual({ kind: 'gap' })
  expect(states.judge(batch(14))).toEqual({ kind: 'gap' })
  expect(states.judge(batch(0, 1))).toEqual({ kind: 'new' })
  states.note(batch(0, 1), 200)
  expect(states.judge(batch(12))).toEqual({ kind: 'fenced' })
})

test('a plan has faults of each kind in some seed, in the order of their time', () => {
  const plans = Array.from({ length: 600 }, (_, seed) => producingPlan(seed))
  for (const { faults } of plans) {
    const times = faults.map(({ atMs }) => atMs)
    expect(times).toEqual(times.toSorted((one, other) => one - other))
  }
  expect(new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind))).size).toBeGreaterThan(40)
  expect(producerProofs.length).toBeGreaterThan(40)
})

test('seeds of producers hold, and the same seed gives the same journal', { timeout: 60_000 }, async () => {
  const seeds = keptProducerSeeds.map(({ seed }) => seed)
  for (const seed of seeds) {
    const first = await run(seed, { plan: producingPlan(seed) })
    expect(first.violation).toBeUndefined()
    expect(first.messages).toBeGreaterThan(50)
    expect((await run(seed, { plan: producingPlan(seed) })).hash).toBe(first.hash)
  }
})
