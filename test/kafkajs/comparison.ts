/** What passes on stock KafkaJS, held against the same over wires. */
import Table from 'cli-table3'
import type { Suite } from './checkout.ts'
import type { Exception } from './exceptions.ts'
import type { Outcome, Tried } from './spec-file.ts'

/** `stock`: KafkaJS's own sockets, still brokers. `still`: wires, still brokers. `moving`: wires, and all listeners move. */
export const modes = ['stock', 'still', 'moving'] as const
export type Mode = (typeof modes)[number]

/** One file of tests in one mode. */
export interface Run extends Tried {
  readonly suite: Suite
  readonly mode: Mode
  readonly file: string
  /** Of relisten. */
  readonly commit: string | undefined
  readonly ms: number
  readonly moves: number
}

/** A test that passes on stock KafkaJS and not over wires. */
export interface Difference {
  readonly mode: Mode
  readonly file: string
  readonly title: string
  readonly why: string
  /** The reason, where it is listed. */
  readonly exception?: string
}

export interface Comparison {
  readonly differences: readonly Difference[]
  /** Listed as ones that fail, and yet they pass in all modes that were run. */
  readonly needless: readonly Exception[]
  /** Files for which there is nothing to compare with. */
  readonly withoutStock: readonly string[]
}

export function compare(runs: readonly Run[], exceptions: readonly Exception[]): Comparison {
  const differences = runs
    .filter(({ mode }) => mode === 'stock')
    .flatMap((stock) => {
      const passed = stock.tests.filter(({ status }) => status === 'passed')
      const others = runs.filter(({ mode, file }) => mode !== 'stock' && file === stock.file)
      return others.flatMap((other) => passed.flatMap(({ title }) => differenceOf(title, other, exceptions) ?? []))
    })
  const compared = new Set(runs.filter(({ mode }) => mode !== 'stock').map(({ file }) => file))
  const needless = exceptions.filter(
    (one) =>
      one.whileMoving !== true &&
      compared.has(one.file) &&
      !differences.some(({ file, title }) => one.file === file && one.title === title),
  )
  const onStock = new Set(runs.filter(({ mode }) => mode === 'stock').map(({ file }) => file))
  return { differences, needless, withoutStock: [...compared].filter((file) => !onStock.has(file)) }
}

function differenceOf(title: string, { mode, file, tests }: Run, exceptions: readonly Exception[]) {
  const found = tests.find((test) => test.title === title)
  if (found?.status === 'passed') return undefined
  const why = found === undefined ? 'It was not run.' : (found.why ?? `It was ${found.status}.`)
  const holds = ({ whileMoving }: Exception) => mode === 'moving' || whileMoving !== true
  const listed = exceptions.find((one) => one.file === file && one.title === title && holds(one))
  return { mode, file, title, why, ...(listed && { exception: listed.reason }) }
}

/** A row for each suite in each mode. */
export function tableOf(runs: readonly Run[], { differences }: Comparison): string {
  const table = new Table({
    head: [
      ...['suite', 'mode', 'passed', 'failed', 'skipped', 'seconds', 'moves', 'clients', 'moves they followed'],
      ...['only on stock', 'of these listed'],
    ],
    style: { head: [], border: [] },
  })
  for (const { suite, mode } of runs.filter(isFirst)) {
    const ours = runs.filter((run) => run.suite === suite && run.mode === mode)
    const tests = ours.flatMap((run) => run.tests)
    const count = (status: Outcome['status']) => tests.filter((test) => test.status === status).length
    const sum = (figure: (run: Run) => number) => ours.reduce((total, run) => total + figure(run), 0)
    const differing = differences.filter((one) => one.mode === mode && ours.some(({ file }) => file === one.file))
    const listed = differing.filter(({ exception }) => exception !== undefined)
    const followed = [sum((run) => run.followed?.clients ?? 0), sum((run) => run.followed?.moves ?? 0)]
    const compared = mode === 'stock' ? ['', '', '', ''] : [...followed, differing.length, listed.length]
    const figures = [Math.round(sum(({ ms }) => ms) / 1000), sum(({ moves }) => moves)]
    table.push([suite, mode, count('passed'), count('failed'), count('skipped'), ...figures, ...compared])
  }
  return table.toString()
}

const isFirst = ({ suite, mode }: Run, index: number, runs: readonly Run[]) =>
  runs.findIndex((run) => run.suite === suite && run.mode === mode) === index
