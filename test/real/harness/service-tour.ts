/**
 * A tour: a way through a small abstract machine of the service and its brokers that takes every one of its transitions. What the
 * service does by itself (drain, rebuild, retry) is no part of it: whatever that is, afterwards messages have to flow or to rest as it says.
 */
import { type ActorLogic, createMachine, type Snapshot } from 'xstate'
import { type AdjacencyValue, getAdjacencyMap, getShortestPaths, type TraversalOptions } from 'xstate/graph'

/** What is done to the service or its brokers. */
export type Deed = 'move' | 'black-hole' | 'back' | 'evict' | 'pause' | 'resume' | 'stop' | 'start'

/** Where the brokers are and what the service does there. */
export type Condition = 'home' | 'away' | 'home, paused' | 'away, paused' | 'home, stopped' | 'away, stopped'

export interface Step {
  readonly from: Condition
  readonly deed: Deed
  readonly to: Condition
}

const deeds: Readonly<Record<Condition, Partial<Record<Deed, Condition>>>> = {
  home: {
    move: 'away',
    'black-hole': 'away',
    evict: 'home',
    pause: 'home, paused',
    stop: 'home, stopped',
  },
  away: { move: 'away', back: 'home', evict: 'away', pause: 'away, paused', stop: 'away, stopped' },
  'home, paused': {
    move: 'away, paused',
    'black-hole': 'away, paused',
    evict: 'home, paused',
    resume: 'home',
    stop: 'home, stopped',
  },
  'away, paused': { back: 'home, paused', resume: 'away', stop: 'away, stopped' },
  'home, stopped': { move: 'away, stopped', start: 'home' },
  'away, stopped': { back: 'home, stopped', start: 'away' },
}

const machine = createMachine({
  id: 'service',
  initial: 'home',
  states: Object.fromEntries(Object.entries(deeds).map(([condition, on]) => [condition, { on }])),
})

/** What the graph functions need to know of a state. */
type At = Snapshot<unknown> & { readonly value: Condition; can(event: Done): boolean }
interface Done {
  readonly type: Deed
}

const logic = machine as unknown as ActorLogic<At, Done, undefined>
const traversal: TraversalOptions<At, Done, undefined> = {
  events: [...new Set(Object.values(deeds).flatMap((on) => Object.keys(on)))].map((type) => ({ type: type as Deed })),
  filterEvents: (state, event) => state.can(event),
}
const adjacency: AdjacencyValue<At, Done>[] = Object.values(getAdjacencyMap(logic, traversal))

/** Every transition of the abstract machine. */
export const allSteps: readonly Step[] = adjacency.flatMap(({ state, transitions }) =>
  Object.values(transitions).map(({ state: next, event }) => ({ from: state.value, deed: event.type, to: next.value })),
)

/** From `home` on: always to the nearest transition that was not taken yet, until none is left. */
export function tour(): Step[] {
  const left = new Set(allSteps)
  const taken: Step[] = []
  let at: Condition = 'home'
  while (left.size > 0) {
    const ways = [...left].map((step) => ({ step, way: wayTo(at, step.from) }))
    const { step, way } = ways.reduce((best, each) => (each.way.length < best.way.length ? each : best))
    for (const each of [...way, step]) {
      taken.push(each)
      left.delete(each)
      at = each.to
    }
  }
  return taken
}

function wayTo(from: Condition, to: Condition): readonly Step[] {
  const fromState = machine.resolveState({ value: from, context: {} }) as unknown as At
  const path = getShortestPaths(logic, { ...traversal, fromState }).find(({ state }) => state.value === to)
  if (!path) throw new Error(`No way leads from ${from} to ${to}`)
  let at = from
  // The first step is the start itself.
  return path.steps.slice(1).map(({ event }) => {
    const step = allSteps.find((each) => each.from === at && each.deed === event.type)
    if (!step) throw new Error(`${event.type} is no step from ${at}`)
    at = step.to
    return step
  })
}
