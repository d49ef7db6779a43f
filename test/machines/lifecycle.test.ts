// The lifecycle machine: its table cell by cell, what its context counts, and that nothing it names is missing.
import { expect, test } from 'vitest'
import { initialTransition, type SnapshotFrom, transition } from 'xstate'
import type { Fact } from '../../machines/fact.ts'
import type { Failure, FailureKind } from '../../machines/failure.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { type EventClass, type Situation, table } from './lifecycle-table.ts'

type Snapshot = SnapshotFrom<typeof lifecycleMachine>

const failure = (kind: FailureKind): Failure => ({ kind, message: `made up: ${kind}` })

/** One fact of each class, as it reads when the newest session has this epoch. */
const facts: Record<EventClass, (epoch: number) => Fact> = {
  startAsked: () => ({ type: 'start.requested' }),
  stopAsked: () => ({ type: 'stop.requested' }),
  moved: () => ({ type: 'cluster.moved', moves: [], reason: 'moved' }),
  reached: () => ({ type: 'cluster.reached', clusterId: 'ours', brokers: [] }),
  elapsed: () => ({ type: 'backoff.elapsed', attempt: 1 }),
  joined: (epoch) => ({ type: 'session.joined', epoch, memberId: 'me', generation: 1 }),
  joinedOld: (epoch) => ({ type: 'session.joined', epoch: epoch - 1, memberId: 'me', generation: 1 }),
  failed: (epoch) => ({ type: 'session.failed', epoch, failure: failure('unreachable') }),
  failedOld: (epoch) => ({ type: 'session.failed', epoch: epoch - 1, failure: failure('unreachable') }),
  failedForGood: (epoch) => ({ type: 'session.failed', epoch, failure: failure('topic-missing') }),
  stalled: (epoch) => ({ type: 'session.stalled', epoch, failure: failure('session-silent') }),
  stalledOld: (epoch) => ({ type: 'session.stalled', epoch: epoch - 1, failure: failure('session-silent') }),
  memberLost: (epoch) => ({ type: 'member.lost', epoch, memberId: 'me', failure: failure('member-lost') }),
  memberLostOld: (epoch) => ({
    type: 'member.lost',
    epoch: epoch - 1,
    memberId: 'me',
    failure: failure('member-lost'),
  }),
  drained: (epoch) => ({ type: 'drain.completed', epoch, tookMs: 1, forced: false }),
  drainedOld: (epoch) => ({ type: 'drain.completed', epoch: epoch - 1, tookMs: 1, forced: false }),
  proven: (epoch) => ({ type: 'rebuild.proven', epoch, tookMs: 1, gapMs: 0 }),
  provenOld: (epoch) => ({ type: 'rebuild.proven', epoch: epoch - 1, tookMs: 1, gapMs: 0 }),
  unproven: (epoch) => ({ type: 'rebuild.unproven', epoch, failure: failure('unproven') }),
  unprovenOld: (epoch) => ({ type: 'rebuild.unproven', epoch: epoch - 1, failure: failure('unproven') }),
  stopDone: () => ({ type: 'stop.completed', tookMs: 1, forced: false }),
  other: (epoch) => ({ type: 'partitions.assigned', epoch, generation: 1, partitions: { orders: [0] } }),
}

/** How each situation comes about. */
const stories: Record<Situation, readonly EventClass[]> = {
  idle: [],
  connecting: ['startAsked'],
  'connecting a third time': ['startAsked', 'failed', 'elapsed', 'failed', 'elapsed'],
  consuming: ['startAsked', 'joined'],
  'draining in place': ['startAsked', 'joined', 'moved'],
  'draining for a replacement': ['startAsked', 'joined', 'stalled'],
  'rebuilding in place': ['startAsked', 'joined', 'moved', 'drained'],
  'rebuilding by replacement': ['startAsked', 'joined', 'stalled', 'drained'],
  retrying: ['startAsked', 'failed'],
  stopping: ['startAsked', 'joined', 'stopAsked'],
  'stopping after a failure': ['startAsked', 'failed', 'elapsed', 'failed', 'elapsed', 'failedForGood'],
  stopped: ['startAsked', 'joined', 'stopAsked', 'stopDone'],
  failed: ['startAsked', 'failed', 'elapsed', 'failed', 'elapsed', 'failedForGood', 'stopDone'],
}

const after = (before: Snapshot, event: EventClass): Snapshot =>
  transition(lifecycleMachine, before, facts[event](before.context.epoch))[0]

const told = (story: readonly EventClass[], retryBudget: number | null = null): Snapshot =>
  story.reduce(after, initialTransition(lifecycleMachine, { retryBudget })[0])

