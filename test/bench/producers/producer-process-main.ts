/** The inside of a producer's process: it sends as it is told, and reports what became of it. */
import { setTimeout as pause } from 'node:timers/promises'
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import { follow } from '../../../src/index.ts'
import { obey, Questions, tellParent } from '../../process/parent.ts'
import { quantile } from '../statistics.ts'
import {
  BATCH,
  type Burst,
  type BurstReading,
  type Connect,
  type FromProducer,
  type NodeProducer,
  type Send,
  type Sent,
  type Stream,
  type ToProducer,
} from './producer-process.ts'

const kafkajs =
  (wrap: (config: KafkaConfig) => KafkaConfig, idempotent: boolean): Connect =>
  async (brokers, list) => {
    const config = wrap({ clientId: 'producer', brokers: list ?? brokers, logLevel: logLevel.NOTHING })
    const producer = new Kafka(config).producer({ allowAutoTopicCreation: false, idempotent })
    await producer.connect()
    return (topic, messages) => producer.send({ topic, messages })
  }
const followed = (config: KafkaConfig) => follow(config, { logger: false })
const plain = (config: KafkaConfig) => config

// each client is imported only where it is measured
const clients: Record<NodeProducer, () => Promise<Connect>> = {
  kafkajs: async () => kafkajs(plain, false),
  'kafkajs-idempotent': async () => kafkajs(plain, true),
  followed: async () => kafkajs(followed, false),
  'followed-idempotent': async () => kafkajs(followed, true),
  platformatic: async () => (await import('../clients/platformatic-producer.ts')).connectPlatformatic,
}

const KEYS = 12
const questions = new Questions<string[]>()
let send: Send = async () => {
  throw new Error('It is not connected')
}
let isOver = false
const underWay = new Set<Promise<void>>()
// what a client throws where nobody can catch it is no end of its stream
process.on('uncaughtException', () => {})
process.on('unhandledRejection', () => {})

obey(async (message: ToProducer) => {
  if (message.kind === 'brokers') return questions.answered(message.question, [...message.answer])
  const answer = await answerTo(message).catch((error: Error) => ({ error: String(error) }))
  await tell({ kind: 'answer', ...answer })
})

async function answerTo(message: Exclude<ToProducer, { kind: 'brokers' }>): Promise<{ reading?: BurstReading }> {
  if (message.kind === 'burst') return { reading: await burst(message.burst) }
  if (message.kind === 'connect') await connect(message.list)
  if (message.kind === 'stream') void stream(message.stream)
  if (message.kind === 'stop') {
    isOver = true
    await Promise.all(underWay)
  }
  return {}
}

const tell = (message: FromProducer) => tellParent(message)

async function connect(list: readonly string[] | undefined): Promise<void> {
  const made = await clients[process.argv[2] as NodeProducer]()
  const ask = () => questions.ask((question) => void tell({ kind: 'brokers', question }))
  send = await made(ask, list && [...list])
}

async function burst({ topic, bytes, batch, forMs, pace }: Burst): Promise<BurstReading> {
  const value = 'x'.repeat(bytes)
  const messages = () => Array.from({ length: batch }, () => ({ value }))
  const times: number[] = []
  const before = process.cpuUsage()
  const from = performance.now()
  const sendOne = async () => {
    const at = performance.now()
    await send(topic, messages())
    times.push(performance.now() - at)
  }
  const isIn = () => performance.now() - from < forMs
  if ('atOnce' in pace) {
    const worker = async () => {
      while (isIn()) await sendOne()
    }
    await Promise.all(Array.from({ length: pace.atOnce }, worker))
  } else {
    const sends: Promise<void>[] = []
    for (let due = from; isIn(); due += 1000 / pace.perSecond) {
      const ahead = due - performance.now()
      if (ahead > 0) await pause(ahead)
      sends.push(sendOne())
    }
    await Promise.all(sends)
  }
  const tookMs = performance.now() - from
  const { user, system } = process.cpuUsage(before)
  const sent = times.length * batch
  return {
    perSecond: sent / (tookMs / 1000),
    medianMs: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    cpuMs: (user + system) / sent,
  }
}

async function stream({ topic, everyMs }: Stream): Promise<void> {
  let number = 0
  for (let due = performance.now(); !isOver; due += everyMs) {
    const ahead = due - performance.now()
    if (ahead > 0) await pause(ahead)
    const sent: Sent = { first: number, at: Date.now() }
    // half with a key, half without
    const messages = Array.from({ length: BATCH }, () => {
      const value = String(number++)
      return { value, ...(number % 2 ? { key: `k${number % KEYS}` } : {}) }
    })
    void tell({ kind: 'begun', sent })
    const sending = send(topic, messages).then(
      () => {},
      (error: unknown) => {
        sent.error = String(error)
      },
    )
    const whole = sending.then(async () => {
      sent.endedAt = Date.now()
      underWay.delete(whole)
      await tell({ kind: 'ended', sent })
    })
    underWay.add(whole)
  }
}
