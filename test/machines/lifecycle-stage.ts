// A stage for the lifecycle: live and recorded, on actors that only write down that they run, with paths through it from its own graph.
import { type ActorLogic, createActor, fromCallback, transition } from 'xstate'
import { type AdjacencyValue, getAdjacencyMap, getShortestPaths, type TraversalOptions } from 'xstate/graph'
import type { Fact } from '../../machines/fact.ts'
import { type LifecycleInput, lifecycleMachine, type TaskInput } from '../../machines/lifecycle.ts'
import { recorded, type Step } from '../../machines/recorded.ts'
import { replay } from '../../machines/replay.ts'
import { stateName } from '../../machines/state-value.ts'
import { actorOf, atWork, isOfMembers, oracles } from './lifecycle-oracles.ts'
import { failure, type Machine, type Snapshot, stateOf } from './lifecycle-stories.ts'

/** Budgets of attempts the lifecycle is tested with: without any, and with few enough to be spent. */
export const budgets = [0, 2] as const

/** So many facts are known in each state; the last one is left out where no actor can throw. */
export const factCount = 30

/** A life that an earlier one has left a member to. */
const inputOf = (retryBudget: number): LifecycleInput => ({ retryBudget, members: ['me'] })

/** Where each fact stood in its list: the way to a state may count other epochs than the state it was found in. */
const places = new WeakMap<Fact, number>()

/** One fact of each kind the machine listens to, those of a session for the newest epoch and for the one before, and the actor's throw. */
function factsIn({ value, context: { epoch, attempt } }: Snapshot): Fact[] {
  const ofSession = (of: number): Fact[] => [
    { type: 'session.joined', epoch: of, memberId: 'me', generation: 1 },
    { type: 'session.failed', epoch: of, failure: failure('unreachable') },
    { type: 'session.failed', epoch: of, failure: failure('login-refused') },
    { type: 'session.stalled', epoch: of, failure: failure('session-silent') },
    { type: 'member.lost', epoch: of, memberId: 'me', failure: failure('member-lost') },
    { type: 'member.superseded', epoch: of, memberId: 'me', failure: failure('group-refused') },
    { type: 'subscription.changed', epoch: of, topics: ['orders'] },
    { type: 'drain.completed', epoch: of, tookMs: 1, forced: false },
    { type: 'rebuild.proven', epoch: of, tookMs: 1, gapMs: 0 },
    { type: 'rebuild.unproven', epoch: of, failure: failure('unproven') },
    { type: 'member.named', epoch: of, memberId: 'you' },
    { type: 'member.evicted', epoch: of, memberId: 'me' },
  ]
  const actor = actorOf[stateName(value)]
  const facts: Fact[] = [
    { type: 'start.requested' },
    { type: 'stop.requested' },
    { type: 'cluster.moved', moves: [], reason: 'moved' },
    { type: 'cluster.moved', moves: [], reason: 'resolved-anew' },
    { type: 'cluster.reached', clusterId: 'ours', brokers: {} },
    { type: 'backoff.elapsed', attempt },
    { type: 'stop.completed', tookMs: 1, forced: false },
    ...ofSession(epoch),
    ...ofSession(epoch - 1),
    ...(actor === undefined ? [] : [thrownBy(actor)]),
  ]
  for (const [place, fact] of facts.entries()) places.set(fact, place)
  return facts
}

/** What tells two states apart: epochs only grow, so they do not count. */
const serializeState = ({ value, context }: Snapshot): string =>
  [stateOf({ value }), context.plan?.kind ?? '-', context.attempt, context.failure?.kind ?? '-'].join(' ')

/** States, edges, and for each edge a path that ends with it; facts are given as places in the list of `factsIn`. */
export interface Graph {
  readonly states: number
  readonly edges: ReadonlySet<string>
  /** The shortest way to each state. */
  readonly ways: readonly (readonly number[])[]
  /** `from`: the state its last edge begins in. */
  readonly paths: readonly { readonly from: string; readonly places: readonly number[] }[]
}

/** The graph of the lifecycle with this budget of attempts. */
export function graphOf(retryBudget: number): Graph {
  const traversal = { ...common, input: inputOf(retryBudget) }
  const logic = lifecycleMachine as unknown as ActorLogic<Snapshot, Fact, LifecycleInput>
  const adjacency: AdjacencyValue<Snapshot, Fact>[] = Object.values(getAdjacencyMap(logic, traversal))
  const edges = adjacency.flatMap(({ state, transitions }) =>
    Object.values(transitions).map(({ event }) => edgeOf(state, event)),
  )
  const found = getShortestPaths(logic, traversal).map(({ steps, state }) => {
    // The first step is the start itself.
    return { way: steps.slice(1).map(({ event }) => places.get(event) ?? Number.NaN), state }
  })
  const paths = found
    .filter(({ state }) => state.status === 'active')
    .flatMap(({ way, state }) => factsIn(state).map((_, place) => ({ from: stateOf(state), places: [...way, place] })))
  return { states: adjacency.length, edges: new Set(edges), ways: found.map(({ way }) => way), paths }
}

