/**
 * What a client makes of its idempotent producers: the sequence it comes to next in each partition, and what it was told last of each. KafkaJS
 * counts when it writes, and takes all of a request back when that fails. A batch from before where it is has been acknowledged: something above
 * the wire made its `send` fail all the same, and it is sent again.
 */

import { partitionKey } from '../../machines/topic-partition.ts'
import { errorCodes } from '../protocol/frames.ts'
import type { ProducedPartition, ProducedResult } from '../protocol/produce.ts'

/** Batches that are remembered for each partition: those that a broker would know as well. */
const mostBatches = 5
/** Producers with a partition that are remembered; of those that have written nothing for longest the oldest is forgotten. */
const mostPartitions = 10_000

interface Acknowledged {
  readonly sequence: number
  readonly count: number
  readonly result: ProducedResult
}

interface Count {
  next: number
  acknowledged: readonly Acknowledged[]
}

export class ClientSequences {
  private readonly counts = new Map<string, Count>()

  /** A batch has come from the client. What was told of it, where that is known already. */
  take(batch: ProducedPartition): ProducedResult | undefined {
    if (batch.producerId < 0n) return undefined
    const key = keyOf(batch)
    const count = this.counts.get(key) ?? { next: batch.sequence, acknowledged: [] }
    this.counts.delete(key)
    this.counts.set(key, count)
    if (this.counts.size > mostPartitions) this.counts.delete(this.counts.keys().next().value as string)
    const isBefore = batch.sequence < count.next
    const known = isBefore ? count.acknowledged.find((each) => isSame(each, batch)) : undefined
    if (!known) count.next += batch.count
    return known?.result
  }

  /** A transaction ends: none of its batches is sent again, and what bears their numbers from now on is another one. */
  endTransaction({ producerId, producerEpoch }: Pick<ProducedPartition, 'producerId' | 'producerEpoch'>): void {
    for (const [key, count] of this.counts)
      if (key.startsWith(`${producerId}/${producerEpoch}/`)) count.acknowledged = []
  }

  /** What the client is told of a request. Where any partition failed it takes back all of them. */
  settle(batches: readonly ProducedPartition[], results: readonly ProducedResult[]): void {
    if (batches.every(({ producerId }) => producerId < 0n)) return
    const hasFailed = results.some(({ errorCode }) => errorCode !== errorCodes.none)
    const told = new Map(results.map((result) => [partitionKey(result), result]))
    for (const batch of batches) {
      const count = this.counts.get(keyOf(batch))
      if (!count) continue
      const result = told.get(partitionKey(batch))
      if (hasFailed || !result) count.next -= batch.count
      else if (!count.acknowledged.some((each) => isSame(each, batch)))
        count.acknowledged = [...count.acknowledged, { ...numbersOf(batch), result }].slice(-mostBatches)
    }
  }
}

const numbersOf = ({ sequence, count }: ProducedPartition) => ({ sequence, count })
const isSame = (one: Acknowledged, other: ProducedPartition) =>
  one.sequence === other.sequence && one.count === other.count
const keyOf = (batch: ProducedPartition): string => `${batch.producerId}/${batch.producerEpoch}/${partitionKey(batch)}`