const describe = (before: Snapshot, { value, context }: Snapshot): string => {
  const plan = context.plan === null ? '' : ` ${context.plan.kind}`
  return `${value}${plan}${context.epoch === before.context.epoch ? '' : ` +${context.epoch - before.context.epoch}`}`
}

const cells = Object.entries(table).flatMap(([situation, row]) =>
  Object.entries(row).map(([event, expected]) => ({ situation, event, expected }) as Cell),
)
type Cell = { situation: Situation; event: EventClass; expected: string }

test.each(cells)('$situation: $event → $expected', ({ situation, event, expected }) => {
  const before = told(stories[situation])
  const next = after(before, event)
  expect(next === before ? 'ignored' : describe(before, next)).toBe(expected)
})

test('consuming forgets the plan, the attempts and the failure of the way there', () => {
  const there = told(['startAsked', 'failed', 'elapsed', 'joined'])
  expect(there.context).toEqual({ epoch: 2, plan: null, attempt: 0, failure: null, retryBudget: null })
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
  const spent = told(['startAsked', 'failed', 'elapsed', 'failed', 'elapsed', 'failed', 'stopDone'], 2)
  expect(spent.value).toBe('failed')
  expect(spent.context.failure?.kind).toBe('unreachable')
  expect(told(['startAsked', 'failed'], 0).value).toBe('stopping')
})

test.each([
  ['connecting again', ['startAsked', 'failed', 'elapsed', 'stopAsked', 'stopDone']],
  ['waiting to connect again', ['startAsked', 'failed', 'stopAsked', 'stopDone']],
  ['rebuilding', ['startAsked', 'failed', 'elapsed', 'joined', 'stalled', 'stopAsked', 'stopDone']],
] as const)('a stop that was asked for while %s ends in stopped, whatever failed before', (_when, story) => {
  expect(told(story).value).toBe('stopped')
})

const { root } = lifecycleMachine
const nodes = [root, ...Object.values(root.states)]
const ports = nodes.flatMap((node) => node.invoke.map(({ id, src }) => ({ node, id, src })))

test.each(ports.map(({ node, id }) => ({ state: node.key, id })))(
  'a port that throws in $state ends the consumer as a bug',
  ({ state, id }) => {
    const story = Object.values(stories).find((events) => told(events).value === state) ?? []
    const thrown = { type: `xstate.error.actor.${id}`, actorId: id, error: new Error('thrown') } as unknown as Fact
    const [next] = transition(lifecycleMachine, told(story), thrown)
    expect(next.value).toBe(state === 'stopping' ? 'failed' : 'stopping')
    expect(next.context.failure?.kind).toBe('bug')
  },
)

test('everything the machine names exists, and every port has an id and an answer to a throw', () => {
  const { actions, guards, actors } = lifecycleMachine.implementations
  const seen = { nodes: 0, transitions: 0, ports: 0 }
  for (const node of nodes) {
    seen.nodes += 1
    const transitions = [...node.transitions.values()].flat()
    seen.transitions += transitions.length
    for (const { guard } of transitions) if (guard !== undefined) expect(Object.keys(guards)).toContain(nameOf(guard))
    const named = [...node.entry, ...node.exit, ...transitions.flatMap((each) => each.actions)]
    for (const action of named) expect(Object.keys(actions)).toContain(nameOf(action))
    for (const { id, src } of node.invoke) {
      seen.ports += 1
      expect(Object.keys(actors)).toContain(src)
      expect(id).not.toMatch(/^\d/)
      expect(node.ownEvents).toContain(`xstate.error.actor.${id}`)
    }
    expect(Object.keys(node.config.after ?? {})).toEqual([])
  }
  expect(root.ownEvents).toEqual([])
  expect(seen).toEqual({ nodes: 10, transitions: expect.any(Number), ports: 5 })
  expect(seen.transitions).toBeGreaterThan(30)
})

test('every state can be reached, and every state that is not final can reach a final one', () => {
  const states = nodes.filter((node) => node.type !== 'compound')
  const targets = new Map(
    states.map((node) => [
      node.key,
      [...node.transitions.values()].flat().flatMap(({ target }) => (target ?? []).map(({ key }) => key)),
    ]),
  )
  const reach = (from: string, known = new Set([from])): Set<string> => {
    for (const key of targets.get(from) ?? []) if (!known.has(key)) reach(key, known.add(key))
    return known
  }
  expect([...reach('idle')].sort()).toEqual(states.map(({ key }) => key).sort())
  for (const { key, type } of states) {
    const ends = [...reach(key)].filter((other) => states.find((node) => node.key === other)?.type === 'final')
    expect(ends.length, key).toBeGreaterThan(0)
    if (type === 'final') expect(targets.get(key)).toEqual([])
  }
})

const nameOf = (named: unknown): string =>
  typeof named === 'string' ? named : String((named as { type?: unknown }).type)
