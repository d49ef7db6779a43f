/** A member that reads one topic and produces to another in transactions, with KafkaJS as its users write it; and what became of the messages. */
import kafkajs from 'kafkajs'
import { type FollowConfig, follow } from '../../../src/index.ts'
import { Reader, request, text } from '../../cluster/broker-request.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { until, within } from './until.ts'

export interface TransformingOptions {
  readonly from: string
  /** Has as many partitions: each message goes into the one it came from. */
  readonly to: string
}

/** What was read and what was produced: the values of each partition, in order. */
export interface Transformed {
  readonly read: readonly (readonly string[])[]
  readonly produced: readonly (readonly string[])[]
  /** What transactions failed with. */
  readonly failures: readonly string[]
}

export interface Transforming extends AsyncDisposable {
  /** Resolves when so many more messages went through committed transactions. */
  passed(count: number): Promise<void>
  /** The member dies between the offsets and the end of a transaction, as when its process is killed, and another one takes its place. */
  crash(): Promise<void>
  /** Ends the member when it has read everything, and reads both topics. What it reads from must not grow any more. */
  finish(): Promise<Transformed>
}

/** The least that brokers allow: a member that has died stays in its group for so long. */
const sessionTimeout = 6000
const LIST_OFFSETS = 2

/** Group and transactional id are those of the topic it produces to. */
export async function startTransforming(
  cluster: KafkaCluster,
  config: () => FollowConfig,
  { from, to }: TransformingOptions,
): Promise<Transforming> {
  const failures: string[] = []
  let passed = 0
  let dies: (() => Promise<never>) | undefined

  const start = async () => {
    const { followed, ...ours } = follow(config(), { logger: false })
    const kafka = new kafkajs.Kafka(ours)
    const producer = kafka.producer({ idempotent: true, transactionalId: to, maxInFlightRequests: 1 })
    const consumer = kafka.consumer({ groupId: to, sessionTimeout, maxWaitTimeInMs: 100 })
    let isAlive = true
    await producer.connect()
    // ends what a predecessor has left open, else its offsets would be waited for until its transaction times out
    await (await producer.transaction()).abort()
    await consumer.connect()
    await consumer.subscribe({ topic: from, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { partition, messages } }) => {
        const transaction = await producer.transaction()
        try {
          await transaction.send({ topic: to, messages: messages.map(({ key, value }) => ({ partition, key, value })) })
          const offset = String(Number(messages.at(-1)?.offset) + 1)
          const topics = [{ topic: from, partitions: [{ partition, offset }] }]
          await transaction.sendOffsets({ consumerGroupId: to, topics })
          await dies?.()
          await transaction.commit()
          passed += messages.length
        } catch (error) {
          if (isAlive) failures.push(String(error))
          if (isAlive) await transaction.abort()
          throw error
        }
      },
    })
    return {
      async stop() {
        await within(20_000, 'The end of the member', Promise.all([consumer.disconnect(), producer.disconnect()]))
        await followed.close()
      },
      async kill() {
        isAlive = false
        await followed.close()
        void Promise.all([consumer.disconnect(), producer.disconnect()]).catch(() => {})
      },
    }
  }
  let member = await start()
  let isOver = false

  return {
    async passed(count) {
      const enough = passed + count
      await until(() => (passed < enough ? `${enough - passed} messages` : undefined), { deadlineMs: 60_000 })
    },
    async crash() {
      const died = new Promise<void>((resolve) => {
        dies = async () => {
          dies = undefined
          await member.kill()
          resolve()
          throw new Error('killed')
        }
      })
      await within(30_000, 'A transaction to die in', died)
      member = await start()
    },
    async finish() {
      const read = await committedValues(cluster, from)
      // the marks of where it ends go through too
      const count = read.flat().length + read.length
      await until(() => (passed < count ? `${count - passed} of ${count} messages` : undefined), { deadlineMs: 60_000 })
      isOver = true
      await member.stop()
      return { read, produced: await committedValues(cluster, to), failures }
    },
    async [Symbol.asyncDispose]() {
      if (!isOver) await member.kill()
    },
  }
}

const END = 'end of '

/**
 * The committed values of each partition, in order; rejects where a transaction is still open after 10 s. A message of our own marks where they
 * end: what is behind the last one may be markers, or aborted.
 */
export async function committedValues(cluster: KafkaCluster, topic: string): Promise<string[][]> {
  await until(() => openIn(cluster, topic), { deadlineMs: 10_000 })
  const kafka = cluster.kafka()
  const admin = kafka.admin()
  await admin.connect()
  const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition }) => partition)
  await admin.disconnect()
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  await producer.send({ topic, messages: partitions.map((partition) => ({ partition, value: `${END}${topic}` })) })
  await producer.disconnect()
  // By offset: a reader that joins its group again begins again.
  const values = partitions.map(() => new Map<number, string>())
  const consumer = kafka.consumer({ groupId: `read-${topic}-${Date.now()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message: { offset, value } }) => {
      values[partition]?.set(Number(offset), String(value))
    },
  })
  const missing = () => values.findIndex((each) => [...each.values()].at(-1) !== `${END}${topic}`)
  await until(() => (missing() >= 0 ? `the end of ${topic}/${missing()}` : undefined), { deadlineMs: 30_000 })
  await consumer.disconnect()
  return values.map((each) => [...each.values()].filter((value) => !value.startsWith(END)))
}

/** Says which partition has a transaction open: its last stable offset is not its end. */
async function openIn(cluster: KafkaCluster, topic: string): Promise<string | undefined> {
  for (const [partition, leader] of await cluster.leaders(topic)) {
    const endpoint = cluster.internal[cluster.nodeIds.indexOf(leader)] ?? ''
    const [end, stable] = await Promise.all([0, 1].map((isolation) => endOf(endpoint, topic, partition, isolation)))
    if (end !== stable) return `the end of a transaction in ${topic}/${partition}: stable up to ${stable} of ${end}`
  }
  return undefined
}

/** Where the log ends (isolation level 0), or is stable (1). */
async function endOf(endpoint: string, topic: string, partition: number, isolation: number): Promise<number> {
  const body = Buffer.alloc(5)
  body.writeInt32BE(-1)
  body.writeInt8(isolation, 4)
  const place = Buffer.alloc(4 + 4 + 8)
  place.writeInt32BE(1)
  place.writeInt32BE(partition, 4)
  place.writeBigInt64BE(-1n, 8)
  const one = Buffer.from([0, 0, 0, 1])
  const asked = Buffer.concat([body, one, text(topic), place])
  const answer = new Reader(await request(endpoint, { apiKey: LIST_OFFSETS, version: 2, body: asked }))
  answer.int32() // throttle
  const [offsets = []] = answer.array(() => {
    answer.text()
    return answer.array(() => {
      answer.int32() // partition
      const error = answer.int16()
      if (error !== 0) throw new Error(`The end of ${topic}/${partition} gave error ${error}`)
      for (let skipped = 0; skipped < 3; skipped++) answer.int32() // time, upper half of the offset
      return answer.int32()
    })
  })
  return offsets[0] ?? Number.NaN
}
