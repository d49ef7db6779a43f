/** Calls of a consumer, checked: what they are given, and those that KafkaJS has and this consumer has not. */

import { callError } from './error.ts'

/** Throws `invalid-call` for what is no list of partitions by topic. */
export function checkPartitions(call: 'pause' | 'resume', given: unknown): void {
  const next = `write \`consumer.${call}([{ topic: 'orders', partitions: [0] }])\`, or leave \`partitions\` out for the whole topic.`
  if (!Array.isArray(given)) throw callError(`Expected a list of topics for \`${call}\``, next)
  for (const each of given) {
    const { topic, partitions } = (each ?? {}) as { topic?: unknown; partitions?: unknown }
    if (typeof topic !== 'string' || topic === '')
      throw callError(`Expected \`topic\` of \`${call}\` to be a non-empty string`, next)
    if (partitions !== undefined && !(Array.isArray(partitions) && partitions.every(isPartition)))
      throw callError(`Expected \`partitions\` of \`${call}\` to be a list of partition numbers`, next)
  }
}

/** Throws `invalid-call` for what is no position: `next` says what to write instead. */
export function checkPosition(call: 'seek' | 'commit', given: unknown, next: string): void {
  const { topic, partition, offset } = (given ?? {}) as { topic?: unknown; partition?: unknown; offset?: unknown }
  if (typeof topic !== 'string' || topic === '')
    throw callError(`Expected \`topic\` of \`${call}\` to be a non-empty string`, next)
  if (!isPartition(partition)) throw callError(`Expected \`partition\` of \`${call}\` to be a partition number`, next)
  if (typeof offset === 'string' && /^\d+$/.test(offset)) return
  throw callError(`Expected \`offset\` of \`${call}\` to be a decimal string, got \`${String(offset)}\``, next)
}

const isPartition = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0

/** Calls of KafkaJS's consumer, and what is done here instead. */
const elsewhere: Readonly<Record<string, string>> = {
  connect: 'call `start()`: it connects, subscribes and joins the group.',
  disconnect: 'call `stop()`: handlers settle, what they did is committed, the group is left.',
  subscribe: 'pass `topics` and `fromBeginning` to `createConsumer`.',
  run: 'pass `eachMessage` or `eachBatch` to `createConsumer`, and call `start()`.',
  commitOffsets: 'call `commit(offsets)`: each offset is the next one to read, as in KafkaJS.',
  paused: 'read `status().paused`.',
  describeGroup: "use an admin client of KafkaJS's.",
  logger: 'pass `logger` to `createConsumer`.',
}

/** Gives this class the calls that people bring along from KafkaJS: each throws `invalid-call`, and says what to call. */
export function refuseKafkaJsCalls(prototype: object): void {
  for (const [name, next] of Object.entries(elsewhere)) {
    const value = () => {
      throw callError(`There is no \`${name}()\` here, as in KafkaJS`, next)
    }
    Object.defineProperty(prototype, name, { value, configurable: true })
  }
}
