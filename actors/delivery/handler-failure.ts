/**
 * The failure of a handler: the message that it fails for, how often it was tried in this assignment, and since when. Where it lasts, or a policy
 * has paused the partition, the partition is told as degraded, at once and then now and again, until it goes on.
 */

import type { Fact } from '../../machines/fact.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { KafkaMessage } from '../kafkajs/consumer.ts'
import type { Assignment } from './assignment.ts'

export interface HandlerFailureOptions {
  readonly partition: TopicPartition
  readonly assignment: Assignment
  /** The first message that is not handled. */
  readonly message: KafkaMessage
  /** Where the log ended when it was last fetched. */
  readonly fetchedEnd: () => bigint
  /** Where it ends now; undefined where nobody can say. */
  readonly end: () => Promise<bigint | undefined>
  readonly emit: (fact: Fact) => void
}

/** So many tries, or so long, make a partition degraded. */
const triesUntilDegraded = 10
const degradedAfterMs = 60_000
/** It is told again each time so long has passed, in milliseconds. */
const toldEachMs = 600_000

export class HandlerFailure {
  readonly offset: string
  readonly assignment: Assignment
  /** Calls that have failed. */
  attempts = 0
  /** What the newest of them threw. */
  error: unknown
  /** Calls of the handler and of its policy that led to no end: the next one waits as long as they say. */
  rounds = 0
  /** The policy was asked, and could not decide. */
  isUndecided = false
  private reason: 'retrying' | 'paused' = 'retrying'
  private isTold = false
  private isAssigned = true
  private readonly since = performance.now()
  private readonly options: HandlerFailureOptions
  private timer: NodeJS.Timeout | undefined

  constructor(options: HandlerFailureOptions) {
    this.options = options
    this.offset = options.message.offset
    this.assignment = options.assignment
  }

  /** Whether it is one for this message in this assignment. */
  isOf({ offset }: KafkaMessage, assignment: Assignment): boolean {
    return offset === this.offset && assignment === this.assignment
  }

  /** A call of the handler has failed. */
  tried(error: unknown): void {
    this.error = error
    this.attempts++
    this.isUndecided = false
    this.timer ??= setTimeout(() => this.tell(), degradedAfterMs)
    this.again()
  }

  /** The policy was asked, and could not decide: it is asked again. */
  asked(): void {
    this.isUndecided = true
    this.again()
  }

  /** The policy has paused the partition. */
  paused(): void {
    this.reason = 'paused'
    this.tell()
  }

  /** The assignment ends, and with it what is told. */
  rest(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.isAssigned = false
  }

  /** It goes on in the next assignment, as its policy has paused the partition. */
  goOn(): void {
    this.isAssigned = true
    this.tell()
  }

  /** The partition goes on. */
  end(): void {
    this.rest()
    const { topic, partition } = this.options.partition
    if (this.isTold) this.options.emit({ type: 'partition.recovered', topic, partition })
  }

  private again(): void {
    this.rounds++
    if (this.rounds === triesUntilDegraded && !this.isTold) this.tell()
  }

  /** What is at the end of the log by now is not fetched while the partition waits. */
  private async tellAgain(timer = this.timer): Promise<void> {
    const end = await this.options.end().catch(() => undefined)
    if (this.timer === timer) this.tell(end)
  }

  private tell(end = this.options.fetchedEnd()): void {
    if (!this.isAssigned) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.tellAgain(), toldEachMs)
    this.isTold = true
    const { message, emit } = this.options
    const { topic, partition } = this.options.partition
    const { offset, attempts, reason } = this
    const forMs = Math.round(performance.now() - this.since)
    const ageMs = Math.max(0, Date.now() - Number(message.timestamp))
    const lag = Math.max(0, Number(end - BigInt(offset)))
    emit({ type: 'partition.degraded', topic, partition, offset, reason, attempts, forMs, ageMs, lag })
  }
}
