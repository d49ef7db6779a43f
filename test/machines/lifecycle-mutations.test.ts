// The tests of the lifecycle against mistakes in it: each mutant has to be caught by its structure, its table or its paths.
import { afterAll, expect, test } from 'vitest'
import { type Mutant, mutants } from './lifecycle-mutants.ts'
import { budgets, drive, graphOf } from './lifecycle-stage.ts'
import { after, type Machine, outcome, stories, told } from './lifecycle-stories.ts'
import { type EventClass, type Situation, table } from './lifecycle-table.ts'
import { flawsIn } from './structure.ts'

/** The paths of the lifecycle as it is, the short ones first. */
const paths = budgets
  .flatMap((retryBudget) => graphOf(retryBudget).paths.map((path) => ({ retryBudget, ...path })))
  .toSorted((one, other) => one.places.length - other.places.length)
const results: { readonly mutant: Mutant; readonly caughtBy: string }[] = []

test('every mutant of the lifecycle is caught', () => {
  for (const mutant of mutants()) results.push({ mutant, caughtBy: catcherOf(mutant) ?? 'nobody' })
  expect(results.length).toBeGreaterThan(20)
  const survivors = results.filter(({ caughtBy }) => caughtBy === 'nobody')
  expect(survivors.map(({ mutant: { kind, name } }) => `${kind}: ${name}`)).toEqual([])
}, 120_000)

test('no two mutants are one', () => {
  const names = results.map(({ mutant: { kind, name } }) => `${kind}: ${name}`)
  expect(new Set(names).size).toBe(names.length)
})

/** Every mutant with what caught it in `npm run verify:spec`; elsewhere the kinds with how many there are. */
afterAll(() => {
  const width = Math.max(...results.map(({ mutant }) => mutant.name.length))
  const list = results.map(
    ({ mutant: { kind, name }, caughtBy }) => `${kind.padEnd(16)} ${name.padEnd(width)}  ${caughtBy}`,
  )
  const kinds = [...new Set(results.map(({ mutant }) => mutant.kind))]
  const summary = kinds.map((kind) => `${results.filter(({ mutant }) => mutant.kind === kind).length} × ${kind}`)
  const caught = results.filter(({ caughtBy }) => caughtBy !== 'nobody').length
  const told = process.env.npm_lifecycle_event === 'verify:spec' ? list : []
  console.info([...told, `${caught} of ${results.length} mutants caught: ${summary.join(', ')}`].join('\n'))
})

/** What finds this mutant, the cheapest first. */
function catcherOf({ machine, state }: Mutant): string | undefined {
  try {
    const [flaw] = flawsIn(machine).flaws
    if (flaw !== undefined) return `structure: ${flaw}`
    return cellOf(machine, state) ?? pathOf(machine, state)
  } catch (error) {
    return `thrown: ${(error as Error).message}`
  }
}

/** The first cell of the table that is not as it should be; those of the mutant's state are looked at first. */
function cellOf(machine: Machine, state = ''): string | undefined {
  const rows = Object.entries(table).toSorted(([one], [other]) => rank(one, state) - rank(other, state))
  for (const [situation, row] of rows) {
    const before = told(stories[situation as Situation], { machine })
    for (const [event, expected] of Object.entries(row)) {
      const found = outcome(before, after(before, event as EventClass, machine))
      if (found !== expected) return `table: ${situation} × ${event} → ${found}`
    }
  }
  return undefined
}

/** By their states at the top level. */
const rank = (situation: string, state: string): number => (situation.startsWith(state.replace(/\..*/, '')) ? 0 : 1)

/** The first path on which something does not hold; those with their last edge in the mutant's state are taken first. */
function pathOf(machine: Machine, state = ''): string | undefined {
  for (const { retryBudget, places } of paths.toSorted(
    (one, other) => rank(one.from, state) - rank(other.from, state),
  )) {
    const [broken] = drive(places, { retryBudget, machine })
    if (broken !== undefined) return `paths: ${broken}`
  }
  return undefined
}