export type ActorName = 'open' | 'drain' | 'rebuild' | 'backOff' | 'shutDown'

/** A live, recorded machine. `work` is what an actor does; what it returns is called when the actor's state is left. */
export function live(
  machine: Machine,
  retryBudget: number,
  work: (actor: ActorName, told: TaskInput) => (() => void) | undefined = () => undefined,
) {
  const running: string[] = []
  const steps: Step[] = []
  const errors: unknown[] = []
  const starts = { count: 0, areRecorded: true }
  const invoked = (name: ActorName) =>
    fromCallback<Fact, TaskInput>(({ input: told }) => {
      starts.count += 1
      starts.areRecorded &&= actorOf[stateName(steps.at(-1)?.to ?? '')] === name
      const line = atWork(name, told)
      running.push(line)
      const leave = work(name, told)
      return () => {
        running.splice(running.indexOf(line), 1)
        leave?.()
      }
    })
  const names: readonly ActorName[] = ['open', 'drain', 'rebuild', 'backOff', 'shutDown']
  const actors = Object.fromEntries(names.map((name) => [name, invoked(name)])) as Record<ActorName, never>
  const actor = createActor(
    recorded(machine.provide({ actors }), (step) => steps.push(step)),
    { id: 'consumer', input: inputOf(retryBudget) },
  )
  actor.subscribe({ error: (error) => errors.push(error) })
  actor.start()
  return {
    actor,
    running,
    steps,
    errors,
    /** Sends a fact and returns the ids of what did not hold then. */
    send(fact: Fact): string[] {
      const before = actor.getSnapshot()
      const startedBefore = starts.count
      actor.send(fact)
      const started = starts.count - startedBefore
      const observed = {
        before,
        fact,
        after: actor.getSnapshot(),
        running,
        started,
        isRecordedFirst: starts.areRecorded,
      }
      const ofOthers = isOfMembers(fact) ? { ...observed, after: before } : observed
      return Object.entries(oracles).flatMap(([id, { check }]) =>
        check(id === 'M16' ? observed : ofOthers) ? [] : [id],
      )
    },
    /** What is wrong at the end: errors, actors that go on after a stop, a journal that does not lead to where the machine is. */
    end(): string[] {
      const { value, context, status } = actor.getSnapshot()
      const flaws = errors.length > 0 ? ['an error left the machine'] : []
      try {
        const copied = JSON.parse(JSON.stringify(steps)) as Step[]
        const { value: to, context: held, status: is } = replay(machine, copied)
        if (JSON.stringify([to, held, is]) !== JSON.stringify([value, context, status])) flaws.push('replay differs')
      } catch (error) {
        flaws.push(`replay: ${(error as Error).message}`)
      }
      actor.stop()
      if (running.length > 0) flaws.push(`${running.join()} goes on after the stop`)
      return flaws
    },
  }
}

export interface DriveOptions {
  readonly retryBudget: number
  /** Default: the lifecycle as it is. */
  readonly machine?: Machine
  /** Each edge that is taken is put in. */
  readonly covered?: Set<string>
}

/** Drives one path into a live machine; returns what did not hold, empty when all did. */
export function drive(
  path: readonly number[],
  { retryBudget, machine = lifecycleMachine, covered }: DriveOptions,
): string[] {
  const stage = live(machine, retryBudget)
  let model = stage.actor.getSnapshot()
  for (const place of path) {
    const before = stage.actor.getSnapshot()
    if (before.status !== 'active') break
    const fact = factsIn(before)[place]
    if (!fact) continue
    covered?.add(edgeOf(before, fact))
    const broken = stage.send(fact)
    model = transition(machine, model, fact)[0]
    if (serializeState(stage.actor.getSnapshot()) !== serializeState(model)) broken.push('live and pure differ')
    if (broken.length > 0) {
      stage.actor.stop()
      return broken.map((id) => `${id} after ${edgeOf(before, fact)}`)
    }
  }
  return stage.end()
}

/** A fact relative to the newest session, so that the same edge has one name whatever its epoch. */
function edgeOf(before: Snapshot, fact: Fact): string {
  const age = 'epoch' in fact ? (fact.epoch === before.context.epoch ? 'newest' : 'older') : undefined
  const what = [
    fact.type,
    'failure' in fact ? fact.failure.kind : undefined,
    'reason' in fact ? fact.reason : undefined,
    age,
  ]
  return `${serializeState(before)} --${what.filter(Boolean).join(' ')}`
}

const common: TraversalOptions<Snapshot, Fact, LifecycleInput> = {
  events: factsIn,
  serializeState,
  serializeEvent: (fact) => JSON.stringify(fact),
  // The machine ignores much on purpose: an ignored fact is an edge as well.
  filterEvents: ({ status }) => status === 'active',
}

/** What XState tells a machine whose invoked actor has thrown. */
const thrownBy = (actor: string): Fact =>
  ({ type: `xstate.error.actor.${actor}`, actorId: actor, error: new Error('thrown') }) as unknown as Fact
