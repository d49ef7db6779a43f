// The lifecycle machine: its table cell by cell, what its context counts, and that nothing it names is missing.
import { Subject } from 'rxjs'
import { expect, test } from 'vitest'
import { createActor, fromCallback, fromEventObservable, transition } from 'xstate'
import type { Fact } from '../../machines/fact.ts'
import { lifecycleMachine, type TaskInput } from '../../machines/lifecycle.ts'
import type { LifecycleState } from '../../machines/lifecycle-state.ts'
import { recorded } from '../../machines/recorded.ts'
import { stateName } from '../../machines/state-value.ts'
import { after, everywhere, outcome, stories, told } from './lifecycle-stories.ts'
import { type EventClass, type Situation, table } from './lifecycle-table.ts'
import { flawsIn, nodesOf, pathOf, stateOf } from './structure.ts'

const cells = Object.entries(table).flatMap(([situation, row]) =>
  Object.entries(row).map(([event, expected]) => ({ situation, event, expected }) as Cell),
)
type Cell = { situation: Situation; event: EventClass; expected: string }

test.each(cells)('$situation: $event → $expected', ({ situation, event, expected }) => {
  const before = told(stories[situation])
  const next = after(before, event)
  expect(outcome(before, next)).toBe(expected)
})

test('consuming forgets the plan, the attempts and the failure of the way there', () => {
  const there = told(['startAsked', 'failed', 'elapsed', 'joined'])
  expect(there.context).toEqual({ epoch: 2, plan: null, attempt: 0, failure: null, retryBudget: null, members: [] })
  expect(told(['startAsked', 'joined', 'stalled', 'drained', 'proven']).context.plan).toBeNull()
})

test('a plan says why: the kind of move, or the kind of failure', () => {
  const consuming = told(['startAsked', 'joined'])
  const resolved: Fact = { type: 'cluster.moved', moves: [], reason: 'resolved-anew' }
  expect(transition(lifecycleMachine, consuming, resolved)[0].context.plan).toEqual({
    kind: 'in-place',
    reason: 'resolved-anew',
  })
  expect(after(consuming, 'memberLost').context.plan).toEqual({ kind: 'replacement', reason: 'member-lost' })
  expect(told(['startAsked', 'joined', 'moved', 'drained', 'unproven']).context.plan?.reason).toBe('unproven')
})

test('a budget of attempts ends the consumer with the failure that spent it', () => {
  const spent = told(['startAsked', 'failed', 'elapsed', 'failed', 'elapsed', 'failed', 'stopDone'], {
    input: { retryBudget: 2 },
  })
  expect(spent.value).toBe('failed')
  expect(spent.context.failure?.kind).toBe('unreachable')
  expect(told(['startAsked', 'failed'], { input: { retryBudget: 0 } }).value).toBe('stopping')
})

test.each([
  ['connecting again', ['startAsked', 'failed', 'elapsed', 'stopAsked', 'stopDone']],
  ['waiting to connect again', ['startAsked', 'failed', 'stopAsked', 'stopDone']],
  ['rebuilding', ['startAsked', 'failed', 'elapsed', 'joined', 'stalled', 'stopAsked', 'stopDone']],
] as const)('a stop that was asked for while %s ends in stopped, whatever failed before', (_when, story) => {
  expect(told(story).value).toBe('stopped')
})

test('the states that a status may name are those of the chart', () => {
  const states: Record<LifecycleState, true> = {
    ...{ idle: true, connecting: true, consuming: true, draining: true, rebuilding: true, retrying: true },
    ...{ stopping: true, stopped: true, failed: true },
  }
  expect(Object.keys(states)).toEqual(Object.keys(lifecycleMachine.states))
})

const actors = nodesOf(lifecycleMachine).flatMap((node) => node.invoke.map(({ id }) => ({ state: pathOf(node), id })))

test.each(actors)('an actor that throws in $state ends the consumer as a bug', ({ state, id }) => {
  const story = Object.values(stories).find((events) => stateOf(told(events)) === state) ?? []
  const thrown = { type: `xstate.error.actor.${id}`, actorId: id, error: new Error('thrown') } as unknown as Fact
  const [next] = transition(lifecycleMachine, told(story), thrown)
  expect(next.value).toBe(state === 'stopping' ? 'failed' : 'stopping')
  expect(next.context.failure?.kind).toBe('bug')
})

test('a stream of facts that breaks ends the consumer as a bug', () => {
  const broken = { type: 'xstate.error.actor.cluster', actorId: 'cluster', error: new Error('broken') }
  const [next] = transition(lifecycleMachine, told(['startAsked', 'joined']), broken as unknown as Fact)
  expect([next.value, next.context.failure?.kind]).toEqual(['stopping', 'bug'])
})

test('everything the machine names exists; every actor answers for a throw; every state is reached and can end', () => {
  const { flaws, seen } = flawsIn(lifecycleMachine, everywhere)
  expect(flaws).toEqual([])
  expect(seen).toEqual({ states: 13, transitions: expect.any(Number), actors: 8 })
  expect(seen.transitions).toBeGreaterThan(30)
})

test('the facts of a cluster are recorded from the start on, and the machine leaves their stream at its end', () => {
  const facts$ = new Subject<Fact>()
  const idle = fromCallback<Fact, TaskInput>(() => {})
  const clusterFacts = fromEventObservable<Fact, undefined>(() => facts$)
  const actors = { open: idle, drain: idle, rebuild: idle, backOff: idle, shutDown: idle, clusterFacts }
  const steps: string[] = []
  const machine = recorded(lifecycleMachine.provide({ actors }), ({ type, to }) =>
    steps.push(`${type} → ${stateName(to)}`),
  )
  const actor = createActor(machine, { id: 'consumer', input: { retryBudget: null } }).start()
  actor.send({ type: 'start.requested' })
  facts$.next({ type: 'cluster.reached', clusterId: 'ours', brokers: {} })
  actor.send({ type: 'session.joined', epoch: 1, memberId: 'me', generation: 1 })
  facts$.next({ type: 'cluster.moved', moves: [], reason: 'moved' })
  expect(steps.slice(2)).toEqual([
    'cluster.reached → connecting',
    'session.joined → consuming',
    'cluster.moved → draining',
  ])
  actor.send({ type: 'stop.requested' })
  expect(facts$.observed).toBe(true)
  actor.send({ type: 'stop.completed', tookMs: 1, forced: false })
  expect([actor.getSnapshot().value, facts$.observed]).toEqual(['stopped', false])
})
