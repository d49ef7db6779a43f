/** Reads AutoMQ's topic of metrics with a consumer, which follows its brokers. Of a group's members one has all partitions; it commits nothing. */

import { metricsTopic } from '../../actors/balancer/auto-mq-record.ts'
import type { MetricListener, MetricReader } from '../../actors/balancer/auto-mq-sampler.ts'
import { oneReader } from '../../actors/balancer/one-reader.ts'
import { within } from '../../actors/time/deadline.ts'
import { deferred } from '../../actors/time/deferred.ts'
import { sleep } from '../../actors/time/sleep.ts'
import { messageOf } from '../../machines/failure.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Consumer } from '../consumer.ts'
import { connectBrokers } from '../doctor/connections.ts'
import type { RelistenError } from '../error.ts'
import { createConsumer } from '../lifecycle-consumer.ts'
import type { ConsumerOptions } from '../options/consumer-options.ts'
import { resolveOptions } from '../options/options.ts'
import type { EachBatchPayload } from '../options/payload.ts'
import { leadersOf, offsetsAt } from '../tail/range.ts'

export interface MetricReaderOptions {
  /** How it connects, and the group of balancers that take turns. */
  readonly consumer: Pick<ConsumerOptions, 'brokers' | 'groupId'> &
    Partial<Omit<ConsumerOptions, 'topics' | 'eachMessage' | 'eachBatch'>>
  /** Whoever takes over reads back so far, in milliseconds. Default 180,000. */
  readonly readBackMs?: number
}

const usualReadBackMs = 180_000
/** Another one reads after this time where the one that read was killed, in milliseconds. */
const takeOverMs = 10_000
/** How long the brokers may take to say where a past time is in the topic, in milliseconds; without it reading begins at the end. */
const lookUpMs = 5000
/** Where the topic is missing, or reading has failed, the next try comes after this time, in milliseconds. */
const againMs = 5000

export function metricReader(options: MetricReaderOptions): MetricReader {
  return new ConsumedMetrics(options)
}

class ConsumedMetrics implements MetricReader {
  private readonly options: MetricReaderOptions
  private readonly consumed: ConsumerOptions
  private consumer: Consumer | undefined
  private listener: MetricListener | undefined
  private readonly stopping = new AbortController()
  private running: Promise<void> = Promise.resolve()
  private isMissing = false
  /** It had the partitions when it last heard of an assignment. */
  private isHolder = false
  /** Where the brokers are now; they may have moved since the options were written. */
  private readonly places = new Map<string, string>()
  /** Where reading goes on, and what was there before this assignment, by partition. */
  private readonly positions = new Map<number, bigint>()
  private ends: ReadonlyMap<number, bigint> = new Map()

  constructor(options: MetricReaderOptions) {
    this.options = options
    this.consumed = {
      ...options.consumer,
      ...{ topics: [metricsTopic], autoCommit: false, fromBeginning: false, sessionTimeout: takeOverMs },
      partitionAssigners: [oneReader(() => this.isHolder)],
      onPartitionsAssigned: (partitions) => this.take(partitions),
      onPartitionsRevoked: (partitions) => this.leave(partitions),
      onPartitionsLost: (partitions) => this.leave(partitions),
      eachBatch: async (payload) => this.hand(payload),
    }
    // So that what is wrong with them is thrown here.
    resolveOptions(this.consumed)
  }

  async start(listener: MetricListener): Promise<void> {
    this.listener = listener
    const placed = deferred<void>()
    this.running = this.keepReading(placed.resolve).catch(placed.reject)
    await placed.promise
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.consumer?.stop()
    await this.running
    this.listener = undefined
  }

