/** Log ends: where the logs of the assigned partitions end, by their fetches; where nothing is fetched, by asking their leaders. */

import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import type { LogOffsets } from '../wire/log-offsets.ts'
import type { FetchRecord } from './fetch-record.ts'

export interface LogEndsOptions {
  readonly fetched: Pick<FetchRecord, 'of'>
  readonly log: Pick<LogOffsets, 'edges'>
  readonly assigned: () => readonly TopicPartition[]
}

/** An end that is older is asked for, and leaders are asked at most this often, in milliseconds. */
const staleAfterMs = 10_000

export class LogEnds {
  private readonly options: LogEndsOptions
  /** What leaders said, and when, on the clock of `performance.now()`. */
  private readonly answers = new Map<string, { readonly end: bigint; readonly at: number }>()
  private askedAt = Number.NEGATIVE_INFINITY

  constructor(options: LogEndsOptions) {
    this.options = options
  }

  /** The end of the log as this consumer may read it, as it was last known; undefined while it is not. */
  of(partition: TopicPartition): bigint | undefined {
    const fetched = this.options.fetched.of(partition)
    const asked = this.answers.get(partitionKey(partition))
    if (asked && asked.at > (fetched?.at ?? 0)) return asked.end
    return fetched && fetched.end >= 0n ? fetched.end : undefined
  }

  /** Asks for the ends of partitions that are not fetched, as they are paused or held up: one request per leader each 10 s at most. */
  refresh(): void {
    const { fetched, log, assigned } = this.options
    const now = performance.now()
    if (now - this.askedAt < staleAfterMs) return
    const stale = assigned().filter((each) => now - (fetched.of(each)?.at ?? 0) > staleAfterMs)
    if (stale.length === 0) return
    this.askedAt = now
    for (const [index, answer] of log.edges(stale, 'end').entries()) {
      const where = stale[index]
      const note = ({ offset }: { offset: bigint }) =>
        where && this.answers.set(partitionKey(where), { end: offset, at: performance.now() })
      // A leader that does not answer now is asked again.
      answer.then(note, () => {})
    }
  }
}
