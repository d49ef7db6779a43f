/** The metrics of facts: what each fact adds to which. */

import type { Attributes } from '@opentelemetry/api'
import { partitionsIn } from '../../actors/delivery/dispatcher.ts'
import type { FactData, FactType } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { AnyRecord } from '../journal/journal.ts'
import type { Status } from '../views/status.ts'
import { ofGroup, ofTopic } from './attributes.ts'
import type { Instruments } from './instruments.ts'
import type { MetricKey } from './metrics.ts'

/** A measurement: the metric, attributes beside those of the group, and the value; 1 where none is given. */
type Measurement = readonly [MetricKey, Attributes?, number?]

/** What facts measure; `status` is the consumer's, and has counted the fact already. */
const measurements: {
  readonly [Type in FactType]?: (data: FactData[Type], status: () => Status) => readonly Measurement[]
} = {
  'cluster.moved': ({ reason }) => [['changes', { 'relisten.verdict': reason }]],
  'cluster.unreachable': () => [['changes', { 'relisten.verdict': 'unknown' }]],
  'cluster.refused': () => [['changes', { 'relisten.verdict': 'foreign' }]],
  'cluster.membership-changed': () => [['changes', { 'relisten.verdict': 'membership' }]],
  'link.reconnected': ({ soft }) => [['reconnects', { 'relisten.soft': soft }]],
  'session.opened': (_, status) => {
    const { counts, plan, lastFailure } = status()
    const cause = plan?.reason ?? lastFailure?.kind ?? 'unknown'
    return counts.sessions > 1 ? [['restarts', { 'relisten.kind': 'replacement', 'relisten.cause': cause }]] : []
  },
  'rebuild.proven': ({ tookMs, gapMs }, status) => {
    const { kind = 'in-place', reason = 'unknown' } = status().lastHandover ?? {}
    const how = { 'relisten.kind': kind, 'relisten.cause': reason }
    return [
      ...(kind === 'in-place' ? [['restarts', how] as const] : []),
      ['handover', how, tookMs / 1000],
      ['gap', how, gapMs / 1000],
    ]
  },
  'drain.completed': ({ tookMs, forced }) => [['drain', { 'relisten.forced': forced }, tookMs / 1000]],
  'retry.scheduled': () => [['retries']],
  'group.rebalancing': () => [['rebalances']],
  'member.evicted': () => [['evictions']],
  'member.lost': () => [['membersLost']],
  'offsets.salvaged': ({ partitions }) => [['salvaged', {}, partitions]],
  'batch.fenced': () => [['fenced', { 'relisten.kind': 'batch' }]],
  'result.fenced': () => [['fenced', { 'relisten.kind': 'result' }]],
  'offsets.lost': ({ topic, from, to, reason }) => [
    ['lost', { ...ofTopic(topic), 'relisten.cause': reason }, Number(BigInt(to) - BigInt(from))],
  ],
  'partition.stalled': ({ partitions }) => [['stalls', {}, partitionsIn(partitions).length]],
  'journal.failed': ({ policy }) => [['journalFailures', { 'relisten.policy': policy }]],
}

/** Measures a fact of a consumer of this group. */
export function measureFact(
  { write }: Instruments,
  groupId: string,
  { type, data }: AnyRecord,
  status: () => Status,
): void {
  const about = ofGroup(groupId)
  write('appends', 1, about)
  const { failure } = data as { readonly failure?: Failure }
  if (failure) write('failures', 1, { ...about, 'relisten.fact': type, 'error.type': failure.kind })
  const measure = measurements[type as FactType] as
    | ((data: object, status: () => Status) => readonly Measurement[])
    | undefined
  for (const [key, attributes, value = 1] of measure?.(data, status) ?? [])
    write(key, value, { ...about, ...attributes })
}
