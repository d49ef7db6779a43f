// A user who sends: with a stock producer of KafkaJS's, at some rate, one message or many, until it is told to end.

import type { Kafka, Partitioners, Producer, ProducerRecord } from 'kafkajs'
import type { Life } from '../life.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'

export interface SenderOptions {
  readonly isIdempotent: boolean
  readonly acks: number
  /** Of each `send`, drawn from these, in milliseconds. */
  readonly timeouts: readonly number[]
  /** So many `send`s at once. */
  readonly concurrency: number
  /** A `send` begins at this distance, on average, in milliseconds. */
  readonly eachMs: number
  /** Messages of one `send` at most. */
  readonly most: number
  readonly keying: 'keyed' | 'keyless' | 'all partitions'
  /** How old what KafkaJS knows of topics may be, in milliseconds; its default is longer than a seed. */
  readonly metadataMaxAge: number
}

export function chooseSender(random: Random, more: Random): SenderOptions {
  const isIdempotent = random.chance(0.5)
  return {
    isIdempotent,
    acks: isIdempotent ? -1 : random.pick([-1, -1, 1]),
    timeouts: random.pick([[30_000], [30_000, 3000], [2000, 1200], [3000, 500]]),
    concurrency: random.pick([1, 3, 8]),
    eachMs: random.pick([40, 80, 160]),
    most: random.pick([1, 4, 12]),
    keying: random.pick(['keyed', 'keyless', 'all partitions']),
    metadataMaxAge: more.pick([300_000, 300_000, 300_000, 1000]),
  }
}

/** A broker knows the producer by another epoch, or its wire has given its id up: it takes a new id to go on. */
const fencedCodes: ReadonlySet<unknown> = new Set([45, 47, 59])

const retryMs = 100

export class Sender {
  readonly name: string
  readonly options: SenderOptions
  private readonly world: World
  private readonly life: Life
  private readonly kafka: Kafka
  private readonly random: Random
  private producer: Producer | undefined
  private count = 0
  private underWay = 0
  private isEnding = false
  private isFenced = false
  private turn: number
  /** The number of partitions, by topic, when it connected: of what is for others KafkaJS knows nothing, drops it and says that it is sent. */
  private known = new Map<string, number>()

  constructor(world: World, life: Life, name: string, kafka: Kafka, options: SenderOptions, random: Random) {
    this.world = world
    this.life = life
    this.name = name
    this.kafka = kafka
    this.options = options
    this.random = random
    this.turn = random.below(100)
  }

  /** Sends until it is told to end, and once more. Resolves with whether the last one was acknowledged, which it tries until `isLate`. */
  async run(isLate: () => boolean): Promise<boolean> {
    await this.connect(isLate)
    const { eachMs, concurrency } = this.options
    while (!this.isEnding) {
      if (this.isFenced && this.underWay === 0) await this.connect(isLate)
      else if (!this.isFenced && this.underWay < concurrency) void this.send()
      await this.pause(eachMs * (0.2 + 1.6 * this.random.next()))
    }
    while (this.underWay > 0 && !isLate()) await this.pause(retryMs)
    let isAcknowledged = false
    while (!isAcknowledged && !isLate()) {
      if (this.isFenced) await this.connect(isLate)
      isAcknowledged = await this.send('all partitions')
      if (!isAcknowledged) await this.pause(retryMs)
    }
    return isAcknowledged
  }

  /** The one that begins next is the last. */
  end(): void {
    this.isEnding = true
  }

  async disconnect(): Promise<void> {
    await this.producer?.disconnect()
  }

  /** Where it has a producer already it takes another one, with an id of its own. */
  private async connect(isLate: () => boolean): Promise<void> {
    const { isIdempotent, metadataMaxAge } = this.options
    await this.disconnect()
    this.isFenced = false
    this.known = new Map(this.world.kafka.topics.map(({ name, partitions }) => [name, partitions.length]))
    while (!isLate()) {
      this.producer = this.kafka.producer({
        ...{ idempotent: isIdempotent, metadataMaxAge, allowAutoTopicCreation: false },
        createPartitioner: () => (args) => this.partitionOf(args),
      })
      try {
        return await this.producer.connect()
      } catch {
        this.world.reached('a producer could not connect')
        await this.disconnect()
        await this.pause(retryMs)
      }
    }
  }

  private async send(keying = this.options.keying): Promise<boolean> {
    const { acks, timeouts } = this.options
    const { world, random } = this
    const ids: string[] = []
    const topics = random.chance(0.7) ? world.kafka.topics.slice(0, 1) : world.kafka.topics
    const topicMessages = topics.map(({ name }) => ({
      topic: name,
      messages: this.messages(keying, this.known.get(name) ?? 0, ids),
    }))
    const timeout = random.pick(timeouts)
    this.underWay++
    try {
      await this.producer?.sendBatch({ acks, timeout, topicMessages })
      world.see({ type: 'send-ended', ids, isAcknowledged: true, isRetriable: false, error: '' })
      return true
    } catch (error) {
      const { retriable = false, message, code, cause } = error as Error & { retriable?: boolean; code?: number }
      world.reached('a send was rejected')
      if (fencedCodes.has(code) || fencedCodes.has((cause as { code?: number })?.code)) this.isFenced = true
      world.see({ type: 'send-ended', ids, isAcknowledged: false, isRetriable: retriable, error: message })
      return false
    } finally {
      this.underWay--
    }
  }

  private messages(keying: SenderOptions['keying'], partitions: number, ids: string[]): ProducerRecord['messages'] {
    const { random } = this
    const count = keying === 'all partitions' ? partitions : random.between(1, this.options.most)
    return Array.from({ length: count }, (_, index) => {
      const id = `${this.name}-${++this.count}`
      ids.push(id)
      // KafkaJS would take the simulated time, which has fractions of milliseconds.
      const message = { value: `${id} ${'x'.repeat(random.below(40))}`, timestamp: '0' }
      if (keying === 'all partitions') return { ...message, partition: index }
      return { ...message, key: keying === 'keyed' ? `key-${random.below(9)}` : null }
    })
  }

  /** As KafkaJS's own does it, but for the start of its round, which is drawn by chance there. */
  private partitionOf({
    message,
    partitionMetadata,
  }: Parameters<ReturnType<typeof Partitioners.DefaultPartitioner>>[0]) {
    if (message.partition !== null && message.partition !== undefined) return message.partition
    const count = partitionMetadata.length
    if (message.key === null || message.key === undefined) return this.turn++ % count
    return [...String(message.key)].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % count
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.clock.plan(ms, resolve, this.life))
  }
}
