/** A lane: one partition's way from the fetch to the handler, in order. It belongs to one consumer and outlives its sessions. */

import type { TopicPartition } from '../../machines/fact.ts'
import type { Batch, KafkaMessage } from '../kafkajs/consumer.ts'
import type { Backlog } from './backlog.ts'
import type { Progress } from './progress.ts'
import type { Tenure } from './tenure.ts'

/** A batch that waits to be handed out, and how far it has been. */
export interface Load {
  readonly batch: Batch
  readonly tenure: Tenure
  /** The offset it was fetched from: it holds everything of the log from there to its last offset. */
  readonly from: bigint
  /** Index of the next message. */
  next: number
}

/** What an object of a message takes beside its bytes, about. */
const messageBytes = 100

export class Lane {
  readonly topic: string
  readonly partition: number
  readonly progress: Progress
  /** Who wants it paused: the user, a handler that was given up, or the backlog. */
  readonly pausedBy = new Set<'user' | 'handler' | 'backlog'>()
  /** KafkaJS gave up its position: the next one is looked up anew. */
  outOfRange = false
  /** A handler of this lane is at work; also one of an earlier tenure that has not settled. */
  busy = false
  /** When a message was last handed out or handled, on the clock of `performance.now()`. */
  movedAt = 0
  private readonly backlog: Backlog
  private readonly loads: { readonly load: Load; readonly bytes: number }[] = []

  constructor({ topic, partition }: TopicPartition, progress: Progress, backlog: Backlog) {
    this.topic = topic
    this.partition = partition
    this.progress = progress
    this.backlog = backlog
  }

  get held(): boolean {
    return this.pausedBy.has('user') || this.pausedBy.has('handler')
  }

  /** Loads that wait or are at work. */
  get depth(): number {
    return this.loads.length
  }

  /** The load to work next, or at work. */
  get first(): Load | undefined {
    return this.loads[0]?.load
  }

  /** The next offset to fetch: behind what waits here, or the mark; undefined before the first position. */
  get position(): bigint | undefined {
    const last = this.loads.at(-1)
    return last ? BigInt(last.load.batch.lastOffset()) + 1n : this.progress.mark
  }

  put(load: Load): void {
    const bytes = load.batch.messages.reduce((sum, message) => sum + bytesOf(message), 0)
    this.loads.push({ load, bytes })
    this.backlog.add(bytes)
  }

  /** The first load is worked, or not wanted any more. */
  shift(): void {
    this.backlog.add(-(this.loads.shift()?.bytes ?? 0))
  }

  /** Forgets what was fetched: the position is the mark again. */
  clear(): void {
    while (this.loads.length > 0) this.shift()
  }

  /** Reading goes on at this offset; what was fetched before is forgotten. */
  seek(offset: bigint, tenure: Tenure, sameTo?: bigint): void {
    this.clear()
    this.progress.seek(offset, tenure, sameTo)
  }
}

const bytesOf = ({ key, value, headers = {} }: KafkaMessage): number => {
  const parts = Object.entries(headers).flatMap(([name, values]) => [name, ...[values ?? []].flat()])
  return parts.reduce((sum, part) => sum + part.length, messageBytes + (key?.length ?? 0) + (value?.length ?? 0))
}
