/** How far an execution is, and what became of it: steps that are over, and bytes by the replicas' own sizes. */

import type { Step } from '../../machines/balancer/plan.ts'
import type { FactData } from '../../machines/fact.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { CarriedStep } from './carried-step.ts'

export type EndReason = NonNullable<FactData['execution.ended']['reason']>

export interface Execution {
  readonly moved: number
  readonly failed: number
  /** Why it ended before its last step. */
  readonly reason?: EndReason
}

export interface ExecutionProgress {
  /** Steps that have not begun. */
  readonly waiting: number
  /** Partitions whose steps are under way, and the broker that each goes to. */
  readonly underWay: readonly (TopicPartition & { readonly to: number })[]
  /** Steps that were done. */
  readonly done: number
  /** Steps that were not done, cancelled ones among them, and those that will not begin. */
  readonly failed: number
  /** Bytes copied so far, and in all. */
  readonly bytes: { readonly copied: number; readonly total: number }
  /** The time left, by the pace of the copies so far, in milliseconds; null while there is none. */
  readonly leftMs: number | null
}

export class Tally {
  done = 0
  failed = 0
  private copied = 0
  private readonly total: number
  private readonly beganAt = performance.now()

  constructor(steps: readonly Step[]) {
    this.total = steps.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** A step is over. Returns the bytes that it has copied. */
  count({ step: { bytes }, copiedBytes }: CarriedStep, isDone: boolean): number {
    if (isDone) this.done++
    else this.failed++
    // Where it was too quick to be measured, it was what was planned.
    const copied = isDone ? Math.max(bytes, copiedBytes) : copiedBytes
    this.copied += copied
    return copied
  }

  progress(waiting: readonly Step[], underWay: readonly CarriedStep[]): ExecutionProgress {
    const copied = underWay.reduce((sum, { copiedBytes }) => sum + copiedBytes, this.copied)
    const larger = underWay.reduce((sum, { step, copiedBytes }) => sum + Math.max(0, copiedBytes - step.bytes), 0)
    const total = Math.max(copied, this.total + larger)
    const tookMs = performance.now() - this.beganAt
    return {
      ...{ waiting: waiting.length, done: this.done, failed: this.failed },
      underWay: underWay.map(({ step: { topic, partition, to } }) => ({ topic, partition, to })),
      bytes: { copied, total },
      leftMs: copied === 0 ? null : Math.round((tookMs * (total - copied)) / copied),
    }
  }
}
