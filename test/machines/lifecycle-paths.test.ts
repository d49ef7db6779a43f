// Paths through the lifecycle, generated from the machine, driven into a live recorded actor on ports that do nothing by themselves.
// It cannot see what the ports do: see keeper.test.ts and test/real.
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { type ActorLogic, createActor, fromCallback, type SnapshotFrom, transition } from 'xstate'
import { type AdjacencyValue, getAdjacencyMap, getShortestPaths, type TraversalOptions } from 'xstate/graph'
import type { Fact } from '../../machines/fact.ts'
import type { Failure, FailureKind } from '../../machines/failure.ts'
import { type LifecycleInput, lifecycleMachine, type PortInput } from '../../machines/lifecycle.ts'
import { recorded, type Step } from '../../machines/recorded.ts'
import { replay } from '../../machines/replay.ts'

type Snapshot = SnapshotFrom<typeof lifecycleMachine>

const input: LifecycleInput = { retryBudget: 2 }
const failure = (kind: FailureKind): Failure => ({ kind, message: `made up: ${kind}` })

/** Where each fact stood in its list: the way to a state may count other epochs than the state it was found in. */
const places = new WeakMap<Fact, number>()

/** One fact of each kind the machine listens to; those of a session for the newest epoch and for the one before. */
function factsIn({ context: { epoch, attempt } }: Snapshot): Fact[] {
  const ofSession = (of: number): Fact[] => [
    { type: 'session.joined', epoch: of, memberId: 'me', generation: 1 },
    { type: 'session.failed', epoch: of, failure: failure('unreachable') },
    { type: 'session.failed', epoch: of, failure: failure('login-refused') },
    { type: 'session.stalled', epoch: of, failure: failure('session-silent') },
    { type: 'member.lost', epoch: of, memberId: 'me', failure: failure('member-lost') },
    { type: 'drain.completed', epoch: of, tookMs: 1, forced: false },
    { type: 'rebuild.proven', epoch: of, tookMs: 1, gapMs: 0 },
    { type: 'rebuild.unproven', epoch: of, failure: failure('unproven') },
  ]
  const facts: Fact[] = [
    { type: 'start.requested' },
    { type: 'stop.requested' },
    { type: 'cluster.moved', moves: [], reason: 'moved' },
    { type: 'cluster.reached', clusterId: 'ours', brokers: [] },
    { type: 'backoff.elapsed', attempt },
    { type: 'stop.completed', tookMs: 1, forced: false },
    ...ofSession(epoch),
    ...ofSession(epoch - 1),
  ]
  for (const [place, fact] of facts.entries()) places.set(fact, place)
  return facts
}

/** What tells two states apart: epochs only grow, so they do not count. */
const serializeState = ({ value, context }: Snapshot): string =>
  [value, context.plan?.kind ?? '-', context.attempt, context.failure?.kind ?? '-'].join(' ')

/** A fact relative to the newest session, so that the same edge has one name whatever its epoch. */
const edgeOf = (before: Snapshot, fact: Fact): string => {
  const age = 'epoch' in fact ? (fact.epoch === before.context.epoch ? ' newest' : ' older') : ''
  return `${serializeState(before)} --${fact.type}${'failure' in fact ? ` ${fact.failure.kind}` : ''}${age}`
}

const traversal: TraversalOptions<Snapshot, Fact, LifecycleInput> = {
  input,
  events: factsIn,
  serializeState,
  serializeEvent: (fact) => JSON.stringify(fact),
  // The machine ignores much on purpose: an ignored fact is an edge as well.
  filterEvents: ({ status }) => status === 'active',
}
const logic = lifecycleMachine as unknown as ActorLogic<Snapshot, Fact, LifecycleInput>
const adjacency: AdjacencyValue<Snapshot, Fact>[] = Object.values(getAdjacencyMap(logic, traversal))
const edges = new Set(
  adjacency.flatMap(({ state, transitions }) => Object.values(transitions).map(({ event }) => edgeOf(state, event))),
)

/** Every state by its shortest way, and from there each fact; each step as a place in the list of facts. */
const paths = getShortestPaths(logic, traversal).flatMap(({ steps, state }) => {
  // The first step is the start itself.
  const way = steps.slice(1).map(({ event }) => places.get(event) ?? Number.NaN)
  return factsIn(state).map((_, place) => [...way, place])
})