  /** One consumer after the other, as one ends where the topic is missing from the start. Rejects where the first can't ever read. */
  private async keepReading(onPlaced: () => void): Promise<void> {
    const { signal } = this.stopping
    for (let isPlaced = false; !signal.aborted; await sleep(againMs, signal)) {
      const consumer = this.consume()
      try {
        await consumer.start()
        isPlaced = true
        onPlaced()
        if (this.isMissing) this.note({ type: 'metrics-topic.found', recreated: false })
        await consumer.ended
      } catch (error) {
        if ((error as RelistenError).code === 'topic-missing') this.note({ type: 'metrics-topic.missing' })
        else if (isPlaced)
          this.note({ type: 'question.failed', question: 'records', nodeId: null, why: messageOf(error) })
        else throw error
        isPlaced = true
        onPlaced()
      }
    }
  }

  private consume(): Consumer {
    const consumer = createConsumer(this.consumed)
    this.consumer = consumer
    consumer.on('cluster.reached', ({ data }) => {
      for (const [nodeId, endpoint] of Object.entries(data.brokers)) this.places.set(nodeId, endpoint)
    })
    consumer.on('cluster.moved', ({ data }) => {
      for (const { nodeId, to } of data.moves) this.places.set(String(nodeId), to)
    })
    consumer.on('topic.missing', () => this.note({ type: 'metrics-topic.missing' }))
    consumer.on('topic.grown', ({ data: { partitions } }) => this.note({ type: 'metrics-topic.grown', partitions }))
    consumer.on('topic.found', ({ data: { recreated } }) => this.note({ type: 'metrics-topic.found', recreated }))
    return consumer
  }

  /** It is told once that the topic is missing, however often that is seen. */
  private note(fact: Parameters<MetricListener['tell']>[0]): void {
    const wasMissing = this.isMissing
    if (fact.type === 'metrics-topic.missing') this.isMissing = true
    if (fact.type === 'metrics-topic.found') this.isMissing = false
    // It is another topic: its offsets begin again.
    if (fact.type === 'metrics-topic.found' && fact.recreated) {
      this.positions.clear()
      this.ends = new Map()
    }
    if (!(wasMissing && this.isMissing && fact.type === 'metrics-topic.missing')) this.listener?.tell(fact)
  }

  private async take(partitions: readonly TopicPartition[]): Promise<void> {
    this.isHolder = partitions.length > 0
    if (!this.isHolder) return
    const { readBackMs = usualReadBackMs } = this.options
    let isReadBack = false
    try {
      const { starts, ends } = await within(this.range(Date.now() - readBackMs), lookUpMs, 'The brokers did not say')
      this.ends = ends
      for (const { topic, partition } of partitions) {
        const [start, position] = [starts.get(partition), this.positions.get(partition)]
        if (start === undefined) continue
        const offset = position !== undefined && position > start ? position : start
        this.consumer?.seek({ topic, partition, offset: String(offset) })
      }
      isReadBack = true
    } catch (error) {
      this.note({ type: 'question.failed', question: 'offsets', nodeId: null, why: messageOf(error) })
    }
    this.listener?.activated(isReadBack ? readBackMs : 0)
  }

  private leave(partitions: readonly TopicPartition[]): void {
    if (partitions.length > 0) this.listener?.relieved()
  }

  private hand({ batch: { partition, messages } }: EachBatchPayload): void {
    for (const { offset, value } of messages) {
      const isReadBack = BigInt(offset) < (this.ends.get(partition) ?? 0n)
      this.listener?.read({ partition, offset, value, isReadBack })
      this.positions.set(partition, BigInt(offset) + 1n)
    }
  }

  private async range(at: number) {
    const resolved = resolveOptions(this.consumed)
    const brokers = this.places.size > 0 ? [...this.places.values()] : resolved.brokers
    using connections = await connectBrokers({ ...resolved, brokers })
    const leaders = await leadersOf(metricsTopic, connections)
    const [starts, ends] = await Promise.all([
      offsetsAt({ kind: 'time', at }, metricsTopic, leaders, connections),
      offsetsAt({ kind: 'end' }, metricsTopic, leaders, connections),
    ])
    return { starts, ends }
  }
}
