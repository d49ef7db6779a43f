/** The reader of a session: what KafkaJS is told of single partitions, and what it knows of their leaders. It may have ended by itself. */

import type { TopicPartition } from '../../machines/fact.ts'
import type { Reader } from '../delivery/partition-queue.ts'
import type { KafkaJsConsumer } from '../kafkajs/consumer.ts'

export class KafkaJsReader implements Reader {
  private readonly kafka: KafkaJsConsumer
  private readonly wake: () => void

  /** `wake` lets nodes that had nothing to fetch look again. */
  constructor(kafka: KafkaJsConsumer, wake: () => void) {
    this.kafka = kafka
    this.wake = wake
  }

  pause({ topic, partition }: TopicPartition): void {
    ifRunning(() => this.kafka.consumer.pause([{ topic, partitions: [partition] }]))
  }

  resume({ topic, partition }: TopicPartition): void {
    ifRunning(() => this.kafka.consumer.resume([{ topic, partitions: [partition] }]))
    this.wake()
  }

  seek(where: TopicPartition, offset: string): void {
    ifRunning(() => this.kafka.consumer.seek({ ...where, offset }))
  }

  /** The leader of a partition as KafkaJS knows it; once it has ended, it knows none. */
  leaderOf({ topic, partition }: TopicPartition): number | undefined {
    return ifRunning(() => this.kafka.leaderOf(topic, partition))
  }
}

/** KafkaJS refuses these calls once it has ended. The dispatcher remembers them, and the next session begins with what it says. */
function ifRunning<Value>(call: () => Value): Value | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}
