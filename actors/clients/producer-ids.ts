/**
 * The ids under which idempotent producers write, and their sequences. KafkaJS takes all sequences of a request back when one of its partitions
 * fails: it numbers later messages like ones that are in the log, and the broker acknowledges them as duplicates. So batches are numbered here, by
 * what became of those before; where that can't be known, the producer goes on under a new id.
 */

import { partitionKey } from '../../machines/topic-partition.ts'
import { checksum } from '../kafkajs/calls.ts'
import type { ProducedPartition } from '../protocol/produce.ts'
import { renumbered } from '../protocol/record-batch.ts'

/** An id that a broker has given, with its epoch. */
export interface ProducerId {
  readonly id: bigint
  readonly epoch: number
}

/** How one producer writes, until it is not known any more what it has written. */
export class Writing {
  /** Nothing can be written under this id any more. */
  isOver = false
  private readonly producer: ProducerId
  /** The sequence of the next message of each partition. */
  private readonly next = new Map<string, number>()

  constructor(producer: ProducerId) {
    this.producer = producer
  }

  /** The batch as it has to go out. */
  numbered<Batch extends ProducedPartition>(batch: Batch): Batch {
    const sequence = this.next.get(partitionKey(batch)) ?? (this.isOf(batch) ? batch.sequence : 0)
    if (this.isOf(batch) && sequence === batch.sequence) return batch
    const numbers = { producerId: this.producer.id, producerEpoch: this.producer.epoch, sequence }
    return { ...batch, ...numbers, records: renumbered(batch.records, numbers, checksum) }
  }

  /** The batch is in the log. */
  wrote(batch: ProducedPartition): void {
    this.next.set(partitionKey(batch), (batch.sequence + batch.count) % sequences)
  }

  /** The batch is not in the log, and will not be. */
  refused(batch: ProducedPartition): void {
    this.next.set(partitionKey(batch), batch.sequence)
  }

  private isOf({ producerId, producerEpoch }: ProducedPartition): boolean {
    return producerId === this.producer.id && producerEpoch === this.producer.epoch
  }
}

/** Behind the last sequence comes 0. */
const sequences = 2 ** 31
/** Producers that are remembered; of those that have written nothing for longest the oldest is forgotten. */
const mostProducers = 1000

export class ProducerIds {
  private readonly create: () => Promise<ProducerId>
  /** By the id and epoch that KafkaJS knows. */
  private readonly known = new Map<string, Writing>()
  private readonly renewals = new Map<string, Promise<Writing>>()

  /** `create` asks a broker for a new id, and rejects with a ConnectionError where none gives one. */
  constructor(create: () => Promise<ProducerId>) {
    this.create = create
  }

  /** How the producer of this batch writes; once that is over, it needs another id. */
  writingOf(batch: ProducedPartition): Writing {
    const key = producerOf(batch)
    const writing = this.known.get(key) ?? new Writing({ id: batch.producerId, epoch: batch.producerEpoch })
    this.remember(key, writing)
    return writing
  }

  /** The same under a new id. Rejects with a ConnectionError where no broker gives one. */
  async renewed(batch: ProducedPartition): Promise<Writing> {
    const key = producerOf(batch)
    const renewal =
      this.renewals.get(key) ??
      this.create()
        .then((producer) => new Writing(producer))
        .finally(() => this.renewals.delete(key))
    this.renewals.set(key, renewal)
    const writing = await renewal
    this.remember(key, writing)
    return writing
  }

  private remember(key: string, writing: Writing): void {
    this.known.delete(key)
    this.known.set(key, writing)
    if (this.known.size > mostProducers) this.known.delete(this.known.keys().next().value as string)
  }
}

const producerOf = ({ producerId, producerEpoch }: ProducedPartition): string => `${producerId}/${producerEpoch}`
