/** One run of the benchmark: the planned trials stage by stage, then the costs and growth; the results are published after each. */

import { startCluster } from '../cluster/kafka-cluster.ts'
import type { Board } from '../demo/board.ts'
import { changes } from './change.ts'
import { clientKinds } from './client.ts'
import { measureCosts } from './costs/measure.ts'
import { boundOf, verdictOf } from './document.ts'
import { publish, readResults } from './document-files.ts'
import type { GoalFigure } from './goal.ts'
import { moveGoals } from './goals.ts'
import { measureCell } from './growth/measure.ts'
import { number } from './markdown-table.ts'
import {
  costsMs,
  costsOf,
  estimate,
  growthMs,
  growthOf,
  type PlannedTrial,
  type PlanOptions,
  planOf,
  producersMs,
  producerTrialsOf,
  stageStartMs,
} from './plan.ts'
import { producerGoals, producerTitles, producerTrial } from './producers/producer-trial.ts'
import { merged, newResults, type Results } from './results.ts'
import type { Row } from './row.ts'
import { type Stage, startStage } from './stage.ts'
import { trial } from './trial.ts'

export interface BenchmarkOptions extends PlanOptions {
  /** Where the results go. */
  readonly folder: string
  /** The command as it was given. */
  readonly name: string
  readonly board: Board
  readonly signal: AbortSignal
}

/** Resolves with a sentence for each thing that broke: a message lost by relisten, a client that did not start. */
export async function runBenchmark(options: BenchmarkOptions): Promise<readonly string[]> {
  const { folder, name, board, signal, quick } = options
  const plan = planOf(options)
  const costs = costsOf(options)
  const growth = growthOf(options)
  const producers = producerTrialsOf(options)
  const earlier = await readResults(folder)
  let now = newResults(name)
  const broken: string[] = []
  const beganAt = Date.now()
  let done = 0
  const inAll = plan.length + Math.min(1, costs.length) + growth.length + producers.length
  const leftMs = () =>
    plan.slice(done).reduce((sum, one) => sum + estimate(one), 0) +
    new Set(plan.slice(done).map(({ stage }) => stage)).size * stageStartMs +
    (done <= plan.length && costs.length > 0 ? costsMs(quick) : 0) +
    growth.slice(Math.max(0, done - plan.length - Math.min(1, costs.length))).length * growthMs +
    (inAll - done <= producers.length ? inAll - done : producers.length) * producersMs
  const announce = (what: string) => {
    const minutes = Math.ceil(leftMs() / 60_000)
    board.say(`[${done + 1}/${inAll}] ${elapsed(beganAt)}, about ${minutes} min left: ${what}`)
  }
  const keep = async (
    found: Partial<Pick<Results, 'rows' | 'stages' | 'costs' | 'growth' | 'producers' | 'picture'>>,
  ) => {
    const at = new Date().toISOString()
    const { rows = [], stages = [], costs = [], growth = [], producers = [], picture = now.picture } = found
    now = {
      ...now,
      runs: now.runs.map((run) => ({ ...run, minutes: (Date.now() - beganAt) / 60_000 })),
      rows: [...now.rows, ...rows],
      stages: [...now.stages, ...stages],
      costs: [...now.costs, ...costs.map((figure) => ({ ...figure, at }))],
      growth: [...(now.growth ?? []), ...growth.map((cell) => ({ ...cell, at }))],
      producers: [...(now.producers ?? []), ...producers],
      ...(picture && { picture }),
    }
    await publish(folder, merged(earlier, now))
  }

  let stage: Stage | undefined
  try {
    for (const planned of plan) {
      signal.throwIfAborted()
      announce(describe(planned))
      try {
        if (stage?.name !== planned.stage) {
          await stage?.[Symbol.asyncDispose]()
          stage = undefined
          stage = await untilUp(
            startStage(planned.stage, (line) => board.progress(line)),
            signal,
          )
        }
        const { rows, stageTimes, timeline } = await trial({ ...planned, stage, signal })
        for (const row of rows) board.say(`    ${told(row)}`)
        broken.push(...rows.flatMap(lossOf))
        await keep(planned.isPicture ? { picture: timeline } : { rows, ...(stageTimes && { stages: [stageTimes] }) })
      } catch (error) {
        signal.throwIfAborted()
        const why = error instanceof Error ? error.message : String(error)
        board.say(`    broken: ${why}`)
        broken.push(`${describe(planned)}: ${why}`)
        // what broke one trial may break the next on the same brokers
        await stage?.[Symbol.asyncDispose]()
        stage = undefined
      }
      done += 1
    }
  } finally {
    await stage?.[Symbol.asyncDispose]()
  }
  if (costs.length > 0) {
    announce('what relisten costs')
    const started = startCluster({ bindFixed: true, onProgress: (line) => board.progress(line) })
    await using cluster = await untilUp(started, signal)
    const say = (line: string) => board.say(`    ${line}`)
    await keep({ costs: await measureCosts({ cluster, quick, say, only: costs }) })
    done += 1
  }
  for (const { brokers, partitions } of growth) {
    signal.throwIfAborted()
    announce(`growth: ${brokers} brokers, ${partitions} partitions`)
    const cell = await measureCell(brokers, partitions, quick)
    const { connections, dialsPerMove, cpuMsPerMove, silenceMs } = cell.figures
    board.say(
      `    ${connections} connections, ${number(dialsPerMove)} dials, ${number(cpuMsPerMove)} ms of a processor and ${number(silenceMs)} ms of silence per move`,
    )
    await keep({ growth: [cell] })
    done += 1
  }

  for (const planned of producers) {
    signal.throwIfAborted()
    announce(`producers: ${changes[planned.change].title}`)
    const started = startStage(planned.stage, (line) => board.progress(line))
    await using stage = await untilUp(started, signal)
    const rows = await producerTrial({ ...planned, stage, quick, signal })
    for (const { producer, acknowledged, missing, twice, rejected, unended, longest } of rows) {
      const ends = `${rejected} sends rejected, ${unended} without an end`
      const figures = `${missing} of ${acknowledged} not in the log, ${twice} twice, ${ends}`
      board.say(`    ${producerTitles[producer]}: ${figures}; longest send ${longest.median} / ${longest.worst} ms`)
    }
    await keep({ producers: rows })
    done += 1
  }

  const results = merged(earlier, now)
  board.say('')
  for (const figure of [...moveGoals(results.rows), ...producerGoals(results.producers ?? []), ...results.costs])
    board.say(goalLine(figure))
  board.say(`\nIt took ${elapsed(beganAt)}. BENCHMARKS.md and the folder benchmarks are in ${folder}`)
  return broken
}

