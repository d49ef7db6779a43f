/**
 * The commits of a session: the marks of its partitions, under its member and generation, one request at a time. A commit
 * that failed is a fact and comes again with the next one.
 */

import { backoffMs } from '../../machines/backoff.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import { writeCommitMetadata } from '../protocol/commit-metadata.ts'
import { errorCodes } from '../protocol/frames.ts'
import { sleep } from '../time/sleep.ts'
import type { Topics } from '../topics/topics.ts'
import type { Membership } from './membership.ts'

export interface CommitsOptions {
  readonly epoch: number
  readonly dispatcher: Dispatcher
  readonly membership: Membership
  readonly topics: Topics
  readonly emit: (fact: Fact) => void
}

/** What is committed of a queue: its mark, and how often that had been set anew. */
interface Mark {
  readonly queue: PartitionQueue
  readonly offset: bigint
  readonly seeks: number
}

/** Errors that mean a rebalance or a lost member: the membership reports those. */
const groupChanges: ReadonlySet<number> = new Set([
  errorCodes.illegalGeneration,
  errorCodes.unknownMemberId,
  errorCodes.rebalanceInProgress,
])

/** How often the commit of an offset reset is tried before it is read without it, how long each may take, and the wait between, in milliseconds. */
const resetAttempts = 5
const resetWithinMs = 2000
const resetPace = { floorMs: 50, baseMs: 200, capMs: 2000 }

export class Commits {
  private readonly options: CommitsOptions
  private underWay: Promise<void> | undefined
  private refusal: number | undefined

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
      await this.commitAll(resetWithinMs)
      if (progress.uncommitted === undefined || attempt === resetAttempts) return
      await sleep(backoffMs(attempt, resetPace, Math.random()), assignment.closing)
    }
  }

  private async commitNow(withinMs: number): Promise<void> {
    const { dispatcher, membership, emit, epoch } = this.options
    // The fence: marks of another assignment are no business of this member and generation.
    const { assignment } = dispatcher
    if (assignment?.epoch !== epoch || assignment.generation !== membership.generation || !membership.joined) return
    const queues = dispatcher.uncommitted().map((queue): Mark => {
      return { queue, offset: queue.progress.uncommitted ?? 0n, seeks: queue.progress.seeks }
    })
    if (queues.length === 0) return
    const topics = [...new Set(queues.map(({ queue }) => queue.topic))]
    const ordered = topics.flatMap((topic) => queues.filter(({ queue }) => queue.topic === topic))
    try {
      const offsets = topics.map((topic) => {
        return {
          topic,
          partitions: ordered.filter(({ queue }) => queue.topic === topic).map((mark) => this.offsetOf(mark)),
        }
      })
      const codes = await membership.commit(offsets, withinMs)
      for (const [index, { queue, offset, seeks }] of ordered.entries()) {
        // A request that was sent again after its connection broke may be refused although the first one was applied, and for whatever reason:
        // a topic of which the coordinator knows nothing yet, a right that was taken away meanwhile.
        queue.progress.committed(offset, codes[index] === errorCodes.none, seeks)
      }
      this.noteRefusal(codes.find((code) => code !== errorCodes.none))
    } catch (error) {
      // Nobody knows whether it was applied: the marks stay valid for either outcome.
      for (const { queue, offset, seeks } of ordered) queue.progress.committed(offset, false, seeks)
      emit({ type: 'commit.failed', epoch, failure: fromKafkaJs(error) })
    }
  }

  private offsetOf({ queue: { topic, partition, progress }, offset }: Mark) {
    const origin = this.options.topics.originOf(topic)
    const metadata = origin && { topicId: origin.id, partitions: origin.atFirst, leaderEpoch: progress.leaderEpoch }
    return { partition, offset: `${offset}`, metadata: metadata ? writeCommitMetadata(metadata) : null }
  }

  /** A commit the coordinator refused, told once until one is accepted. */
  private noteRefusal(code: number | undefined): void {
    // Stryker disable next-line ConditionalExpression: no code at all is none of the group's changes
    if (code === this.refusal || (code !== undefined && groupChanges.has(code))) return
    this.refusal = code
    if (code === undefined) return
    const denied = code === errorCodes.topicAuthorizationFailed || code === errorCodes.groupAuthorizationFailed
    const failure: Failure = {
      kind: denied ? 'not-authorized' : 'group-refused',
      message: `The coordinator refused a commit with Kafka's error ${code}`,
      code: `${code}`,
    }
    this.options.emit({ type: 'commit.failed', epoch: this.options.epoch, failure })
  }
}
