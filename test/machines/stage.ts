// A stage for a machine: live and recorded, with actors that only write down that they run, and paths through it from its own graph.
import {
  type ActorLogic,
  type AnyActorLogic,
  type AnyActorRef,
  type AnyStateMachine,
  createActor,
  type EventFromLogic,
  fromCallback,
  type SnapshotFrom,
  type StateValue,
  transition,
} from 'xstate'
import { type AdjacencyValue, getAdjacencyMap, getShortestPaths, type TraversalOptions } from 'xstate/graph'
import { recorded, type Step } from '../../machines/recorded.ts'
import { replay } from './replay.ts'
import { stateOf } from './structure.ts'

/** One event given to a live, recorded machine whose actors do nothing. */
export interface Observed<Snapshot, Event> {
  readonly before: Snapshot
  readonly event: Event
  readonly after: Snapshot
  /** The actors at work after it, with what they were told. */
  readonly running: readonly string[]
  /** How many were started by it. */
  readonly started: number
  /** Whether each of these found the step that started it recorded. */
  readonly isRecordedFirst: boolean
}

export interface Oracle<Snapshot, Event> {
  /** The sentence of SPEC.md. */
  readonly holds: string
  readonly check: (observed: Observed<Snapshot, Event>) => boolean
}

/** What the machines differ in. */
export interface Setting<Snapshot, Event> {
  /** The actors it starts. */
  readonly actors: readonly string[]
  /** How one of them is written in `running`. */
  readonly atWork: (actor: string, told: unknown) => string
  /** Whether it may start where this is the newest state on record. */
  readonly startsIn: (actor: string, state: string) => boolean
  /** One event of each kind in this state; events that mean the same have the same place in the list in each state. */
  readonly eventsIn: (snapshot: Snapshot) => Event[]
  /** What tells two states apart: what only grows does not count. */
  readonly serializeState: (snapshot: Snapshot) => string
  readonly nameOf: (before: Snapshot, event: Event) => string
  readonly oracles: Readonly<Record<string, Oracle<Snapshot, Event>>>
  /** Default: every step is a record. */
  readonly isRecord?: (step: Step) => boolean
  /** Whether a replay may end in this state where the machine is in that one. Default: in no other. */
  readonly mayReplayTo?: (state: string, live: string) => boolean
}

/** States, edges, and paths that take each edge; events are given as places in the list of `eventsIn`. */
export interface Graph {
  readonly states: number
  readonly edges: ReadonlySet<string>
  /** The shortest way to each state. */
  readonly ways: readonly (readonly number[])[]
  readonly paths: readonly Path[]
}

/** The shortest way to a state, and from there one edge; or all those on which the machine stays as it is. */
export interface Path {
  readonly places: readonly number[]
  readonly from: string
  /** The types of the events on these edges. */
  readonly events: readonly string[]
  /** Undefined where they are ignored. */
  readonly to: string | undefined
}

/** What an actor does; what it returns is called when the actor is stopped. */
type Work = (actor: string, told: unknown) => (() => void) | undefined

export interface DriveOptions<Machine> {
  readonly input?: unknown
  /** Default: the machine as it is. */
  readonly machine?: Machine
  /** Each edge that is taken is put in. */
  readonly covered?: Set<string>
}

interface Base {
  readonly value: StateValue
  readonly context: unknown
  readonly status: string
}

const baseOf = (snapshot: unknown): Base => snapshot as Base

