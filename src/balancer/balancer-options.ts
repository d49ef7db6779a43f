/** The options of a balancer, and what it stands on: where loads are known from, how the cluster is read, how a plan is made. */

import { type ExecutorSettings, usualExecution } from '../../actors/balancer/execution-settings.ts'
import type { PlanExecution } from '../../actors/balancer/plan-execution.ts'
import type { BalancingMode } from '../../machines/balancer/balancing.ts'
import type { BatchLimits } from '../../machines/balancer/batches.ts'
import type { ClusterModel } from '../../machines/balancer/cluster-model.ts'
import type { Loads, ModelSettings, Topology } from '../../machines/balancer/model.ts'
import type { GoalSettings, Plan } from '../../machines/balancer/plan.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Journal, JournalPolicy } from '../journal/journal.ts'
import { memoryJournal } from '../journal/memory-journal.ts'
import { expected } from '../options/value.ts'
import type { WatchedBalancer } from '../views/inspection.ts'
import type { Logger } from '../views/log.ts'

/** Where loads are known from. */
export interface LoadSource {
  /** Begins to gather samples; `emit` records a fact about that. Rejects where it never can. */
  start(emit: (fact: Fact) => void): Promise<void>
  stop(): Promise<void>
  /** What is known of the load at `now`, in milliseconds since 1970. */
  loads(now: number): Loads
  /** When the newest sample was taken, in milliseconds since 1970; null before the first. */
  newestAt(): number | null
}

/** What a balancer stands on. */
export interface BalancerParts {
  readonly load: LoadSource
  readonly topology: (signal: AbortSignal) => Promise<Topology>
  readonly plan: (model: ClusterModel, settings: GoalSettings) => Plan
  /** Carries plans out. Left out: a dry run. */
  readonly execution?: Pick<PlanExecution, 'takeUp' | 'carryOut' | 'progress'>
}

/** How plans are carried out. */
export interface ExecutionOptions extends Partial<Omit<ExecutorSettings, 'limits' | 'rates'>> {
  /** How much may be under way at once; what is left out has its default. */
  readonly limits?: Partial<BatchLimits>
  /**
   * How fast each broker may send, and take, what is moved, in bytes per second; at least 1 MiB. Default: what its load leaves of `goals.capacityShare` of its
   * capacity, followed as the load changes; where nobody has said what it can carry, as fast as it can.
   */
  readonly bytesPerSecond?: number
  /** Throttles of replication that no record explains are deleted at the start. Default false: `throttle.found` says that they are there. */
  readonly takeBack?: boolean
}

export interface BalancerOptions {
  /** `dry-run`: plans are shown and nothing is moved; `execute`: they are carried out. Default `dry-run`. */
  readonly mode?: BalancingMode
  /** How they are carried out, in the mode `execute`. */
  readonly execution?: ExecutionOptions
  /** What the log and the journal call it. Default `relisten-balancer`. */
  readonly clientId?: string
  /**
   * Rounds begin at least this far apart, in milliseconds; the first one with the first samples, and none within this time after a plan was carried
   * out. With `sampler: 'kafka'` the load is looked at as often, but not more often than each 15 seconds, and at least each 30. Default 30,000; at least 1000.
   */
  readonly intervalMs?: number
  /** A partition that was moved is left alone for this time, in milliseconds. Default 600,000; at least 0. */
  readonly coolDownMs?: number
  /** Where the newest sample is older than this, in milliseconds, nothing is decided. Default 180,000; at least 1000. */
  readonly staleAfterMs?: number
  /** How a plan is made; what is left out has its default. */
  readonly goals?: Partial<GoalSettings>
  /** What the cluster's brokers can carry, and what is left alone. Default: replicated storage, nobody says what brokers can carry, nothing is left alone. */
  readonly cluster?: Partial<Omit<ModelSettings, 'leastTrust'>>
  /** Where facts and decisions are kept. Default: in memory. */
  readonly journal?: Journal
  /** What becomes of it where the journal fails. Default `stop-intake`: it stops. */
  readonly onJournalError?: JournalPolicy
  /** Default: none. */
  readonly logger?: Logger | false
  /** Shows it on the page of an inspector: `inspector.observe` of `serveInspector`. Default: on that of `RELISTEN_INSPECT`, where that is set. */
  readonly inspect?: { watch(watched: WatchedBalancer): void }
}

