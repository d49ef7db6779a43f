/** The status: what a consumer is doing and has done, folded from its facts. */

import { partitionsIn } from '../../actors/delivery/dispatcher.ts'
import type { HandlerError } from '../../actors/delivery/handler-error.ts'
import { noTraffic, type Traffic } from '../../actors/delivery/traffic.ts'
import type { Plan } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import { isLifecycleState, type LifecycleState, meaningOf } from '../../machines/lifecycle-state.ts'
import { byTopic, type PartitionsByTopic, type TopicPartition } from '../../machines/topic-partition.ts'
import type { FactRecord, JournalRecord, RecordOf } from '../journal/journal.ts'
import type { Evidence, FailingPartition, Readiness, StalledPartition } from './readiness.ts'
import { hindranceAfter, readiness } from './readiness.ts'

/** The last hand-over that was completed. */
export interface Handover extends Plan {
  /** When it was completed, in milliseconds since 1970. */
  readonly at: number
  readonly tookMs: number
  /** The longest any partition went without a message meanwhile. */
  readonly gapMs: number
}

/** How often things happened since this consumer was created. */
export interface Counts {
  /** Endpoint changes by verdict; `unknown` counts the times no broker responded. */
  readonly endpointChanges: Readonly<Record<'moved' | 'resolvedAnew' | 'membership' | 'foreign' | 'unknown', number>>
  /** Hand-overs in place that were completed, and sessions that replaced another. */
  readonly restarts: {
    readonly inPlace: number
    readonly replacement: number
    readonly byCause: Readonly<Record<string, number>>
  }
  readonly sessions: number
  readonly joins: number
  readonly rebalances: number
  readonly retries: number
  /** Connections made again while the session went on. */
  readonly reconnects: number
  /** Batches not handed out, and results not committed, because they belonged to an earlier epoch or generation. */
  readonly fenced: { readonly batches: number; readonly results: number }
  /** Messages read again and not handed out again, as this process had handled them. */
  readonly suppressedReReads: number
  readonly handlerFailures: number
  readonly commitFailures: number
}

/** What `status()` returns. JSON throughout. */
export interface Status extends Readiness {
  readonly state: LifecycleState
  /** When the state was entered, in milliseconds since 1970; 0 before the start. */
  readonly since: number
  readonly clusterId: string | null
  readonly epoch: number
  readonly memberId: string | null
  readonly generation: number | null
  readonly assignment: PartitionsByTopic
  /** The hand-over under way. */
  readonly plan: Plan | null
  readonly lastHandover: Handover | null
  /** The newest failure of anything, also if it has been healed; of a handler or its policy with the error's `name`, `stack` and `cause`. */
  readonly lastFailure: (Failure & { readonly at: number } & Partial<Omit<HandlerError, 'message'>>) | null
  readonly refusedEndpoints: readonly {
    readonly nodeId: number
    readonly endpoint: string
    readonly failure: Failure
  }[]
  readonly stalled: readonly StalledPartition[]
  /** Partitions that wait for their handler: it has failed for one message 10 times or for 60 s, or a policy has paused them. */
  readonly failing: readonly FailingPartition[]
  /** Partitions that nothing is handed out of: the user or a policy has paused them. */
  readonly paused: readonly TopicPartition[]
  readonly journal: 'recording' | 'degraded' | 'failed'
  readonly counts: Counts
  readonly traffic: Traffic
}

/** A status without what depends on the moment it is read. */
export type StatusFold = Omit<Status, keyof Readiness | 'paused' | 'traffic'> &
  Pick<Evidence, 'interruptedAt' | 'unreachableSince' | 'foreign' | 'hindrance' | 'unmatched'> & {
    /** Handlers past their deadline. They stay so while other members own the partition, and when it comes back. */
    readonly overdue: readonly StalledPartition[]
  }

/** The status before the first fact. */
export const emptyStatus: StatusFold = {
  ...{ state: 'idle', since: 0, clusterId: null, epoch: 0, memberId: null, generation: null, assignment: {} },
  ...{ plan: null, lastHandover: null, lastFailure: null, refusedEndpoints: [], stalled: [], failing: [], overdue: [] },
  ...{ journal: 'recording', interruptedAt: undefined, unreachableSince: undefined, foreign: undefined },
  ...{ hindrance: undefined, unmatched: [] },
  counts: {
    endpointChanges: { moved: 0, resolvedAnew: 0, membership: 0, foreign: 0, unknown: 0 },
    restarts: { inPlace: 0, replacement: 0, byCause: {} },
    ...{ sessions: 0, joins: 0, rebalances: 0, retries: 0, reconnects: 0, fenced: { batches: 0, results: 0 } },
    ...{ suppressedReReads: 0, handlerFailures: 0, commitFailures: 0 },
  },
}

