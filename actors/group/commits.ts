/**
 * The commits of a session: the marks of its partitions and the offsets that the user names, under its member and generation, one request at a
 * time. A commit of marks that failed is a fact and comes again with the next one; of one that was named, its caller is told.
 */

import { backoffMs } from '../../machines/backoff.ts'
import type { Fact } from '../../machines/fact.ts'
import { ConnectionError } from '../connection/connection.ts'
import type { Assignment } from '../delivery/assignment.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import { writeCommitMetadata } from '../protocol/commit-metadata.ts'
import { errorCodes } from '../protocol/frames.ts'
import { sleep } from '../time/sleep.ts'
import type { Topics } from '../topics/topics.ts'
import { CommitRejection, goneRejection, type NamedOffset, rangeRejection, refusalOf } from './commit-rejection.ts'
import type { Membership } from './membership.ts'

export interface CommitsOptions {
  readonly epoch: number
  readonly dispatcher: Dispatcher
  readonly membership: Membership
  readonly topics: Topics
  readonly emit: (fact: Fact) => void
}

/** What is committed of a queue: its mark, or an offset that was named; and how often the mark had been set anew. */
interface Entry {
  readonly queue: PartitionQueue
  readonly offset: bigint
  readonly seeks: number
  readonly metadata?: string | null | undefined
  /** The calls that named it; none for a mark. */
  readonly calls: readonly NamedCall[]
}

/** One offset of one call, until it is settled. */
interface NamedCall {
  readonly named: NamedOffset
  readonly queue: PartitionQueue
  readonly assignment: Assignment
  readonly seeks: number
  outcome: 'acknowledged' | Error | undefined
}

/** Errors that mean a rebalance or a lost member: the membership reports those. */
const groupChanges: ReadonlySet<number> = new Set([
  errorCodes.illegalGeneration,
  errorCodes.unknownMemberId,
  errorCodes.rebalanceInProgress,
  errorCodes.fencedInstanceId,
])

/**
 * How often the commit of an offset reset is tried before it is read without it, or that of a named offset before its caller is told; how long each
 * may take, and the wait between, in milliseconds.
 */
const attempts = 5
const attemptWithinMs = 2000
const attemptPace = { floorMs: 50, baseMs: 200, capMs: 2000 }

export class Commits {
  private readonly options: CommitsOptions
  private underWay: Promise<void> | undefined
  private refusal: number | undefined
  /** Offsets that were named and are not settled, in the order of the calls. */
  private readonly named = new Set<NamedCall>()
  /** The next commit holds marks too. */
  private wantsMarks = false
  private lastError = new ConnectionError({ kind: 'unreachable', message: 'No coordinator answered the commit' })

  constructor(options: CommitsOptions) {
    this.options = options
  }

  /** Commits what was handled and not committed yet; joins the commit that is under way. Never rejects. */
  commit(withinMs: number): Promise<void> {
    this.underWay ??= this.commitNow(withinMs).finally(() => {
      this.underWay = undefined
    })
    return this.underWay
  }

  /** Commits everything handled until now: what an earlier commit under way does not hold, too. */
  async commitAll(withinMs: number): Promise<void> {
    await this.underWay
    await this.commit(withinMs)
  }

  /**
   * Commits the position of an offset reset, until the group knows it. Durable before it is read: the next owner would otherwise begin at a later
   * end, and miss what came between. Partitions that ask meanwhile share the next commit.
   */
  async commitReset({ progress }: PartitionQueue): Promise<void> {
    const { assignment } = this.options.dispatcher
    for (let attempt = 1; assignment?.open; attempt++) {
      await this.commitAll(attemptWithinMs)
      if (progress.uncommitted === undefined || attempt === attempts) return
      await sleep(backoffMs(attempt, attemptPace, Math.random()), assignment.closing)
    }
  }

  /** Commits the marks, also where they are not committed by themselves. */
  async commitMarks(withinMs: number): Promise<void> {
    this.wantsMarks = true
    await this.commitAll(withinMs)
  }

  /**
   * Commits these offsets. Resolves when the group knows them all; rejects with a CommitRejection, or a ConnectionError where no coordinator
   * answered, or it refused.
   */
  async commitOffsets(offsets: readonly NamedOffset[]): Promise<void> {
    const calls = offsets.map((named) => this.callOf(named))
    for (const call of calls) this.named.add(call)
    const left = () => calls.find(({ outcome }) => outcome === undefined)
    for (let attempt = 1; left(); attempt++) {
      await this.commitAll(attemptWithinMs)
      if (!left()) break
      if (attempt === attempts) this.settle(calls, this.lastError)
      else await sleep(backoffMs(attempt, attemptPace, Math.random()))
    }
    for (const { outcome } of calls) if (outcome !== 'acknowledged') throw outcome
  }

  /** Throws a CommitRejection where it can't be committed. */
  private callOf(named: NamedOffset): NamedCall {
    const { dispatcher } = this.options
    const { assignment } = dispatcher
    if (!assignment?.has(named) || !this.isOurs(assignment)) throw goneRejection(dispatcher, named)
    const queue = dispatcher.queueOf(named)
    const call: NamedCall = { named, queue, assignment, seeks: queue.progress.seeks, outcome: undefined }
    const rejection = this.rejectionOf(call)
    if (rejection) throw rejection
    // What another call has named and is under way is committed as well, unless the user has sought since.
    for (const other of this.named) {
      if (other.queue === queue && other.seeks === call.seeks && other.named.offset > named.offset)
        throw new CommitRejection('out-of-range', named, `${other.named.offset} is being committed`)
    }
    return call
  }

