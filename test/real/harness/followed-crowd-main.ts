/** The inside of a crowd: a process with many clients of KafkaJS on `follow`. Once they are disconnected nobody ends it. */
import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer } from 'kafkajs'
import { type DialMessage, type Followed, follow, type PollMessage } from '../../../src/index.ts'
import { obey, tellParent } from '../../process/parent.ts'
import type { FromCrowd, ToCrowd } from './followed-crowd.ts'
import { type TimerWatch, watchTimer } from './timer-watch.ts'
import { contentOf } from './workload.ts'

const KAFKAS = 10
const MAX_WAIT_MS = 250
const ASK_EACH_MS = 250

let endpoints: string[] = []
const stop = new AbortController()
let timer: TimerWatch
let asking: Promise<void>
let followed: Followed[]
let clients: (Admin | Consumer)[]

process.on('warning', (warning) => send({ kind: 'wrong', text: String(warning) }))
subscribe('relisten:poll', (message) =>
  send({ kind: 'polled', at: Date.now(), reason: (message as PollMessage).reason }),
)
subscribe('relisten:dial', (message) =>
  send({ kind: 'dialled', at: Date.now(), reason: (message as DialMessage).reason }),
)

obey(async (message: ToCrowd) => {
  if (message.kind === 'brokers') endpoints = message.brokers
  if (message.kind === 'start') await start(message).catch((error) => send({ kind: 'wrong', text: String(error) }))
  if (message.kind === 'end') await end()
})

const send = (message: FromCrowd): void => void tellParent(message)

async function start({ topic, groupIds }: Extract<ToCrowd, { kind: 'start' }>): Promise<void> {
  const options = { clientId: 'crowd', brokers: async () => endpoints, logLevel: kafkajs.logLevel.NOTHING }
  const shared = follow(options, { logger: false })
  // A service calls it once; libraries in it that each call it for themselves share as much.
  const configs = Array.from({ length: KAFKAS }, (_, index) =>
    index % 2 === 0 ? shared : follow(options, { logger: false }),
  )
  followed = [...new Set(configs.map((config) => config.followed))]
  const [first, ...others] = configs.map((config) => new kafkajs.Kafka(config)) as [kafkajs.Kafka, ...kafkajs.Kafka[]]
  const admin = first.admin()
  const consumers = [first, first, ...others].map((kafka, index) => consumerOf(kafka, groupIds[index] as string))
  clients = [admin, ...consumers]
  await Promise.all([admin.connect(), ...consumers.map((consumer) => consume(consumer, topic))])
  timer = watchTimer()
  asking = keepAsking(admin, topic, groupIds)
}

function consumerOf(kafka: kafkajs.Kafka, groupId: string) {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: MAX_WAIT_MS })
  consumer.on(consumer.events.GROUP_JOIN, () => send({ kind: 'joined', groupId }))
  consumer.on(consumer.events.CRASH, ({ payload }) =>
    send({ kind: 'wrong', text: `${groupId}: ${payload.error.stack}` }),
  )
  return Object.assign(consumer, { groupId })
}

async function consume(consumer: ReturnType<typeof consumerOf>, topic: string): Promise<void> {
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message: { offset, value } }) => {
      const content = contentOf(value)
      const handed = { member: consumer.groupId, partition, offset: Number(offset), ...content, at: Date.now() }
      send({ kind: 'handed', handed })
    },
  })
}

/** What an operator's tool asks, again and again. */
async function keepAsking(admin: Admin, topic: string, groupIds: readonly string[]): Promise<void> {
  while (!stop.signal.aborted) {
    try {
      const [topics, { brokers }, { groups }, ...offsets] = await Promise.all([
        admin.listTopics(),
        admin.describeCluster(),
        admin.describeGroups([...groupIds]),
        ...groupIds.map((groupId) => admin.fetchOffsets({ groupId, topics: [topic] })),
      ])
      const states = groups.filter(({ state }) => state === 'Stable')
      const isRight = topics.includes(topic) && brokers.length === 3 && offsets.every(([each]) => each?.topic === topic)
      if (!isRight || states.length !== groupIds.length)
        throw new Error(`An answer of the admin: ${JSON.stringify(groups)}`)
      send({ kind: 'answered' })
    } catch (error) {
      send({ kind: 'wrong', text: String(error) })
    }
    await pause(ASK_EACH_MS, undefined, { signal: stop.signal }).catch(() => {})
  }
}

async function end(): Promise<void> {
  stop.abort()
  timer.stop()
  await asking
  const startedAt = performance.now()
  await Promise.all(clients.map((client) => client.disconnect()))
  const tookMs = performance.now() - startedAt
  const states = followed.map((each) => each.status().state)
  await tellParent<FromCrowd>({ kind: 'left', states, tookMs, timerLateMs: timer.worstMs })
  // Left alone, it ends when no socket and no timer is left.
  process.removeAllListeners('disconnect')
  process.disconnect()
}