/** Until Kafka runs there is nothing to end in order; what was started is ended by the cluster's watchdog. */
async function untilUp<Started>(starting: Promise<Started>, signal: AbortSignal): Promise<Started> {
  const leave = () => process.exit(130)
  signal.addEventListener('abort', leave)
  try {
    return await starting
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function describe({ stage, change, boot, clients, rounds }: PlannedTrial): string {
  const who =
    clients.length === 1
      ? clientKinds[clients[0] as Row['client']].title
      : `${clients.length} clients beside each other`
  const where = stage === 'tls' ? ' over TLS' : ''
  return `${who.replaceAll('`', '')}: ${changes[change].title}${where}, boot list ${boot}, ${rounds} round${rounds === 1 ? '' : 's'}`
}

function told({ client, back, gap, above, steady, lost, twiceByGroup, rebalances, watchMs }: Row): string {
  const who = client.padEnd(17)
  if (!back) return `${who} not back in ${(watchMs || 60_000) / 1000} s`
  const gaps = `gap ${number(gap.median)} / ${number(gap.p99)} / ${number(gap.worst)} ms`
  const over = `above steady ${number(above.median)} / ${number(above.p99)} / ${number(above.worst)} ms, steady ${number(steady.worst)} ms`
  return `${who} ${gaps}, ${over}; lost ${lost}, twice ${twiceByGroup}, rebalances ${rebalances}`
}

function lossOf({ client, change, boot, lost, back }: Row): string[] {
  if (!client.startsWith('relisten')) return []
  const where = `${client}, ${change}, boot list ${boot}`
  return [...(lost > 0 ? [`${where}: ${lost} messages lost`] : []), ...(back ? [] : [`${where}: not back`])]
}

function goalLine(figure: GoalFigure): string {
  const verdict = verdictOf(figure).replaceAll('*', '').toUpperCase() || 'told'
  const reference = figure.reference === undefined ? '' : ` (${figure.reference})`
  const goal = boundOf(figure) === '' ? '' : `, goal ${boundOf(figure)}`
  return `${verdict.padEnd(8)} ${figure.goal} | ${figure.name}: ${number(figure.value)} ${figure.unit}${goal}${reference}`
}

function elapsed(since: number): string {
  const seconds = Math.round((Date.now() - since) / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min`
}
