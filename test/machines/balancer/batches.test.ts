// Which steps may begin: in which order, and how many beside what is under way.
import { expect, test } from 'vitest'
import { type BatchLimits, type Moving, nextSteps, usualLimits } from '../../../machines/balancer/batches.ts'
import type { Step } from '../../../machines/balancer/plan.ts'
import { stepTo } from '../../balancer/execution-stage.ts'

const limits: BatchLimits = { movesPerBroker: 9, movesPerTopic: 9, bytesInFlight: 1000, leaders: 9 }
const move = (topic: string, partition: number, from: number, to: number, bytes = 0) =>
  stepTo(topic, partition, 'replica', from, to, [9, to], bytes)
const lead = (topic: string, partition: number) => stepTo(topic, partition, 'leader', 1, 2, [2, 1])
const moving = (step: Step): Moving => ({ ...step, from: [step.from], to: [step.to] })

const named = (steps: readonly Step[]) => steps.map(({ kind, topic, partition }) => `${kind} ${topic}/${partition}`)
const next = (waiting: readonly Step[], own: Partial<BatchLimits> = {}, underWay: readonly Step[] = []) =>
  named(nextSteps(waiting, underWay.map(moving), { ...limits, ...own }))

test('leaders begin first, and replicas wait until no leader is waiting or on its way', () => {
  const steps = [move('a', 0, 1, 2), lead('a', 1), lead('b', 0)]
  expect(next(steps)).toEqual(['leader a/1', 'leader b/0'])
  expect(next(steps.slice(0, 1), {}, [lead('a', 1)])).toEqual([])
  expect(next(steps.slice(0, 1))).toEqual(['replica a/0'])
})

test('so many leaders begin as the limit leaves beside those that are on their way', () => {
  const steps = [0, 1, 2, 3].map((partition) => lead('a', partition))
  expect(next(steps, { leaders: 3 })).toHaveLength(3)
  expect(next(steps, { leaders: 3 }, [lead('b', 0), lead('b', 1)])).toEqual(['leader a/0'])
})

test('one broker receives no more replicas than its limit, and others go on', () => {
  const steps = [move('a', 0, 1, 4), move('b', 0, 2, 4), move('c', 0, 3, 4), move('d', 0, 1, 5)]
  expect(next(steps, { movesPerBroker: 2 })).toEqual(['replica a/0', 'replica b/0', 'replica d/0'])
})

test('no more replicas leave one broker than its limit, and others go on', () => {
  const steps = [move('a', 0, 1, 4), move('b', 0, 1, 5), move('c', 0, 1, 6), move('d', 0, 2, 7)]
  expect(next(steps, { movesPerBroker: 2 })).toEqual(['replica a/0', 'replica b/0', 'replica d/0'])
})

test('what a broker receives does not count as what leaves it', () => {
  expect(next([move('a', 0, 1, 2), move('b', 0, 2, 3)], { movesPerBroker: 1 })).toHaveLength(2)
})

test('no more replicas of one topic move than its limit, and other topics go on', () => {
  const steps = [move('a', 0, 1, 4), move('a', 1, 2, 5), move('a', 2, 3, 6), move('b', 0, 1, 5)]
  expect(next(steps, { movesPerTopic: 2 })).toEqual(['replica a/0', 'replica a/1', 'replica b/0'])
})

test('leaders take no room of brokers and topics', () => {
  expect(next([lead('a', 1), lead('a', 2)], { movesPerTopic: 1, movesPerBroker: 1 })).toHaveLength(2)
})

test('no more bytes are in flight than the limit, and a smaller replica goes before one that does not fit', () => {
  const steps = [move('a', 0, 1, 4, 600), move('a', 1, 2, 5, 500), move('a', 2, 3, 6, 400)]
  expect(next(steps)).toEqual(['replica a/0', 'replica a/2'])
  expect(next(steps.slice(1), {}, [move('b', 0, 1, 4, 500)])).toEqual(['replica a/1'])
})

test('a replica that is larger than the limit moves alone', () => {
  const large = move('a', 0, 1, 4, 5000)
  const small = move('a', 1, 2, 5, 1)
  expect(next([large, small])).toEqual(['replica a/0'])
  expect(next([large], {}, [small])).toEqual([])
  expect(next([small], {}, [large])).toEqual([])
})

test('moves that others have begun count, with all that they add and remove', () => {
  const foreign: Moving = { topic: 'x', partition: 0, kind: 'replica', bytes: 0, from: [1, 2], to: [3, 4] }
  const steps = [move('a', 0, 5, 3), move('b', 0, 5, 4), move('c', 0, 1, 6), move('d', 0, 2, 6), move('e', 0, 3, 1)]
  const begun = nextSteps(steps, [foreign], { ...limits, movesPerBroker: 1 })
  expect(named(begun)).toEqual(['replica e/0'])
  expect(named(nextSteps([move('x', 1, 5, 6)], [foreign], { ...limits, movesPerTopic: 1 }))).toEqual([])
})

test('steps of one partition begin in the order of the plan, one after the other', () => {
  const steps = [move('a', 0, 1, 2), move('a', 0, 3, 4), move('a', 1, 1, 2)]
  expect(next(steps)).toEqual(['replica a/0', 'replica a/1'])
  expect(nextSteps(steps, [], limits)[0]).toBe(steps[0])
  expect(next(steps.slice(1), {}, [move('a', 0, 1, 2)])).toEqual(['replica a/1'])
})

test('a leader that stands behind a replica of its own partition does not overtake it', () => {
  expect(next([move('a', 0, 1, 2), lead('a', 0)])).toEqual(['replica a/0'])
})

test.each(['__consumer_offsets', '__transaction_state'])('partitions of %s begin last, one at a time', (topic) => {
  const steps = [lead(topic, 0), move(topic, 1, 1, 2), move('a', 0, 1, 2)]
  expect(next(steps)).toEqual(['replica a/0'])
  // Nothing is beside them, not even what others have begun.
  expect(next(steps.slice(0, 2), {}, [move('a', 0, 1, 2)])).toEqual([])
  expect(next(steps.slice(0, 2))).toEqual([`leader ${topic}/0`])
  expect(next(steps.slice(1, 2), {}, [lead(topic, 0)])).toEqual([])
})

test('where nothing has room, nothing begins; where nothing waits, neither', () => {
  expect(next([move('a', 0, 1, 2)], { movesPerBroker: 1 }, [move('b', 0, 1, 3)])).toEqual([])
  expect(next([])).toEqual([])
})

test('the usual limits are five replicas into a broker, ten of a topic, 10 GiB and a hundred leaders', () => {
  const into = [...Array(8).keys()].map((number) => move(`t${number}`, 0, number, 99))
  const ofOne = [...Array(12).keys()].map((partition) => move('a', partition, partition, 50 + partition))
  const bytes = [...Array(4).keys()].map((number) => move(`t${number}`, 0, number, 50 + number, 4 * 2 ** 30))
  const leaders = [...Array(120).keys()].map((partition) => lead('a', partition))
  const counts = [into, ofOne, bytes, leaders].map((steps) => nextSteps(steps, [], usualLimits).length)
  expect(counts).toEqual([5, 10, 2, 100])
})