const covered = new Set<string>()

const portOf: Readonly<Record<string, string>> = {
  connecting: 'open',
  draining: 'drain',
  rebuilding: 'rebuild',
  retrying: 'backOff',
  stopping: 'shutDown',
}

/** A live, recorded machine on ports that only write down that they run. */
function live() {
  const running: string[] = []
  let starts = 0
  const port = (name: string) =>
    fromCallback<Fact, PortInput>(({ input: told }) => {
      starts += 1
      running.push(`${name} ${told.epoch}`)
      return () => void running.splice(running.indexOf(`${name} ${told.epoch}`), 1)
    })
  const names = ['open', 'drain', 'rebuild', 'backOff', 'shutDown'] as const
  const actors = Object.fromEntries(names.map((name) => [name, port(name)])) as Record<(typeof names)[number], never>
  const steps: Step[] = []
  const machine = recorded(lifecycleMachine.provide({ actors }), (step) => steps.push(step))
  const actor = createActor(machine, { id: 'consumer', input })
  const errors: unknown[] = []
  actor.subscribe({ error: (error) => errors.push(error) })
  return { actor, running, steps, errors, starts: () => starts }
}

/** Drives one path and checks after each fact what must hold, whatever the machine's transitions say. */
function drive(path: readonly number[]): void {
  const { actor, running, steps, errors, starts } = live()
  actor.start()
  let model = actor.getSnapshot()
  for (const place of path) {
    const before = actor.getSnapshot()
    if (before.status !== 'active') break
    const fact = factsIn(before)[place]
    if (!fact) throw new RangeError(`There is no fact number ${place}`)
    const startsBefore = starts()
    covered.add(edgeOf(before, fact))
    actor.send(fact)
    const now = actor.getSnapshot()
    model = transition(lifecycleMachine, model, fact)[0]
    const port = portOf[String(now.value)]
    expect(running, 'one port is at work, the one of the state').toEqual(port ? [`${port} ${now.context.epoch}`] : [])
    expect(starts() - startsBefore, 'one fact starts one port at most').toBeLessThanOrEqual(1)
    expect(now.context.epoch - before.context.epoch).toBeGreaterThanOrEqual(0)
    expect(now.context.epoch - before.context.epoch).toBeLessThanOrEqual(1)
    expect(now.context.attempt).toBeLessThanOrEqual(3)
    if (now.value === 'consuming') expect(now.context).toMatchObject({ plan: null, attempt: 0, failure: null })
    if (now.value === 'draining' || now.value === 'rebuilding') expect(now.context.plan).not.toBeNull()
    if (now.value === 'failed') expect(now.context.failure).not.toBeNull()
    expect(serializeState(now)).toBe(serializeState(model))
  }
  const { value, context, status } = actor.getSnapshot()
  expect(replay(lifecycleMachine, JSON.parse(JSON.stringify(steps)) as Step[])).toMatchObject({
    value,
    context,
    status,
  })
  expect(errors).toEqual([])
  actor.stop()
  expect(running).toEqual([])
}

test('generated paths take every edge; ports, epochs and replay agree at each step', () => {
  for (const path of paths) drive(path)
  expect(paths.length).toBeGreaterThan(100)
  expect([...edges].filter((edge) => !covered.has(edge))).toEqual([])
}, 60_000)

test('random walks keep what must hold', () => {
  // Facts 1 and 5 ask for the end and reach it; drawn as often as the others, no walk gets anywhere.
  const place = fc.nat(21).map((drawn) => (drawn === 1 || drawn === 5 ? 0 : drawn))
  const walk = fc.array(fc.oneof({ weight: 30, arbitrary: place }, { weight: 1, arbitrary: fc.nat(21) }), {
    minLength: 1,
    maxLength: 60,
  })
  fc.assert(fc.property(walk, drive), { numRuns: 200 })
})

afterAll(() => {
  const taken = [...edges].filter((edge) => covered.has(edge)).length
  console.info(`lifecycle: ${adjacency.length} states, ${paths.length} paths, ${taken} of ${edges.size} edges taken`)
})