  /** The fence: of another assignment nothing is any business of this member and generation. */
  private isOurs(assignment: Assignment | undefined): assignment is Assignment {
    const { membership, epoch } = this.options
    return assignment?.epoch === epoch && assignment.generation === membership.generation && membership.joined
  }

  private rejectionOf({ named, queue, assignment }: NamedCall): CommitRejection | undefined {
    const { dispatcher } = this.options
    if (assignment !== dispatcher.assignment || !this.isOurs(assignment)) return goneRejection(dispatcher, named)
    return rangeRejection(queue, dispatcher.isPlaced(queue), named)
  }

  private async commitNow(withinMs: number): Promise<void> {
    const { membership, emit, epoch } = this.options
    const entries = [...this.namedEntries(), ...this.marks()]
    if (entries.length === 0) return
    const topics = [...new Set(entries.map(({ queue }) => queue.topic))]
    const ordered = topics.flatMap((topic) => entries.filter(({ queue }) => queue.topic === topic))
    const hasMarks = entries.some(({ calls }) => calls.length === 0)
    try {
      const offsets = topics.map((topic) => {
        return {
          topic,
          partitions: ordered.filter(({ queue }) => queue.topic === topic).map((entry) => this.offsetOf(entry)),
        }
      })
      const codes = await membership.commit(offsets, withinMs)
      for (const [index, { queue, offset, seeks, calls }] of ordered.entries()) {
        // A request that was sent again after its connection broke may be refused although the first one was applied, and for whatever reason:
        // a topic of which the coordinator knows nothing yet, a right that was taken away meanwhile.
        queue.progress.committed(offset, codes[index] === errorCodes.none, seeks)
        this.settle(calls, this.outcomeOf(codes[index], calls))
      }
      const ofMarks = codes.filter((_, index) => ordered[index]?.calls.length === 0)
      if (hasMarks) this.noteRefusal(ofMarks.find((code) => code !== errorCodes.none))
    } catch (error) {
      // Nobody knows whether it was applied: the marks stay valid for either outcome. What was named comes again.
      for (const { queue, offset, seeks } of ordered) queue.progress.committed(offset, false, seeks)
      const failure = fromKafkaJs(error)
      this.lastError = new ConnectionError(failure)
      if (hasMarks) emit({ type: 'commit.failed', epoch, failure })
    }
  }

  /** The newest of what was named of each queue. What can't be committed any more is told its callers. */
  private namedEntries(): Entry[] {
    const byQueue = new Map<PartitionQueue, NamedCall[]>()
    for (const call of this.named) {
      const rejection = this.rejectionOf(call)
      if (rejection) this.settle([call], rejection)
      else byQueue.set(call.queue, [...(byQueue.get(call.queue) ?? []), call])
    }
    return [...byQueue].flatMap(([queue, calls]) => {
      const newest = calls.at(-1)
      return newest
        ? { queue, offset: newest.named.offset, metadata: newest.named.metadata, seeks: newest.seeks, calls }
        : []
    })
  }

  private marks(): Entry[] {
    const { dispatcher } = this.options
    const { wantsMarks } = this
    this.wantsMarks = false
    if (!(dispatcher.commitsMarks || wantsMarks) || !this.isOurs(dispatcher.assignment)) return []
    const isNamed = new Set([...this.named].map(({ queue }) => queue))
    const queues = dispatcher.uncommitted().filter((queue) => !isNamed.has(queue))
    return queues.map((queue) => {
      return { queue, offset: queue.progress.uncommitted ?? 0n, seeks: queue.progress.seeks, calls: [] }
    })
  }

  private settle(calls: readonly NamedCall[], outcome: NamedCall['outcome']): void {
    for (const call of calls) {
      call.outcome ??= outcome
      if (call.outcome) this.named.delete(call)
    }
  }

  private outcomeOf(code: number | undefined, [call]: readonly NamedCall[]): NamedCall['outcome'] {
    if (code === errorCodes.none) return 'acknowledged'
    if (!call) return undefined
    if (code !== undefined && groupChanges.has(code)) {
      return new CommitRejection('fenced', call.named, 'the group has begun another generation, or another member')
    }
    this.lastError = new ConnectionError(refusalOf(code))
    // Else it may pass: the coordinator knows nothing of a topic yet.
    return refusalOf(code).kind === 'not-authorized' ? this.lastError : undefined
  }

  private offsetOf({ queue: { topic, partition, progress }, offset, metadata }: Entry) {
    const origin = this.options.topics.originOf(topic)
    const own = origin && { topicId: origin.id, partitions: origin.atFirst, leaderEpoch: progress.leaderEpoch }
    return { partition, offset: `${offset}`, metadata: metadata ?? (own ? writeCommitMetadata(own) : null) }
  }

  /** A commit the coordinator refused, told once until one is accepted. */
  private noteRefusal(code: number | undefined): void {
    // Stryker disable next-line ConditionalExpression: no code at all is none of the group's changes
    if (code === this.refusal || (code !== undefined && groupChanges.has(code))) return
    this.refusal = code
    if (code === undefined) return
    this.options.emit({ type: 'commit.failed', epoch: this.options.epoch, failure: refusalOf(code) })
  }
}
