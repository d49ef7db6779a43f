// The balancing machine: its table cell by cell, paths and walks through it, and that nothing it names is missing.
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { transition } from 'xstate'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import { courses, drive, endings, eventCount } from './balancing-stage.ts'
import { after, arrived, execute, outcome, told } from './balancing-stories.ts'
import { type EventClass, type Situation, table } from './balancing-table.ts'
import { failure } from './stories.ts'
import { flawsIn } from './structure.ts'

const cells = Object.entries(table).flatMap(([situation, row]) =>
  Object.entries(row).map(([event, expected]) => ({ situation, event, expected }) as Cell),
)
type Cell = { situation: Situation; event: EventClass; expected: string }

test.each(cells)('$situation: $event → $expected', ({ situation, event, expected }) => {
  const before = arrived(situation)
  expect(outcome(before, after(before, event))).toBe(expected)
})

test('it says since when and why it is blind', () => {
  expect(told([]).context.blindness).toEqual({ since: null, reason: 'no-samples' })
  expect(told(['fresh', 'stale'])).toMatchObject({
    value: 'blind',
    context: { blindness: { since: 1000, reason: 'too-old' } },
  })
})

test('a pause during a plan that is carried out begins when the round has cooled down', () => {
  const story: readonly EventClass[] = ['fresh', 'begun', 'proposed', 'executing', 'pause', 'executed', 'closed']
  expect(told(story, execute).value).toBe('cooling')
  expect(told([...story, 'cooled'], execute).value).toBe('paused')
  expect(told([...story, 'cooled', 'resume'], execute).value).toBe('observing')
})

test('rounds are counted on from those of an earlier life', () => {
  const later = told(['fresh', 'begun', 'closed', 'cooled', 'begun'], { mode: 'dry-run', round: 41 })
  expect(later.context.round).toBe(43)
})

test('a stop that is asked for ends without a failure, also after a round that failed', () => {
  const failed = { type: 'round.closed', round: 1, result: 'failed', failure: failure('unreachable') } as const
  const [closed] = transition(balancingMachine, told(['fresh', 'begun']), failed)
  expect(closed.context.failure?.kind).toBe('unreachable')
  expect(after(after(closed, 'stopAsked'), 'stopCompleted').output).toBeNull()
})

test('everything it names exists; every invoked actor answers for a throw; every state is reached and can end', () => {
  const { flaws, seen } = flawsIn(balancingMachine)
  expect(flaws).toEqual([])
  expect(seen).toEqual({ states: 10, transitions: expect.any(Number), actors: 8 })
  expect(seen.transitions).toBeGreaterThan(40)
})

const covered = new Set<string>()
const walked = new Set<string>()
const edges = new Set(courses.flatMap(({ graph }) => [...graph.edges]))

test.each(courses)(
  'generated paths in mode $input.mode take every edge, and what must hold holds at each step',
  (course) => {
    const { input, graph } = course
    for (const { places } of graph.paths) expect(drive(places, { input, covered })).toEqual([])
    expect(graph.edges.size).toBeGreaterThan(100)
    expect([...graph.edges].filter((edge) => !covered.has(edge))).toEqual([])
  },
  60_000,
)

test.each(courses)(
  'random walks in mode $input.mode from every state the graph reaches keep what must hold',
  (course) => {
    const { input, graph } = course
    const place = fc.nat(eventCount - 1).map((drawn) => (endings.includes(drawn) ? 0 : drawn))
    const step = fc.oneof({ weight: 30, arbitrary: place }, { weight: 1, arbitrary: fc.nat(eventCount - 1) })
    const walk = fc.tuple(fc.constantFrom(...graph.ways), fc.array(step, { minLength: 1, maxLength: 60 }))
    fc.assert(
      fc.property(walk, ([way, steps]) => {
        expect(drive([...way, ...steps], { input, covered: walked })).toEqual([])
      }),
      { numRuns: 150 },
    )
  },
  60_000,
)

afterAll(() => {
  const taken = (by: ReadonlySet<string>) => [...edges].filter((edge) => by.has(edge)).length
  const states = courses.reduce((sum, { graph }) => sum + graph.states, 0)
  console.info(
    `balancing: ${states} states, ${taken(covered)} of ${edges.size} edges taken; random walks took ${taken(walked)} of them`,
  )
})
