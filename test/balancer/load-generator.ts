// Producers with a steady load for each partition, and what they have sent: bytes as they stand in the log.
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { CompressionTypes, type Kafka, type Producer } from 'kafkajs'
import { partitionKey } from '../../machines/topic-partition.ts'

export interface SteadyLoad {
  readonly topic: string
  readonly partition: number
  readonly messagesPerSecond: number
  /** From 64 to 8,000, even. */
  readonly valueBytes: number
  readonly isCompressed?: boolean
  /** Messages have so many keys, one after the other. Default: none has one. */
  readonly keys?: number
}

export interface LoadGenerator extends AsyncDisposable {
  /** Bytes that were acknowledged, by `topic/partition`. */
  readonly sent: ReadonlyMap<string, number>
  /** Messages that were acknowledged, by `topic/partition`. */
  readonly acknowledged: ReadonlyMap<string, number>
  /** Each load is by this factor larger or smaller from now on. */
  scale(factorOf: (load: SteadyLoad) => number): void
}

const batchHeaderBytes = 61
/** Of a record with a value of these sizes: lengths, attributes, differences in time and offset, and the number of headers. */
const recordHeaderBytes = 8
const sendEachMs = 100
const mostMessages = 60
/** What the batch that is being sent comes to when it is compressed. */
const compressing = new AsyncLocalStorage<{ bytes: number }>()

const codecs = kafkajs.CompressionCodecs
const gzip = (codecs[CompressionTypes.GZIP] as () => { compress(encoder: object): Promise<Buffer> })()
codecs[CompressionTypes.GZIP] = () => ({
  ...gzip,
  async compress(encoder: object) {
    const compressed = await gzip.compress(encoder)
    const counted = compressing.getStore()
    if (counted) counted.bytes += compressed.length
    return compressed
  },
})

export async function startLoad(kafka: Kafka, loads: readonly SteadyLoad[]): Promise<LoadGenerator> {
  const producer = kafka.producer()
  await producer.connect()
  const sent = new Map<string, number>()
  const acknowledged = new Map<string, number>()
  let factorOf: (load: SteadyLoad) => number = () => 1
  const stop = new AbortController()
  setMaxListeners(0, stop.signal)
  const running = Promise.all(
    loads.map((load) => keepSending(producer, load, { sent, acknowledged, factor: () => factorOf(load) }, stop.signal)),
  )
  running.catch(() => {})
  return {
    ...{ sent, acknowledged },
    scale(next) {
      factorOf = next
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running.finally(() => producer.disconnect())
    },
  }
}

interface Counts {
  readonly sent: Map<string, number>
  readonly acknowledged: Map<string, number>
  readonly factor: () => number
}

async function keepSending(producer: Producer, load: SteadyLoad, counts: Counts, signal: AbortSignal) {
  const { topic, partition, messagesPerSecond, valueBytes, isCompressed = false, keys } = load
  const { sent, acknowledged, factor } = counts
  let lookedAt = performance.now()
  let due = 0
  let count = 0
  while (!signal.aborted) {
    const now = performance.now()
    due += ((now - lookedAt) * messagesPerSecond * factor()) / 1000
    lookedAt = now
    // A busy machine catches up in batches that brokers accept.
    const messages = Array.from({ length: Math.min(Math.floor(due - count), mostMessages) }, (_, index) => ({
      partition,
      key: keys === undefined ? null : `key-${(count + index) % keys}`,
      // Half of it can be compressed.
      value: Buffer.concat([randomBytes(valueBytes / 2), Buffer.alloc(valueBytes / 2)]),
    }))
    count += messages.length
    const compression = isCompressed ? CompressionTypes.GZIP : CompressionTypes.None
    const compressed = { bytes: 0 }
    if (messages.length > 0) await compressing.run(compressed, () => producer.send({ topic, messages, compression }))
    const plain = messages.reduce((sum, { key }) => sum + recordHeaderBytes + (key?.length ?? 0) + valueBytes, 0)
    const bytes = messages.length === 0 ? 0 : batchHeaderBytes + (isCompressed ? compressed.bytes : plain)
    const key = partitionKey(load)
    sent.set(key, (sent.get(key) ?? 0) + bytes)
    acknowledged.set(key, (acknowledged.get(key) ?? 0) + messages.length)
    await pause(sendEachMs, undefined, { signal }).catch(() => {})
  }
}
