/** A topic that is filled beforehand: so many messages of so many bytes, evenly over its partitions. */
import { randomBytes } from 'node:crypto'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'

export interface Filling {
  readonly topic: string
  readonly messages: number
  /** Bytes of each message's value. */
  readonly bytes: number
  /** Default 6. */
  readonly partitions?: number
}

/** About what a producer with Kafka's default `batch.size` of 16 KiB and some linger sends. */
const batchBytes = 32 * 1024
const sendsAtOnce = 6

/** Creates the topic, with one replica, and writes the messages through the listener that never moves. */
export async function fillTopic(cluster: KafkaCluster, filling: Filling): Promise<void> {
  const { topic, messages, bytes, partitions = 6 } = filling
  await cluster.createTopic(topic, { partitions, replication: 1 })
  const producer = cluster.kafka().producer({ allowAutoTopicCreation: false })
  await producer.connect()
  const perBatch = Math.max(1, Math.floor(batchBytes / bytes))
  // printable and not compressible by much, and free of the texts a front replaces
  const value = randomBytes(Math.ceil(bytes / 2))
    .toString('hex')
    .slice(0, bytes)
  let left = messages
  const next = (): { value: string; partition: number }[] => {
    const sets = Array.from({ length: partitions }, (_, partition) => {
      const count = Math.min(perBatch, left)
      left -= count
      return Array.from({ length: count }, () => ({ value, partition }))
    })
    return sets.flat()
  }
  const send = async () => {
    while (left > 0) await producer.send({ topic, acks: 1, messages: next() })
  }
  try {
    await Promise.all(Array.from({ length: sendsAtOnce }, send))
  } finally {
    await producer.disconnect()
  }
}
