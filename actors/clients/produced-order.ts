/** The order of what producers write: requests to one partition, over whichever connection, one after the other; and what else they share. */

import type { TopicPartition } from '../../machines/fact.ts'

export class ProducedOrder {
  /** Batches that were sent again although they may have been written: of plain producers each of them may be there twice. */
  repeated = 0
  private readonly last = new Map<string, Promise<void>>()
  private readonly fenced = new Set<bigint>()

  /** Resolves when all requests before this one to any of these partitions are over, with the function that ends this one. */
  async enter(partitions: readonly TopicPartition[]): Promise<() => void> {
    const keys = partitions.map(({ topic, partition }) => `${topic}/${partition}`)
    const before = keys.map((key) => this.last.get(key))
    let end = () => {}
    const mine = new Promise<void>((resolve) => {
      end = resolve
    })
    for (const key of keys) this.last.set(key, mine)
    await Promise.all(before)
    return () => {
      end()
      for (const key of keys) if (this.last.get(key) === mine) this.last.delete(key)
    }
  }

  noteRepeated(count: number): void {
    this.repeated += count
  }

  /** A request of this producer has ended unknown: its sequence has a hole, and nothing of it is sent any more. */
  fence(producerId: bigint): void {
    this.fenced.add(producerId)
  }

  isFenced(producerId: bigint): boolean {
    return this.fenced.has(producerId)
  }
}
