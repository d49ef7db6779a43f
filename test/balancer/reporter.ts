// What AutoMQ's brokers report of a load, written by a reporter in their place: who leads is looked up before each report.
import { setTimeout as pause } from 'node:timers/promises'
import { metricIds, metricsTopic } from '../../actors/balancer/auto-mq-record.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import type { SteadyLoad } from './load-generator.ts'
import { loadMetrics, metricRecord } from './metric-record.ts'

export interface Reporter extends AsyncDisposable {
  /** Is written with each report. */
  readonly poison: (Buffer | null)[]
  /** By how much the clock of each broker is off, in milliseconds. */
  readonly skews: Map<number, number>
}

/** What its metrics say of a broker: latencies in milliseconds. */
const idle = [
  [metricIds.appendLatency, 1],
  [metricIds.pendingAppend, 0],
  [metricIds.pendingFetch, 0],
] as const

export interface ReporterOptions {
  readonly readers?: number
  readonly everyMs?: number
  /** Of one replica of each partition in bytes, by `topic/partition`, read with each report. Default: a million bytes each. */
  readonly sizes?: ReadonlyMap<string, number>
}

/** Reports each load, read `readers` times, every `everyMs` milliseconds. */
export async function startReporter(
  cluster: KafkaCluster,
  loads: readonly SteadyLoad[],
  { readers = 1, everyMs = 500, sizes = new Map() }: ReporterOptions = {},
): Promise<Reporter> {
  const producer = cluster.kafka().producer()
  await producer.connect()
  const stop = new AbortController()
  const poison: (Buffer | null)[] = []
  const skews = new Map<number, number>()
  const topics = [...new Set(loads.map(({ topic }) => topic))]
  const report = async () => {
    const at = (id: number) => Date.now() + (skews.get(id) ?? 0)
    const leaders = new Map(
      await Promise.all(topics.map(async (topic) => [topic, await cluster.leaders(topic)] as const)),
    )
    const values = loads.flatMap(({ topic, partition, messagesPerSecond, valueBytes }) => {
      const brokerId = leaders.get(topic)?.get(partition) ?? -1
      if (brokerId < 0) return []
      const bytes = messagesPerSecond * valueBytes
      return [
        metricRecord({
          at: at(brokerId),
          brokerId,
          topic,
          partition,
          metrics: loadMetrics(bytes, bytes * readers, sizes.get(partitionKey({ topic, partition })) ?? 1e6),
        }),
      ]
    })
    const brokers = cluster.nodeIds.map((brokerId) => metricRecord({ at: at(brokerId), brokerId, metrics: idle }))
    const messages = [...values, ...brokers, ...poison].map((value) => ({ partition: 0, value }))
    await producer.send({ topic: metricsTopic, messages })
  }
  const running = (async () => {
    while (!stop.signal.aborted) {
      await report()
      await pause(everyMs, undefined, { signal: stop.signal }).catch(() => {})
    }
  })()
  running.catch(() => {})
  return {
    ...{ poison, skews },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running.finally(() => producer.disconnect())
    },
  }
}
