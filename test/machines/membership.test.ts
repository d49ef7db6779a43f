// The membership machine: its table cell by cell, paths and walks through it, and that nothing it names is missing.
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { drive, eventCount, graphOf } from './membership-stage.ts'
import { after, outcome, stories, told } from './membership-stories.ts'
import { type EventClass, type Situation, table } from './membership-table.ts'
import { flawsIn } from './structure.ts'

const cells = Object.entries(table).flatMap(([situation, row]) =>
  Object.entries(row).map(([event, expected]) => ({ situation, event, expected }) as Cell),
)
type Cell = { situation: Situation; event: EventClass; expected: string }

test.each(cells)('$situation: $event → $expected', ({ situation, event, expected }) => {
  const before = told(stories[situation])
  expect(outcome(before, after(before, event))).toBe(expected)
})

test('who is lost or turned away ends with the failure that says why, and who left with none', () => {
  expect(told(stories.lost).output).toMatchObject({ kind: 'member-lost' })
  expect(told(stories.fatal).output).toMatchObject({ kind: 'not-authorized' })
  expect(told(stories.left).output).toBeNull()
})

test('everything it names exists; every invoked actor answers for a throw; every state is reached and can end', () => {
  const { flaws, seen } = flawsIn(membershipMachine)
  expect(flaws).toEqual([])
  expect(seen).toEqual({ states: 8, transitions: expect.any(Number), actors: 2 })
  expect(seen.transitions).toBeGreaterThan(20)
})

test('none of its states has the name of a state of the lifecycle, by which a status is folded', () => {
  const states = Object.keys(membershipMachine.states)
  expect(states.filter((state) => Object.hasOwn(lifecycleMachine.states, state))).toEqual([])
})

const graph = graphOf()
const covered = new Set<string>()
const walked = new Set<string>()

test('generated paths take every edge, and what must hold holds at each step', () => {
  for (const { places } of graph.paths) expect(drive(places, { covered })).toEqual([])
  expect(graph.edges.size).toBeGreaterThan(50)
  expect([...graph.edges].filter((edge) => !covered.has(edge))).toEqual([])
}, 60_000)

test('random walks from every state the graph reaches keep what must hold', () => {
  // Events 8 and 9 end it, the last is an actor that throws; drawn as often as the others, no walk gets anywhere.
  const rare = [8, 9, eventCount - 1]
  const place = fc.nat(eventCount - 1).map((drawn) => (rare.includes(drawn) ? 0 : drawn))
  const step = fc.oneof({ weight: 30, arbitrary: place }, { weight: 1, arbitrary: fc.nat(eventCount - 1) })
  const walk = fc.tuple(fc.constantFrom(...graph.ways), fc.array(step, { minLength: 1, maxLength: 60 }))
  fc.assert(
    fc.property(walk, ([way, steps]) => {
      expect(drive([...way, ...steps], { covered: walked })).toEqual([])
    }),
    { numRuns: 150 },
  )
}, 60_000)

afterAll(() => {
  const taken = (by: ReadonlySet<string>) => [...graph.edges].filter((edge) => by.has(edge)).length
  console.info(
    `membership: ${graph.states} states, ${graph.paths.length} paths, ${taken(covered)} of ${graph.edges.size} edges taken; ` +
      `random walks took ${taken(walked)} of them`,
  )
})
