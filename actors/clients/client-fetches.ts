/**
 * The fetches of a client. Where a node no longer leads a partition, or is gone, KafkaJS would join its group again. It is told another replica
 * instead, as a broker does for readers in its rack (KIP-392), and fetches from the new leader in the next round. Errors that pass are "nothing new".
 */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { ConnectionError } from '../connection/connection.ts'
import { Streak } from '../connection/retry-pace.ts'
import { type FetchedPartition, readFetch } from '../protocol/fetch-answers.ts'
import { errorCodes, FrameWriter } from '../protocol/frames.ts'
import { maxWaitOf, readFetchRequest } from '../protocol/requests.ts'
import { sleep } from '../time/sleep.ts'
import type { Link } from '../wire/link.ts'
import type { Leaders } from './leaders.ts'

export interface ClientFetchesOptions {
  readonly leaders: Leaders
  readonly linkTo: (nodeId: number) => Link
  /** The nodes the client knows at least. */
  readonly told: ReadonlySet<number>
  /** The wire is there. */
  readonly signal: AbortSignal
}

/** The one version of Fetch that clients are told: the first in which a broker names another replica. */
const fetchVersion = 11
/** How much longer than the broker may wait an answer may take before its connection is suspected, in milliseconds. */
const slackMs = 250
/** The waits of rounds in a row that failed. */
const failedRounds = { baseMs: 20, capMs: 200 }

export class ClientFetches {
  private readonly options: ClientFetchesOptions
  private readonly failures = new Streak()

  constructor(options: ClientFetchesOptions) {
    this.options = options
  }

  async fetch(nodeId: number, request: Buffer): Promise<Buffer> {
    const { leaders, linkTo, told, signal } = this.options
    const asked = readFetchRequest(request)
    try {
      const frame = await linkTo(nodeId).send(request, maxWaitOf(request) + slackMs)
      const { stale, partitions } = readFetch(frame, fetchVersion, nodeId, (topic, partition) => {
        const leader = leaders.of({ topic, partition })
        return leader !== undefined && told.has(leader) ? leader : undefined
      })
      const isOut = partitions.some(({ errorCode }) => errorCode === errorCodes.offsetOutOfRange)
      if (stale || isOut) await this.lookUp(asked)
      else this.failures.succeeded()
      for (const each of partitions) this.judge(frame, nodeId, each)
      return frame
    } catch (error) {
      if (!(error instanceof ConnectionError) || signal.aborted) throw error
      await this.lookUp(asked)
      return this.redirected(asked, nodeId)
    }
  }

  /** What the look-up after a fetch says of its errors, written into its answer. */
  private judge(frame: Buffer, nodeId: number, { errorCode, errorAt, ...partition }: FetchedPartition): void {
    if (errorCode === errorCodes.none) return
    // A replica that follows may lag behind, so only the leader knows what is out of range.
    const isLag = errorCode === errorCodes.offsetOutOfRange && this.options.leaders.of(partition) !== nodeId
    if (isLag) frame.writeInt16BE(errorCodes.none, errorAt)
    if (this.isUntold(partition)) frame.writeInt16BE(errorCodes.notLeader, errorAt)
  }

  /** Whether its leader is a node that the client does not know: it has to look at the cluster again, and joins again for it. */
  private isUntold(partition: TopicPartition): boolean {
    const leader = this.options.leaders.of(partition) ?? -1
    return leader >= 0 && !this.options.told.has(leader)
  }

  /** "Nothing new" of these partitions, with the node to ask next. KafkaJS sends its heartbeats for what is listed, so all of them are. */
  private redirected(asked: readonly TopicPartition[], nodeId: number): Buffer {
    const answer = new FrameWriter().int32(0).int16(errorCodes.none).int32(0)
    const write = (each: TopicPartition & { readonly partition: number }) => {
      const leader = this.options.leaders.of(each) ?? -1
      const isUntold = this.isUntold(each)
      answer.int32(each.partition).int16(isUntold ? errorCodes.notLeader : errorCodes.none)
      answer.int64(-1n).int64(-1n).int64(-1n) // high watermark, last stable offset, start of the log
      answer.int32(-1) // aborted transactions
      answer.int32(isUntold || leader === nodeId ? -1 : leader)
      answer.int32(-1) // records
    }
    return answer.partitions(asked, write).answer()
  }

  /** Each round in a row that fails takes a little longer. */
  private async lookUp(asked: readonly TopicPartition[]): Promise<void> {
    this.failures.failed(failedRounds)
    const pause = sleep(this.failures.waitMs, this.options.signal)
    await this.options.leaders.lookUp(asked.map(({ topic }) => topic)).catch(() => {})
    await pause
  }
}
