// What finds the mutants of a machine: its structure, its table or its paths; each has to be found by one of them.
import { afterAll, expect, test } from 'vitest'
import type { AnyStateMachine, SnapshotFrom } from 'xstate'
import { type Mistakes, type Mutant, mutantsOf, type Place } from './mutants.ts'
import type { DriveOptions, Graph, Path } from './stage.ts'
import { flawsIn, stateOf } from './structure.ts'

interface Net<Machine extends AnyStateMachine> {
  readonly mistakes: Mistakes
  /** The events that are kept in every state. */
  readonly everywhere?: readonly string[]
  /** What is expected of each event in each situation. */
  readonly table: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** How a machine comes into a situation, and what it makes of an event there. */
  readonly told: (situation: string, machine: Machine) => SnapshotFrom<Machine>
  readonly outcome: (before: SnapshotFrom<Machine>, event: string, machine: Machine) => string
  /** Paths through the machine as it is, and what does not hold when another one takes them. */
  readonly courses: readonly { readonly input?: unknown; readonly graph: Graph }[]
  readonly drive: (places: readonly number[], options: DriveOptions<Machine>) => readonly string[]
}

/** Tests that every mutant is caught, and tells by what. */
export function everyMutantIsCaught<Machine extends AnyStateMachine>(
  name: string,
  original: Machine,
  { mistakes, everywhere = [], table, told, outcome, courses, drive }: Net<Machine>,
): void {
  const rows = Object.entries(table).map(([situation, row]) => {
    return { situation, row, state: stateOf(told(situation, original)) }
  })
  /** The short ones first. */
  const paths = courses
    .flatMap(({ input, graph }) => graph.paths.map((path) => ({ input, ...path })))
    .toSorted((one, other) => one.places.length - other.places.length)
  const results: { readonly mutant: Mutant<Machine>; readonly caughtBy: string }[] = []

  test(`every mutant of the ${name} is caught`, () => {
    for (const mutant of mutantsOf(original, mistakes))
      results.push({ mutant, caughtBy: catcherOf(mutant) ?? 'nobody' })
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

  /** What finds this mutant: where it shows is looked at first, and there what is cheapest. */
  function catcherOf({ machine, places }: Mutant<Machine>): string | undefined {
    const isPlace = (path: Path) => places.some((place) => isAt(place, path))
    const isState = ({ state }: { state: string }) => places.some(({ from }) => from !== undefined && isIn(state, from))
    try {
      const [flaw] = flawsIn(machine, everywhere).flaws
      if (flaw !== undefined) return `structure: ${flaw}`
      return (
        cellOf(machine, rows.filter(isState)) ??
        pathOf(machine, paths.filter(isPlace)) ??
        cellOf(machine, rows) ??
        pathOf(machine, paths)
      )
    } catch (error) {
      return `thrown: ${(error as Error).message}`
    }
  }

  /** The first cell of the table that is not as it should be. */
  function cellOf(machine: Machine, looked: typeof rows): string | undefined {
    for (const { situation, row } of looked) {
      const before = told(situation, machine)
      for (const [event, expected] of Object.entries(row)) {
        const found = outcome(before, event, machine)
        if (found !== expected) return `table: ${situation} × ${event} → ${found}`
      }
    }
    return undefined
  }

  /** The first path on which something does not hold. */
  function pathOf(machine: Machine, taken: typeof paths): string | undefined {
    for (const { places, input } of taken) {
      const [broken] = drive(places, { input, machine })
      if (broken !== undefined) return `paths: ${broken}`
    }
    return undefined
  }
}

/** Whether this is the state, or one in it. */
const isIn = (state: string, outer: string): boolean => state === outer || state.startsWith(`${outer}.`)

const isAt = ({ from, event, to }: Place, path: Path): boolean =>
  (from === undefined || isIn(path.from, from)) &&
  (event === undefined || path.events.includes(event)) &&
  (to === undefined || (path.to !== undefined && isIn(path.to, to)))
