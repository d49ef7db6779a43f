// Paths through the lifecycle, generated from the machine, driven into a live recorded actor on actors that do nothing by themselves.
// It cannot see what the actors do: see tasks.test.ts and test/real.
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { budgets, drive, factCount, graphOf, inputOf } from './lifecycle-stage.ts'

const courses = budgets.map((retryBudget) => {
  return {
    input: inputOf(retryBudget),
    attempts: `${retryBudget} attempts`,
    ...graphOf(inputOf(retryBudget)),
    covered: new Set<string>(),
    walked: new Set<string>(),
  }
})

const named = courses.map((course) => [course.attempts, course] as const)

test.each(named)(
  'with %s to spend, generated paths take every edge, and what must hold holds at each step',
  (_, course) => {
    const { paths, edges, covered } = course
    for (const { places } of paths) expect(drive(places, course)).toEqual([])
    expect(edges.size).toBeGreaterThan(500)
    expect([...edges].filter((edge) => !covered.has(edge))).toEqual([])
  },
  60_000,
)

test.each(named)(
  'with %s to spend, random walks from every state the graph reaches keep what must hold',
  (_, { input, ways, walked }) => {
    // Facts 1 and 6 ask for the end and reach it, the last is an actor that throws; drawn as often as the others, no walk gets anywhere.
    const rare = [1, 6, factCount - 1]
    const place = fc.nat(factCount - 1).map((drawn) => (rare.includes(drawn) ? 0 : drawn))
    const step = fc.oneof({ weight: 30, arbitrary: place }, { weight: 1, arbitrary: fc.nat(factCount - 1) })
    const walk = fc.tuple(fc.constantFrom(...ways), fc.array(step, { minLength: 1, maxLength: 60 }))
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
  for (const { attempts, states, paths, edges, covered, walked } of courses) {
    const taken = (by: ReadonlySet<string>) => [...edges].filter((edge) => by.has(edge)).length
    const share = Math.floor((100 * taken(covered)) / edges.size)
    console.info(
      `lifecycle with ${attempts} to spend: ${states} states, ${paths.length} paths, ` +
        `${taken(covered)} of ${edges.size} edges taken (${share} %); random walks took ${taken(walked)} of them`,
    )
  }
})
