/** The report: judges an outcome by the bounds of its scenario, prints one row for each, and keeps them in a JSON file. */
import { appendFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import type { Outcome } from './outcome.ts'
import { median } from './silence.ts'
import { writeStory } from './story.ts'

/**
 * What a scenario allows. Nothing lost, no foreign message, nothing out of order, no commit beyond what was handled or
 * backwards, no second without a message outside of the moves, and no timer late by more than a second holds for all of them and is not said again.
 */
export interface Bounds {
  /** Whose repeated hand-outs count; none are allowed. Default `group`; `none` where a handler throws or hangs. */
  readonly twice?: 'group' | 'process' | 'none'
  /** Most rebalances; undefined where the group has its own reasons. */
  readonly rebalances?: number | undefined
  /**
   * Silence at the moves, in milliseconds: the median, the worst, and how far the worst may be above the steady state. A machine that
   * was busy in this very run gets its own delays on top: see `delays`.
   */
  readonly medianMs?: number
  readonly worstMs?: number
  readonly aboveSteadyMs?: number
  /** How much longer the median of the last five moves may be than that of the first five, in milliseconds. */
  readonly growthMs?: number
  /** Most milliseconds without a message outside of the moves. Default 1000; Infinity where that is the scenario. */
  readonly steadyMs?: number
  /** Most commits backwards. Default 0; undefined for a stock client, which goes back where it joins again. */
  readonly commitsBack?: number | undefined
  /** The scenario seeks: what is lost, and commits beyond and backwards, are its own to judge. Default false. */
  readonly seeks?: boolean
  /** Further figures of this scenario with their own bound. */
  readonly figures?: readonly Figure[]
}

export interface Figure {
  readonly name: string
  readonly value: number
  readonly most: number
}

/** A partition gets a message every 30 ms: two silences that differ by less cannot be told apart. */
export const MESSAGE_SPACING_MS = 30

/** Below this neither the steady state nor a timer says that the machine was busy. */
const QUIET_MS = 150

/** One row, as kept in the JSON file. */
interface Row extends Omit<Outcome, 'story' | 'log'> {
  readonly violations: readonly string[]
  readonly bounds: Bounds
  readonly at: string
  /** Processes that wanted the machine in the last minute: what figures of a busy machine are worth. */
  readonly load: number
}

const rows: Row[] = []
/** One file per run of the test command, whatever the number of worker processes. */
const file = join(tmpdir(), `relisten-scenarios-${process.ppid}.jsonl`)

/** Notes the outcome and returns a sentence for each bound it breaks. */
export function report(outcome: Outcome, bounds: Bounds): string[] {
  const violations = judge(outcome, bounds)
  const { story, log: _, ...figures } = outcome
  const row: Row = { ...figures, violations, bounds, at: new Date().toISOString(), load: loadavg()[0] ?? 0 }
  rows.push(row)
  appendFileSync(file, `${JSON.stringify(row)}\n`)
  if (violations.length > 0) writeStory(outcome.scenario, [...violations, ...story])
  return violations
}

/** Prints the rows noted so far in this process and forgets them. */
export function printReport(): void {
  if (rows.length === 0) return
  const table = new Table({
    head: [
      'scenario',
      'moves',
      'lost',
      'twice',
      'rebalances',
      'median',
      'worst',
      'steady',
      'log',
      'bound',
      'timer late',
      'load',
      '',
    ],
    style: { head: [], border: [] },
  })
  for (const row of rows.splice(0)) {
    table.push([
      row.scenario,
      row.silencesMs.length,
      row.lost,
      row.bounds.twice === 'process' ? `${row.twiceByProcess} (group ${row.twiceByGroup})` : row.twiceByGroup,
      row.rebalances,
      inMs(median(row.silencesMs)),
      inMs(Math.max(0, ...row.silencesMs)),
      inMs(row.steadyMs),
      inMs(Math.max(0, ...row.logSilencesMs)),
      boundText(row),
      inMs(row.timerLateMs),
      row.load.toFixed(1),
      row.violations.length === 0 ? 'ok' : 'FAILED',
    ])
  }
  console.log(`${table.toString()}\n${legend}\nAll figures: ${file}`)
}

const legend =
  'median, worst: longest silence of the worst partition, over the moves. steady: outside of them. log: longest time the log of the worst partition did not grow.'

const inMs = (value: number) => `${Math.round(value)} ms`

/**
 * How much longer this run's silences may be than they were allowed to be: what its steady state and its timer were above those of a
 * quiet machine; and the silence nobody can be below, which is the steady state's or that of the log itself.
 */
export function delays({
  steadyMs,
  timerLateMs,
  logSilencesMs,
}: Pick<Row, 'steadyMs' | 'timerLateMs' | 'logSilencesMs'>) {
  return {
    busyMs: Math.max(0, Math.max(steadyMs, timerLateMs) - QUIET_MS),
    lateMs: Math.max(0, timerLateMs - MESSAGE_SPACING_MS),
    floorMs: Math.max(steadyMs, ...logSilencesMs),
  }
}

function judge(outcome: Outcome, bounds: Bounds): string[] {
  const { twice = 'group', steadyMs = 1000, seeks = false } = bounds
  const commitsBack = 'commitsBack' in bounds ? bounds.commitsBack : 0
  const worst = Math.max(0, ...outcome.silencesMs)
  const first = median(outcome.silencesMs.slice(0, 5))
  const last = median(outcome.silencesMs.slice(-5))
  const { busyMs, lateMs, floorMs } = delays(outcome)
  const figures: Figure[] = [
    { name: 'hand-outs that are not in the log', value: outcome.foreign, most: 0 },
    { name: 'ms the 100 ms timer was late', value: outcome.timerLateMs, most: 1000 },
    // otherwise a hole that opens seconds after a move would count as steady state
    { name: 'ms of silence outside of the moves', value: outcome.steadyMs, most: steadyMs },
  ]
  const add = (name: string, value: number, most: number | undefined, extraMs = 0) => {
    if (most !== undefined) figures.push({ name, value, most: most + extraMs })
  }
  add('messages lost', outcome.lost, seeks ? undefined : 0)
  add('commits beyond what was handled', outcome.commitsBeyond, seeks ? undefined : 0)
  add('commits backwards', outcome.commitsBack, seeks ? undefined : commitsBack)
  add('messages handled twice by the group', outcome.twiceByGroup, twice === 'group' ? 0 : undefined)
  add('messages handled twice by one process', outcome.twiceByProcess, twice === 'none' ? undefined : 0)
  add('hand-outs out of order', outcome.disorder, twice === 'none' ? undefined : 0)
  add('rebalances', outcome.rebalances, bounds.rebalances)
  add('ms of silence in the median move', median(outcome.silencesMs), bounds.medianMs, busyMs)
  add('ms of silence in the worst move', worst, bounds.worstMs, busyMs)
  add('ms of silence above the steady state', worst - floorMs, bounds.aboveSteadyMs, lateMs)
  add('ms of growth from the first to the last moves', last - first, bounds.growthMs, busyMs)
  return [...figures, ...(bounds.figures ?? [])]
    .filter(({ value, most }) => !(value <= most))
    .map(({ name, value, most }) => `${outcome.scenario}: ${value} ${name}, allowed ${most}`)
}

function boundText(row: Row): string {
  const { medianMs, worstMs, aboveSteadyMs, figures = [] } = row.bounds
  const { busyMs, lateMs, floorMs } = delays(row)
  const texts = [
    medianMs === undefined ? [] : `median ${medianMs + busyMs} ms`,
    worstMs === undefined ? [] : `worst ${worstMs + busyMs} ms`,
    aboveSteadyMs === undefined ? [] : `steady + ${aboveSteadyMs + lateMs} = ${floorMs + aboveSteadyMs + lateMs} ms`,
    figures.map(({ name, value, most }) => `${name} ${Math.round(value)} of ${most}`),
  ]
  return texts.flat().join('\n')
}