/** How plans are carried out, complete. */
export interface ResolvedExecution {
  readonly settings: Omit<ExecutorSettings, 'rates'>
  readonly bytesPerSecond: number | undefined
  readonly takeBack: boolean
}

export interface ResolvedBalancerOptions {
  /** Null in a dry run. */
  readonly execution: ResolvedExecution | null
  readonly clientId: string
  readonly intervalMs: number
  readonly coolDownMs: number
  readonly staleAfterMs: number
  readonly goals: GoalSettings
  readonly cluster: ModelSettings
  readonly journal: Journal
  readonly onJournalError: JournalPolicy
  readonly logger: Logger | false
}

const mebibyte = 2 ** 20
const defaultGoals: GoalSettings = {
  weights: { networkIn: 1, networkOut: 1, disk: 1, leaders: 0.25, replicas: 0.25, spread: 0.1 },
  idle: { networkIn: mebibyte, networkOut: mebibyte, disk: mebibyte },
  // Figures are off by a few percent: who aims at 8 ends within 10.
  ...{ target: 0.08, trigger: 0.2, capacityShare: 0.8, leastTrust: 0.5, seed: 1 },
}

/** Throws `invalid-option`. */
export function resolveBalancerOptions(options: BalancerOptions): ResolvedBalancerOptions {
  const { mode = 'dry-run', clientId = 'relisten-balancer', journal, onJournalError, logger = false } = options
  if (mode !== 'dry-run' && mode !== 'execute')
    throw expected('mode', "to be 'dry-run' or 'execute'", mode, 'leave it out: plans are shown, and nothing is moved.')
  const goals = { ...defaultGoals, ...options.goals }
  return {
    ...{
      clientId,
      goals,
      logger,
      onJournalError: onJournalError ?? 'stop-intake',
      journal: journal ?? memoryJournal(),
      execution: mode === 'execute' ? resolveExecution(options.execution) : null,
    },
    intervalMs: duration('intervalMs', options.intervalMs ?? 30_000, 1000),
    coolDownMs: duration('coolDownMs', options.coolDownMs ?? 600_000, 0),
    staleAfterMs: duration('staleAfterMs', options.staleAfterMs ?? 180_000, 1000),
    cluster: {
      ...{ storage: 'replicated', excludedTopics: [], excludedBrokers: [], drainingBrokers: [], ...options.cluster },
      leastTrust: goals.leastTrust,
    },
  }
}

function resolveExecution(options: ExecutionOptions = {}): ResolvedExecution {
  const { limits, bytesPerSecond, takeBack = false, ...given } = options
  const { rates: _, ...usual } = usualExecution
  if (bytesPerSecond !== undefined && !(bytesPerSecond >= leastBytesPerSecond))
    throw expected(
      'execution.bytesPerSecond',
      `to be at least ${leastBytesPerSecond}, as slower moves may never catch up with what is written`,
      bytesPerSecond,
      'leave it out for what the capacity of brokers leaves.',
    )
  const settings = { ...usual, ...given, limits: { ...usual.limits, ...limits } }
  const { onStop } = settings
  if (onStop !== 'finish' && onStop !== 'cancel')
    throw expected('execution.onStop', "to be 'finish' or 'cancel'", onStop, "leave it out for 'cancel'.")
  for (const [name, value] of Object.entries(settings))
    if (name.endsWith('Ms')) duration(`execution.${name}`, Number(value), 1)
  for (const [name, value] of Object.entries(settings.limits))
    if (!(value >= 1))
      throw expected(`execution.limits.${name}`, 'to be at least 1', value, 'leave it out for its default.')
  return { settings, bytesPerSecond, takeBack }
}

const leastBytesPerSecond = 2 ** 20
const longestMs = 2 ** 31 - 1

function duration(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= longestMs) return value
  throw expected(
    name,
    `to be a whole number of milliseconds from ${least} to ${longestMs}`,
    value,
    'leave it out for its default.',
  )
}