/** A stage for `original` and for changed copies of it. */
export function stageOf<Machine extends AnyStateMachine>(
  original: Machine,
  setting: Setting<SnapshotFrom<Machine>, EventFromLogic<Machine>>,
) {
  type Snapshot = SnapshotFrom<Machine>
  type Event = EventFromLogic<Machine>
  const {
    actors,
    atWork,
    startsIn,
    eventsIn,
    serializeState,
    nameOf,
    oracles,
    isRecord = () => true,
    mayReplayTo,
  } = setting
  const edgeOf = (before: Snapshot, event: Event): string => `${serializeState(before)} --${nameOf(before, event)}`

  function graphOf(input?: unknown): Graph {
    /** Where each event stood in its list: the way to a state may count other than the state it was found in. */
    const places = new Map<Event, number>()
    const traversal: TraversalOptions<Snapshot, Event, unknown> = {
      events: (state) => {
        const events = eventsIn(state)
        for (const [place, event] of events.entries()) places.set(event, place)
        return events
      },
      serializeState,
      serializeEvent: (event) => JSON.stringify(event),
      // A machine ignores much on purpose: an ignored event is an edge as well.
      filterEvents: ({ status }) => status === 'active',
      input,
    }
    const logic = original as unknown as ActorLogic<Snapshot & { status: 'active' } & object, Event, unknown> as never
    const adjacency: AdjacencyValue<Snapshot, Event>[] = Object.values(getAdjacencyMap(logic, traversal as never))
    const edges = adjacency.flatMap(({ state, transitions }) =>
      Object.values(transitions).map(({ event }) => edgeOf(state, event)),
    )
    const shortest = getShortestPaths(logic, traversal as never) as unknown as {
      readonly steps: readonly { readonly event: Event }[]
      readonly state: Snapshot
    }[]
    const found = shortest.map(({ steps, state }) => {
      // The first step is the start itself.
      return { way: steps.slice(1).map(({ event }) => places.get(event) ?? Number.NaN), state }
    })
    const paths = found
      .filter(({ state }) => baseOf(state).status === 'active')
      .flatMap(({ way, state }) => pathsFrom(state, way))
    return { states: adjacency.length, edges: new Set(edges), ways: found.map(({ way }) => way), paths }
  }

  function pathsFrom(state: Snapshot, way: readonly number[]): Path[] {
    const from = stateOf(baseOf(state))
    const edges = eventsIn(state).map((event, place) => {
      const next = transition(original as AnyStateMachine, state as never, event)[0]
      return { from, places: [...way, place], events: [event.type], to: next === state ? undefined : stateOf(next) }
    })
    const ignored = edges.filter(({ to }) => to === undefined)
    const places = [...way, ...ignored.flatMap((edge) => edge.places.slice(way.length))]
    const events = ignored.flatMap((edge) => edge.events)
    return [{ from, places, events, to: undefined }, ...edges.filter(({ to }) => to !== undefined)]
  }

  /** Filling a machine takes longer than driving it down a path: it is done once, and its actors do the work of the stage they are on. */
  const filled = new WeakMap<Machine, AnyStateMachine>()
  const worksOf = new WeakMap<object, Work>()
  const logicOf = (name: string): AnyActorLogic =>
    fromCallback(({ input: told, system }) => worksOf.get(system)?.(name, told))
  const logics = Object.fromEntries(actors.map((name) => [name, logicOf(name)]))
  function fill(machine: Machine): AnyStateMachine {
    const known = filled.get(machine) ?? (machine.provide({ actors: logics } as never) as AnyStateMachine)
    filled.set(machine, known)
    return known
  }

  /** A live, recorded machine. */
  function live(machine: Machine, input?: unknown, work: Work = () => undefined) {
    const running: string[] = []
    const steps: Step[] = []
    const errors: unknown[] = []
    const starts = { count: 0, areRecorded: true }
    const append = (step: Step) => {
      if (isRecord(step)) steps.push(step)
    }
    const actor: AnyActorRef = createActor(recorded(fill(machine), append), { id: 'machine', input })
    const snapshot = (): Snapshot => actor.getSnapshot()
    worksOf.set(actor.system, (name, told) => {
      const to = steps.at(-1)?.to
      starts.count += 1
      starts.areRecorded &&= to !== undefined && startsIn(name, stateOf({ value: to }))
      const line = atWork(name, told)
      running.push(line)
      const leave = work(name, told)
      return () => {
        running.splice(running.indexOf(line), 1)
        leave?.()
      }
    })
    const stop = () => {
      actor.stop()
      worksOf.delete(actor.system)
    }
    actor.subscribe({ error: (error) => errors.push(error) })
    actor.start()
    return {
      snapshot,
      running,
      /** Sends an event and returns the ids of what did not hold then. */
      send(event: Event): string[] {
        const before = snapshot()
        const startedBefore = starts.count
        actor.send(event)
        const started = starts.count - startedBefore
        const isRecordedFirst = starts.areRecorded
        const observed = { before, event, after: snapshot(), running, started, isRecordedFirst }
        return Object.entries(oracles).flatMap(([id, { check }]) => (check(observed) ? [] : [id]))
      },
      /** What is wrong at the end: errors, actors that go on after a stop, a journal that does not lead to where the machine is. */
      end(): string[] {
        const { value, context, status } = baseOf(snapshot())
        const flaws = errors.length > 0 ? ['an error left the machine'] : []
        try {
          const copied = JSON.parse(JSON.stringify(steps)) as Step[]
          const { value: to, context: held, status: is } = replay(machine as AnyStateMachine, copied)
          const end = mayReplayTo?.(String(to), String(value)) ? value : to
          if (JSON.stringify([end, held, is]) !== JSON.stringify([value, context, status])) flaws.push('replay differs')
        } catch (error) {
          flaws.push(`replay: ${(error as Error).message}`)
        }
        stop()
        if (running.length > 0) flaws.push(`${running.join()} goes on after the stop`)
        return flaws
      },
      stop,
    }
  }

  /** Drives one path into a live machine; returns what did not hold, empty when all did. */
  function drive(
    path: readonly number[],
    { input, machine = original, covered }: DriveOptions<Machine> = {},
  ): string[] {
    const stage = live(machine, input)
    let model = stage.snapshot()
    for (const place of path) {
      const before = stage.snapshot()
      if (baseOf(before).status !== 'active') break
      const event = eventsIn(before)[place]
      if (!event) continue
      covered?.add(edgeOf(before, event))
      const broken = stage.send(event)
      model = transition(machine as AnyStateMachine, model as never, event)[0] as Snapshot
      if (serializeState(stage.snapshot()) !== serializeState(model)) broken.push('live and pure differ')
      if (broken.length > 0) {
        stage.stop()
        return broken.map((id) => `${id} after ${edgeOf(before, event)}`)
      }
    }
    return stage.end()
  }

  return { graphOf, live, drive }
}

const thrown = new Error('thrown')

/** What XState tells a machine whose actor has thrown. */
export const thrownBy = (actor: string) => ({ type: `xstate.error.actor.${actor}`, actorId: actor, error: thrown })
