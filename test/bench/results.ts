/** The results of the benchmark as they are kept: what was measured, when, on what. A part that is measured again replaces its rows. */
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { checkedOutCommit } from '../checkout.ts'
import { javaCommand } from '../cluster/kafka-jars.ts'
import type { GoalFigure } from './goal.ts'
import type { Cell } from './growth/growth.ts'
import type { ProducerRow } from './producers/producer-trial.ts'
import type { Row } from './row.ts'
import type { StageTimes } from './stage-times.ts'
import type { Timeline } from './timeline.ts'

/** A command that measured, when it began, and how long it took. */
export interface BenchRun {
  readonly command: string
  readonly date: string
  readonly minutes: number
  /** As `checkedOutCommit` gives it, or with `~`: the newest one when the run began, as it was not recorded. */
  readonly commit?: string
}

export interface Results {
  /** Oldest first. */
  readonly runs: readonly BenchRun[]
  readonly versions: Readonly<Record<string, string>>
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryGb: number
    readonly platform: string
  }
  readonly rows: readonly Row[]
  readonly stages: readonly StageTimes[]
  readonly costs: readonly GoalFigure[]
  /** Results from before it was measured have none. */
  readonly growth?: readonly Cell[]
  /** Results from before they were measured have none. */
  readonly producers?: readonly ProducerRow[]
  /** The move that README shows. */
  readonly picture?: Timeline
}

const require = createRequire(import.meta.url)

export function newResults(command: string): Results {
  const [cpu] = cpus()
  const commit = checkedOutCommit()
  return {
    runs: [{ command, date: new Date().toISOString(), minutes: 0, ...(commit !== undefined && { commit }) }],
    versions: {
      relisten: version('../../package.json'),
      kafkajs: version('kafkajs/package.json'),
      '@platformatic/kafka': version('../../node_modules/@platformatic/kafka/package.json'),
      'Apache Kafka and its Java client': '4.4.0',
      Node: process.versions.node,
      Java: javaVersion(),
    },
    machine: {
      cpu: cpu?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${process.arch}`,
    },
    rows: [],
    stages: [],
    costs: [],
  }
}

/** What was measured now, and of the earlier results what was not measured again. */
export function merged(earlier: Results | undefined, now: Results): Results {
  const rest = <Item>(kept: readonly Item[] | undefined, made: readonly Item[], key: (item: Item) => string) => {
    const keys = new Set(made.map(key))
    return [...(kept ?? []).filter((item) => !keys.has(key(item))), ...made]
  }
  const picture = now.picture ?? earlier?.picture
  return {
    ...now,
    ...(picture && { picture }),
    // what a whole run has not kept of earlier ones is not worth telling
    runs: [...(now.runs.some(({ command }) => command.includes('--only')) ? (earlier?.runs ?? []) : []), ...now.runs],
    rows: rest(earlier?.rows, now.rows, rowKey),
    stages: rest(earlier?.stages, now.stages, ({ change, boot, secure }) => [change, boot, secure].join()),
    costs: rest(earlier?.costs, now.costs, ({ goal, name }) => `${goal} ${name}`),
    producers: rest(earlier?.producers, now.producers ?? [], ({ producer, change }) => `${producer} ${change}`),
    growth: rest(earlier?.growth, now.growth ?? [], ({ brokers, partitions }) => `${brokers} ${partitions}`),
  }
}

const rowKey = ({ client, change, boot, secure, alone }: Row) => [client, change, boot, secure, alone].join()

const version = (manifest: string): string => {
  const path = manifest.startsWith('.') ? join(import.meta.dirname, manifest) : manifest
  return require(path).version
}

function javaVersion(): string {
  try {
    return execFileSync(javaCommand(), ['--version'], { encoding: 'utf8' }).split(' ')[1] ?? 'unknown'
  } catch {
    return 'none'
  }
}
