// The stream from observations to facts: what is told, in which order, and how long it waits.

import { Subject } from 'rxjs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { clusterFacts } from '../../../actors/cluster/cluster-facts.ts'
import { beginning, type Observation } from '../../../actors/cluster/cluster-knowledge.ts'
import { createAcceptance } from '../../../machines/acceptance.ts'
import { parseEndpoint } from '../../../machines/endpoint.ts'
import type { Failure } from '../../../machines/failure.ts'
import { all9, old, said } from '../../machines/said.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const answered = (at: number, by: string, places: string, clusterId = 'ours'): Observation => ({
  type: 'answered',
  ...said(at, by, places, { clusterId }),
})
const died = (at: number, endpoint: string): Observation => ({
  type: 'died',
  endpoint: parseEndpoint(endpoint) ?? expect.unreachable(endpoint),
  at,
})
const failure = (message: string): Failure => ({ kind: 'unreachable', message })
const unanswered = (message: string): Observation => ({
  type: 'unanswered',
  failure: failure(message),
  since: performance.now(),
})

/** A stream under test, with what came out of it, in order: facts, and steps as they were followed. */
function stream() {
  const observed$ = new Subject<Observation>()
  const out: string[] = []
  const facts: unknown[] = []
  const subscription = clusterFacts(observed$, beginning(createAcceptance()), ({ observation }) => {
    out.push(`followed ${observation?.type}`)
  }).subscribe((fact) => {
    out.push(fact.type)
    facts.push(fact)
  })
  const see = (...observations: Observation[]) => {
    for (const observation of observations) observed$.next(observation)
  }
  return { see, out, facts, subscription }
}

test('a step is followed before its facts are told', () => {
  const { see, out } = stream()
  see(answered(1, 'a:1', old), answered(2, 'b:1', old))
  expect(out).toEqual(['followed answered', 'cluster.reached', 'followed answered'])
})

test('rounds without an answer are one silence, told after a second with its newest reason, and ended by an answer', () => {
  const { see, facts } = stream()
  see(answered(1, 'a:1', old), unanswered('first'))
  vi.advanceTimersByTime(900)
  see(unanswered('second'))
  expect(facts).toHaveLength(1)
  vi.advanceTimersByTime(100)
  expect(facts[1]).toEqual({ type: 'cluster.unreachable', failure: failure('second'), sinceMs: 1000 })
  see(unanswered('third'))
  vi.advanceTimersByTime(5000)
  see(answered(2, 'a:1', old))
  expect(facts.slice(2)).toMatchObject([{ type: 'cluster.reached' }])
})

test('another reason for a silence is told after a second, each further one after twice the time, and the same one never', () => {
  const { see, facts } = stream()
  const refused = (code: string): Observation => ({
    ...{ type: 'unanswered', since: 0 },
    failure: { kind: 'dial-failed', message: code, code },
  })
  see(refused('A'))
  vi.advanceTimersByTime(1000)
  const told = () => facts.map((fact) => (fact as { failure: Failure }).failure.code)
  see(refused('A'))
  vi.advanceTimersByTime(60_000)
  expect(told()).toEqual(['A'])
  see(refused('B'))
  vi.advanceTimersByTime(0)
  expect(told()).toEqual(['A', 'B'])
  see(refused('C'))
  vi.advanceTimersByTime(1999)
  expect(told()).toEqual(['A', 'B'])
  vi.advanceTimersByTime(1)
  expect(told()).toEqual(['A', 'B', 'C'])
  see(refused('A'), refused('C'))
  vi.advanceTimersByTime(60_000)
  expect(told()).toEqual(['A', 'B', 'C'])
})

test('an answer within the second ends the silence untold', () => {
  const { see, out } = stream()
  see(answered(1, 'a:1', old), unanswered('first'))
  vi.advanceTimersByTime(900)
  see(answered(2, 'a:1', old))
  vi.advanceTimersByTime(5000)
  expect(out.filter((each) => each.startsWith('cluster.'))).toEqual(['cluster.reached'])
})

test('moves that are accepted one after the other are one fact, in the order of their nodes', () => {
  const { see, facts } = stream()
  see(answered(1, 'a:1', old), died(2, 'c:1'), answered(3, 'c:9', all9))
  vi.advanceTimersByTime(99)
  expect(facts).toHaveLength(1)
  see(died(4, 'a:1'), answered(5, 'a:9', all9))
  expect(facts.slice(1)).toMatchObject([{ reason: 'moved', moves: [{ nodeId: 1 }, { nodeId: 2 }, { nodeId: 3 }] }])
})

test('a move waits for others 100 ms at most', () => {
  const { see, facts } = stream()
  see(answered(1, 'a:1', old), died(2, 'c:1'), answered(3, 'c:9', all9))
  vi.advanceTimersByTime(100)
  expect(facts.slice(1)).toEqual([
    { type: 'cluster.moved', reason: 'moved', moves: [{ nodeId: 3, from: 'c:1', to: 'c:9' }] },
  ])
})

test('another cluster is told once per endpoint, and nobody waits for what is unsubscribed', () => {
  const { see, facts, subscription } = stream()
  see(answered(1, 'a:1', old), answered(2, 'b:1', old, 'theirs'), answered(3, 'b:1', old, 'theirs'))
  expect(facts.slice(1)).toEqual([{ type: 'cluster.refused', expected: 'ours', got: 'theirs', endpoint: 'b:1' }])
  see(unanswered('silent'))
  subscription.unsubscribe()
  expect(vi.getTimerCount()).toBe(0)
})
