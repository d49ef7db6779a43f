// What finds the mutants of a machine: its structure, its table or its paths; each has to be found by one of them.
import { afterAll, expect, test } from 'vitest'
import type { AnyStateMachine, SnapshotFrom } from 'xstate'
import type { Mutant } from './mutants.ts'
import { flawsIn } from './structure.ts'

interface Net<Machine extends AnyStateMachine> {
  readonly mutants: () => Iterable<Mutant<Machine>>
  /** What is expected of each event in each situation. */
  readonly table: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** How a machine comes into a situation, and what it makes of an event there. */
  readonly told: (situation: string, machine: Machine) => SnapshotFrom<Machine>
  readonly outcome: (before: SnapshotFrom<Machine>, event: string, machine: Machine) => string
  /** Paths through the machine as it is, and what does not hold when another one takes them. */
  readonly courses: readonly {
    readonly paths: readonly { readonly from: string; readonly places: readonly number[] }[]
    readonly drive: (places: readonly number[], machine: Machine) => readonly string[]
  }[]
}

/** Tests that every mutant is caught, and tells by what. */
export function everyMutantIsCaught<Machine extends AnyStateMachine>(
  name: string,
  { mutants, table, told, outcome, courses }: Net<Machine>,
): void {
  const results: { readonly mutant: Mutant<Machine>; readonly caughtBy: string }[] = []

  test(`every mutant of the ${name} is caught`, () => {
    for (const mutant of mutants()) results.push({ mutant, caughtBy: catcherOf(mutant) ?? 'nobody' })
    expect(results.length).toBeGreaterThan(20)
    const survivors = results.filter(({ caughtBy }) => caughtBy === 'nobody')
    expect(survivors.map(({ mutant: { kind, name: place } }) => `${kind}: ${place}`)).toEqual([])
  }, 120_000)

  test('no two mutants are one', () => {
    const names = results.map(({ mutant: { kind, name: place } }) => `${kind}: ${place}`)
    expect(new Set(names).size).toBe(names.length)
  })

  /** Every mutant with what caught it in `npm run verify:spec`; elsewhere the kinds with how many there are. */
  afterAll(() => {
    const width = Math.max(...results.map(({ mutant }) => mutant.name.length))
    const list = results.map(
      ({ mutant: { kind, name: place }, caughtBy }) => `${kind.padEnd(16)} ${place.padEnd(width)}  ${caughtBy}`,
    )
    const kinds = [...new Set(results.map(({ mutant }) => mutant.kind))]
    const summary = kinds.map((kind) => `${results.filter(({ mutant }) => mutant.kind === kind).length} × ${kind}`)
    const caught = results.filter(({ caughtBy }) => caughtBy !== 'nobody').length
    const listed = process.env.npm_lifecycle_event === 'verify:spec' ? list : []
    console.info(
      [...listed, `${name}: ${caught} of ${results.length} mutants caught: ${summary.join(', ')}`].join('\n'),
    )
  })

  /** What finds this mutant, the cheapest first. */
  function catcherOf({ machine, state }: Mutant<Machine>): string | undefined {
    const [flaw] = flawsIn(machine).flaws
    if (flaw !== undefined) return `structure: ${flaw}`
    return cellOf(machine, state) ?? pathOf(machine, state)
  }

  /** The first cell of the table that is not as it should be; those of the mutant's state are looked at first. */
  function cellOf(machine: Machine, state = ''): string | undefined {
    const rows = Object.entries(table).toSorted(([one], [other]) => rank(one, state) - rank(other, state))
    for (const [situation, row] of rows) {
      try {
        const before = told(situation, machine)
        for (const [event, expected] of Object.entries(row)) {
          const found = outcome(before, event, machine)
          if (found !== expected) return `table: ${situation} × ${event} → ${found}`
        }
      } catch (error) {
        return `table: ${situation} throws ${(error as Error).message}`
      }
    }
    return undefined
  }

  /** The first path on which something does not hold; those with their last edge in the mutant's state are taken first. */
  function pathOf(machine: Machine, state = ''): string | undefined {
    for (const { paths, drive } of courses) {
      for (const { places } of paths.toSorted((one, other) => rank(one.from, state) - rank(other.from, state))) {
        const [broken] = drive(places, machine)
        if (broken !== undefined) return `paths: ${broken}`
      }
    }
    return undefined
  }
}

const rank = (situation: string, state: string): number => (situation.startsWith(state) ? 0 : 1)
