/**
 * The truth about a topic: its log read again from the beginning, through the listener that never moves, by a stock KafkaJS
 * consumer in a group of its own. A producer's word is no truth: it reports writes that never happened.
 */
import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { until } from './until.ts'
import { contentOf } from './workload.ts'

/** One partition's log: its first offset, and from there on the workload's number and the time of each message. */
export interface PartitionLog {
  readonly low: number
  readonly sequences: readonly number[]
  /** When its leader appended each message, milliseconds since the epoch; see `stampOnAppend`. */
  readonly appendedAt: readonly number[]
}

export type Log = ReadonlyMap<number, PartitionLog>

/** First offset and end (exclusive) of a partition's log. */
export interface Extent {
  readonly low: number
  readonly high: number
}

/** Configuration of a topic whose leaders stamp messages when they append them: so the log tells for how long it could not grow. */
export const stampedOnAppend = { 'message.timestamp.type': 'LogAppendTime' }

/** The same for a topic that is there already; it loses what else was configured for it. */
export async function stampOnAppend(kafka: Kafka, topic: string): Promise<void> {
  const TOPIC = 2
  const configEntries = Object.entries(stampedOnAppend).map(([name, value]) => ({ name, value }))
  const admin = kafka.admin()
  await admin.connect()
  try {
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC, name: topic, configEntries }] })
  } finally {
    await admin.disconnect()
  }
}

/** Where each partition's log begins and ends now. */
export async function extents(kafka: Kafka, topic: string): Promise<Map<number, Extent>> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const offsets = await admin.fetchTopicOffsets(topic)
    return new Map(offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]))
  } finally {
    await admin.disconnect()
  }
}

/** Reads the whole log. Throws when an offset between the ends cannot be read. */
export async function readLog(kafka: Kafka, topic: string): Promise<Log> {
  const ends = await extents(kafka, topic)
  const log = new Map(
    [...ends].map(([partition, { low }]) => [
      partition,
      { low, sequences: [] as number[], appendedAt: [] as number[] },
    ]),
  )
  if ([...ends.values()].every(({ low, high }) => low === high)) return log

  const consumer = kafka.consumer({ groupId: `truth-${randomUUID()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: ends.size,
      eachBatch: async ({ batch }) => {
        const read = log.get(batch.partition)
        if (read === undefined) return
        for (const { offset, value, timestamp } of batch.messages) {
          read.sequences[Number(offset) - read.low] = contentOf(value).sequence
          read.appendedAt[Number(offset) - read.low] = Number(timestamp)
        }
      },
    })
    await until(() => unread(ends, log), { deadlineMs: 60_000, everyMs: 50 })
  } finally {
    await consumer.disconnect()
  }
  return log
}

function unread(ends: ReadonlyMap<number, Extent>, log: Log): string | undefined {
  for (const [partition, { low, high }] of ends) {
    const sequences = log.get(partition)?.sequences ?? []
    if (sequences.length < high - low)
      return `offsets ${low + sequences.length} to ${high - 1} of partition ${partition}`
    // a hole has no own index, so it is not found by its value
    const hole = Array.from(sequences).indexOf(undefined as never)
    if (hole >= 0 && hole < high - low) return `offset ${low + hole} of partition ${partition}`
  }
  return undefined
}