/** Folds one record, with what was thrown, which no record keeps. Pure. A lifecycle that starts again, as after a restart of the process, begins from nothing. */
export function reduceStatus(fold: StatusFold, record: JournalRecord, error?: HandlerError): StatusFold {
  const anew =
    record.type === 'actor.started' && record.data.restored !== true && lifecycleState(record.to) !== undefined
  if (anew) return reduceState(emptyStatus, record)
  const told = record.data.failure as Failure | undefined
  const lastFailure = told ? { ...error, ...told, at: record.at } : fold.lastFailure
  const hindrance = hindranceAfter(fold.hindrance, record as FactRecord)
  const next = reduceFact({ ...fold, lastFailure, hindrance }, record as FactRecord)
  return reduceState(next, record)
}

/** The status at `now`. What makes no facts, as it would fill the journal, is in `traffic`. */
export function viewStatus(fold: StatusFold, now: number, traffic = noTraffic, unreadyWhenDegraded = false): Status {
  const { interruptedAt, unreachableSince, foreign, hindrance, unmatched, overdue, ...rest } = fold
  const isElsewhere = isNotIn(fold.assignment)
  const failing = fold.failing.filter((each) => !isElsewhere(each))
  const paused = failing.filter(({ reason }) => reason === 'paused')
  return {
    ...{ ...readiness({ ...fold, failing }, now, unreadyWhenDegraded), ...rest, failing },
    paused: paused.map(({ topic, partition }) => ({ topic, partition })),
    ...{ counts: { ...fold.counts, suppressedReReads: traffic.suppressedMessages }, traffic },
  }
}

function reduceState(fold: StatusFold, { epoch, at, to, plan }: JournalRecord): StatusFold {
  const state = lifecycleState(to)
  if (state === undefined) return { ...fold, epoch }
  const entered = state === fold.state ? {} : { state, since: at }
  const interruptedAt = meaningOf(state, plan).tags.has('handing-over') ? (fold.interruptedAt ?? at) : undefined
  return { ...fold, ...entered, epoch, plan, interruptedAt }
}

/** Other actors have states of their own. */
const lifecycleState = (name: string | null): LifecycleState | undefined =>
  name !== null && isLifecycleState(name) ? name : undefined

function reduceFact(fold: StatusFold, record: FactRecord): StatusFold {
  const { counts } = fold
  switch (record.type) {
    case 'cluster.reached':
      return { ...fold, clusterId: record.data.clusterId, unreachableSince: undefined, foreign: undefined }
    case 'cluster.unreachable':
      // Told again when only its reason has changed.
      if (fold.unreachableSince !== undefined) return fold
      return { ...change(fold, 'unknown'), unreachableSince: record.at - record.data.sinceMs }
    case 'cluster.moved':
      return {
        ...change(fold, record.data.reason === 'moved' ? 'moved' : 'resolvedAnew'),
        unreachableSince: undefined,
        foreign: undefined,
      }
    case 'cluster.membership-changed':
      return change(fold, 'membership')
    case 'cluster.refused':
      return { ...change(fold, 'foreign'), foreign: record.data }
    case 'endpoint.refused':
      return { ...fold, refusedEndpoints: [...withoutNode(fold, record.data.nodeId), record.data] }
    case 'endpoint.healed':
      return { ...fold, refusedEndpoints: withoutNode(fold, record.data.nodeId) }
    case 'link.reconnected':
      return count(fold, { reconnects: counts.reconnects + 1 })
    case 'session.opened':
      return opened(fold, record)
    case 'subscription.unmatched':
      return { ...fold, unmatched: record.data.expressions }
    case 'session.joined': {
      const { memberId, generation } = record.data
      return { ...count(fold, { joins: counts.joins + 1 }), memberId, generation, foreign: undefined }
    }
    case 'group.rebalancing':
      return count(fold, { rebalances: counts.rebalances + 1 })
    case 'member.lost':
      return { ...fold, memberId: null, generation: null }
    case 'partitions.assigned': {
      // Tries count in one assignment.
      const failing = fold.failing.filter(({ reason }) => reason === 'paused')
      return owning({ ...fold, generation: record.data.generation, failing }, record.data.partitions)
    }
    case 'partitions.revoked':
    case 'partitions.lost':
      return owning(fold, without(fold.assignment, record.data.partitions))
    case 'rebuild.proven':
      return proven(fold, record)
    case 'retry.scheduled':
      return count(fold, { retries: counts.retries + 1 })
    case 'commit.failed':
      return count(fold, { commitFailures: counts.commitFailures + 1 })
    case 'batch.fenced':
      return count(fold, { fenced: { ...counts.fenced, batches: counts.fenced.batches + 1 } })
    case 'result.fenced':
      return count(fold, { fenced: { ...counts.fenced, results: counts.fenced.results + 1 } })
    case 'handler.failed':
      return count(fold, { handlerFailures: counts.handlerFailures + 1 })
    case 'handler.gave-up': {
      const { topic, partition, offset, decision } = record.data
      if (decision !== 'pause') return fold
      // The number of calls follows with `partition.degraded`, which older journals do not have.
      const paused = { topic, partition, offset, reason: 'paused', attempts: 0, since: record.at } as const
      return { ...fold, failing: [...fold.failing.filter(isOther(record.data)), paused] }
    }
    case 'handler.timed-out': {
      const { topic, partition } = record.data
      return { ...fold, overdue: [...fold.overdue.filter(isOther(record.data)), { topic, partition, reason: '' }] }
    }
    case 'partition.degraded': {
      const { forMs, ageMs, lag, ...failing } = record.data
      const others = fold.failing.filter(isOther(failing))
      return { ...fold, failing: [...others, { ...failing, since: record.at - forMs }] }
    }
    case 'partition.recovered':
      return { ...fold, failing: fold.failing.filter(isOther(record.data)) }
    case 'partition.stalled':
      return stalling(fold, record)
    case 'partition.resumed': {
      const isElse = isNotIn(record.data.partitions)
      // In an older journal this is the end of a policy's pause as well.
      const failing = fold.failing.filter((each) => each.attempts > 0 || isElse(each))
      return { ...fold, stalled: fold.stalled.filter(isElse), overdue: fold.overdue.filter(isElse), failing }
    }
    case 'stop.completed':
      return { ...owning(fold, {}), memberId: null, generation: null }
    case 'journal.failed':
      return { ...fold, journal: record.data.policy === 'degrade' ? 'degraded' : 'failed' }
    default:
      return fold
  }
}

