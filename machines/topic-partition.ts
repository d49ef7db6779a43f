/** A partition of a topic, alone and among others. */

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Partitions by topic. */
export type PartitionsByTopic = Readonly<Record<string, readonly number[]>>

/** Partitions, gathered by topic. */
export function byTopic(partitions: Iterable<TopicPartition>): PartitionsByTopic {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known) known.push(partition)
    else topics.set(topic, [partition])
  }
  return Object.fromEntries(topics)
}

/** The name of a partition, as `topic/partition`. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`
