// A microservice of NestJS and its client on `follow`: requests and events are under way while all brokers move.
import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  type ClientKafka,
  ClientsModule,
  EventPattern,
  type KafkaOptions,
  MessagePattern,
  Transport,
} from '@nestjs/microservices'
import kafkajs, { type Consumer } from 'kafkajs'
import { lastValueFrom, merge } from 'rxjs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { type Front, startFront } from '../cluster/front.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { setAfter } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { readLog } from './harness/ground-truth.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'
import { contentOf } from './harness/workload.ts'

const cluster = sharedCluster({ bindFixed: true })

/** Requests in a round, and as many events. */
const AT_ONCE = 50
/** The rounds: how long after the requests begin the brokers move, in milliseconds. */
const rounds = form([0, 20, 40, 150], [0, 0, 5, 5, 10, 10, 20, 20, 40, 40, 80, 80, 150, 150, 300, 300])

/** How often each number came. */
type Times = Map<number, number>
const count = (times: Times, number: number) => times.set(number, (times.get(number) ?? 0) + 1)

// What a break leaves unacknowledged is sent again; the broker recognizes it where the producers are idempotent, else it may be there twice and is counted.
test.each([{ idempotent: false }, { idempotent: true }])(
  'each request is answered and each event handled while all brokers move, and no client of NestJS starts again, with producers that are idempotent: $idempotent',
  async ({ idempotent }) => {
    await using front = await startFront(cluster())
    await using shop = await startShop(cluster(), front, idempotent)
    for (const [round, afterMs] of rounds.entries()) {
      const work = [shop.ask(AT_ONCE), shop.tell(AT_ONCE)]
      await pause(afterMs)
      const { unanswered } = shop
      await front.move(setAfter(front), { close: round % 2 === 0 ? 'fin' : 'rst' })
      if (afterMs === 0) expect(unanswered).toBe(AT_ONCE)
      await within(30_000, `The answers and events of round ${round}`, Promise.all(work))
    }
    expect(shop.followed.status().counts.moves).toBeGreaterThanOrEqual(rounds.length)
    expect(shop.wrong).toEqual([])
    expect(shop.changes).toEqual([])

    const { asked, replied, told } = await shop.logs()
    expect({ asked: shop.asked, told: shop.told }).toEqual({ asked, told })
    for (const times of [asked, replied, told]) expect(times.size).toBe(rounds.length * AT_ONCE)
    expect(shop.emitted.toSorted()).toEqual([...told.keys()].toSorted())
    // Nest sends each message by itself, so a batch that may be there twice is one of them.
    const twice = [asked, told].reduce((count, times) => count + sum(times) - times.size, 0)
    console.info({ idempotent, twice, repeated: shop.followed.status().repeated })
    expect(twice).toBeLessThanOrEqual(shop.followed.status().repeated)
    if (idempotent) for (const times of [asked, replied, told]) expect(new Set(times.values())).toEqual(new Set([1]))
  },
)

/** A service with a request handler and an event handler, and a client of it, all on one `follow`. */
async function startShop(cluster: KafkaCluster, front: Front, idempotent: boolean) {
  const id = randomUUID().slice(0, 8)
  const topics = { asked: `price-${id}`, replied: `price-${id}.reply`, told: `placed-${id}` }
  for (const topic of Object.values(topics)) await cluster.createTopic(topic, { partitions: 3 })
  const asked: Times = new Map()
  const told: Times = new Map()
  const numberOf = (text: string) => contentOf(Buffer.from(text)).sequence

  const client = follow({ clientId: 'shop', brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING })
  const kafka: KafkaOptions = {
    transport: Transport.KAFKA,
    options: {
      client,
      consumer: { groupId: id, maxWaitTimeInMs: 250 },
      subscribe: { fromBeginning: true },
      producer: { idempotent },
    },
  }

  @Controller()
  class Orders {
    @MessagePattern(topics.asked)
    async price(text: string): Promise<string> {
      count(asked, numberOf(text))
      await pause(2)
      return text
    }

    @EventPattern(topics.told)
    async placed(text: string): Promise<void> {
      count(told, numberOf(text))
      await pause(2)
    }
  }

  @Module({ imports: [ClientsModule.register([{ name: 'SHOP', ...kafka }])], controllers: [Orders] })
  class Shop {}

  const service = await NestFactory.createMicroservice(Shop, { ...kafka, logger: false })
  const shop = service.get<ClientKafka>('SHOP')
  shop.subscribeToResponseOf(topics.asked)
  await within(60_000, 'The start of the service', service.listen())
  await within(60_000, 'The start of its client', shop.connect())
  const [, consumer] = service.unwrap<[unknown, Consumer]>()
  const changes: string[] = []
  for (const each of [consumer, shop.consumer as unknown as Consumer]) noteChanges(each, changes)
  const statuses = merge(service.status, shop.status).subscribe((status) => {
    if (status !== 'connected') changes.push(`Nest: ${status}`)
  })
  const wrong: { readonly question: string; readonly answer: string }[] = []
  let unanswered = 0
  let sequence = 0
  const texts = (number: number) => Array.from({ length: number }, () => `${sequence++} ${Date.now()}`)

  const emitted: number[] = []
  const emit = async (event: string) => {
    await lastValueFrom(shop.emit(topics.told, event)).then(
      () => emitted.push(numberOf(event)),
      (error) => wrong.push({ question: event, answer: String(error) }),
    )
  }

  const ask = async (question: string) => {
    unanswered += 1
    const answer = await lastValueFrom(shop.send<string>(topics.asked, question)).catch(String)
    unanswered -= 1
    if (answer !== question) wrong.push({ question, answer })
  }

  return {
    ...{ followed: client.followed, changes, wrong, asked, told },
    /** The numbers of events that were acknowledged. */
    emitted,
    /** How many requests wait for their answer. */
    get unanswered() {
      return unanswered
    },
    /** Sends so many requests at once; resolves when all are answered. */
    ask: async (number: number) => void (await Promise.all(texts(number).map(ask))),
    /** Sends so many events at once; resolves when all are handled. */
    async tell(number: number) {
      const events = texts(number)
      await Promise.all(events.map(emit))
      const missing = () => events.filter((event) => !told.has(numberOf(event))).length
      await until(() => (missing() > 0 ? `${missing()} events` : undefined))
    },
    /** What the logs hold, once the service has handled it. */
    async logs() {
      const requests = await timesIn(topics.asked)
      const events = await timesIn(topics.told)
      const missing = () => sum(requests) + sum(events) - sum(asked) - sum(told)
      await until(() => (missing() > 0 ? `${missing()} messages of the logs` : undefined))
      return { asked: requests, replied: await timesIn(topics.replied), told: events }
    },
    async [Symbol.asyncDispose]() {
      statuses.unsubscribe()
      await within(20_000, 'The end of the service', service.close())
    },
  }
}

const sum = (times: Times): number => [...times.values()].reduce((whole, each) => whole + each, 0)

async function timesIn(topic: string): Promise<Times> {
  const times: Times = new Map()
  for (const { sequences } of (await readLog(cluster().kafka(), topic)).values())
    for (const each of sequences) count(times, each)
  return times
}

/** Notes what a consumer goes through beside consuming. */
function noteChanges(consumer: Consumer, changes: string[]): void {
  const { GROUP_JOIN, REBALANCING, CRASH, STOP, DISCONNECT } = consumer.events
  for (const event of [GROUP_JOIN, REBALANCING, CRASH, STOP, DISCONNECT] as const)
    consumer.on(event, ({ payload }) => changes.push(`${event} ${JSON.stringify(payload)}`))
}