function opened(fold: StatusFold, record: FactRecord): StatusFold {
  const { sessions } = fold.counts
  const next = {
    ...count(owning(fold, {}), { sessions: sessions + 1 }),
    memberId: null,
    generation: null,
    unmatched: [],
  }
  if (sessions === 0) return next
  const cause = fold.plan?.reason ?? record.plan?.reason ?? fold.lastFailure?.kind ?? 'unknown'
  return restarted(next, 'replacement', cause)
}

function proven(fold: StatusFold, record: FactRecord & { readonly type: 'rebuild.proven' }): StatusFold {
  // The machine forgets its plan with this very fact, so the one before it counts.
  const { kind, reason } = fold.plan ?? record.plan ?? { kind: 'in-place' as const, reason: 'unknown' }
  const { tookMs, gapMs } = record.data
  const next = {
    ...fold,
    lastHandover: { kind, reason, at: record.at, tookMs, gapMs },
    foreign: undefined,
    unreachableSince: undefined,
  }
  return kind === 'in-place' ? restarted(next, 'inPlace', reason) : next
}

function restarted(fold: StatusFold, kind: 'inPlace' | 'replacement', cause: string): StatusFold {
  const { restarts } = fold.counts
  const byCause = { ...restarts.byCause, [cause]: (restarts.byCause[cause] ?? 0) + 1 }
  return count(fold, { restarts: { ...restarts, [kind]: restarts[kind] + 1, byCause } })
}

const count = (fold: StatusFold, counts: Partial<Counts>): StatusFold => ({
  ...fold,
  counts: { ...fold.counts, ...counts },
})

function change(fold: StatusFold, verdict: keyof Counts['endpointChanges']): StatusFold {
  const { endpointChanges } = fold.counts
  return count(fold, { endpointChanges: { ...endpointChanges, [verdict]: endpointChanges[verdict] + 1 } })
}

function stalling(fold: StatusFold, { at, data }: RecordOf<'partition.stalled'>): StatusFold {
  const { partitions, reason, awayMs } = data
  const away = awayMs === undefined ? {} : { awaySince: at - awayMs }
  const isElse = isNotIn(partitions)
  const stalled = partitionsIn(partitions).map((each) => ({ ...each, reason, ...away }))
  const overdue = fold.overdue.map((each) => (isElse(each) ? each : { ...each, reason }))
  return { ...fold, stalled: [...fold.stalled.filter(isElse), ...stalled], overdue }
}

/** What is no longer owned is not stalled here, and is again when it comes back and its handler still has it. */
function owning(fold: StatusFold, assignment: PartitionsByTopic): StatusFold {
  const isElsewhere = isNotIn(assignment)
  const stalled = fold.stalled.filter((each) => !isElsewhere(each))
  const overdue = fold.overdue.filter((each) => !isElsewhere(each) && each.reason !== '')
  return { ...fold, assignment, stalled: [...stalled, ...overdue.filter(isNotIn(byTopic(stalled)))] }
}

function without(assignment: PartitionsByTopic, gone: PartitionsByTopic): PartitionsByTopic {
  const left = Object.entries(assignment).map(([topic, partitions]) => {
    return [topic, partitions.filter((partition) => !gone[topic]?.includes(partition))] as const
  })
  return Object.fromEntries(left.filter(([, partitions]) => partitions.length > 0))
}

const withoutNode = (fold: StatusFold, nodeId: number) => fold.refusedEndpoints.filter((each) => each.nodeId !== nodeId)

const isOther = ({ topic, partition }: TopicPartition) => isNotIn({ [topic]: [partition] })

const isNotIn = (partitions: PartitionsByTopic) => {
  const known = new Map(Object.entries(partitions).map(([topic, numbers]) => [topic, new Set(numbers)]))
  return ({ topic, partition }: TopicPartition): boolean => !known.get(topic)?.has(partition)
}
