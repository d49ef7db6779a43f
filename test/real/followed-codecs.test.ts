// What codecs make of messages goes through the wires of `follow` byte for byte: compressed batches, and values of a schema registry.
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import kafkajs, { type Kafka, type KafkaMessage, type Message } from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const { CompressionTypes } = kafkajs
const cluster = sharedCluster({ bindFixed: true })

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

const registered: Record<number, () => Codec> = kafkajs.CompressionCodecs
const before = { ...registered }

/** KafkaJS brings gzip only; users register the others. */
const codecs: Record<string, { readonly type: number; readonly codec: () => Codec }> = {
  gzip: { type: CompressionTypes.GZIP, codec: before[CompressionTypes.GZIP] as () => Codec },
  Snappy: { type: CompressionTypes.Snappy, codec: snappy },
  LZ4: {
    type: CompressionTypes.LZ4,
    codec: () => ({ compress: ({ buffer }) => compressFrame(buffer), decompress: decompressFrame }),
  },
}

/** How often each codec was used, as KafkaJS itself called it. */
const used = new Map<string, { compressed: number; decompressed: number }>()

beforeAll(() => {
  for (const [name, { type, codec }] of Object.entries(codecs)) {
    const counts = { compressed: 0, decompressed: 0 }
    used.set(name, counts)
    const { compress, decompress } = codec()
    registered[type] = () => ({
      compress(encoder) {
        counts.compressed += 1
        return compress(encoder)
      },
      decompress(buffer) {
        counts.decompressed += 1
        return decompress(buffer)
      },
    })
  }
})

afterAll(() => void Object.assign(registered, before))

test('batches compressed with gzip, Snappy and LZ4 are read byte for byte as they were produced', async () => {
  await using exchange = await startExchange()
  for (const [name, { type }] of Object.entries(codecs)) {
    const sent = Array.from({ length: 20 }, (_, index) => messageOf(name, index))
    expect(await exchange.through(sent, type), name).toEqual(sent)
    expect(used.get(name), name).toEqual({ compressed: 1, decompressed: 1 })
  }
})

test('values of a schema registry are read byte for byte as they were encoded, and decoded', async () => {
  await using server = await startRegistry()
  const registry = new SchemaRegistry({ host: server.url })
  const { id } = await registry.register({ type: SchemaType.AVRO, schema: JSON.stringify(orderSchema) })
  await using exchange = await startExchange()
  const orders = Array.from({ length: 20 }, (_, index) => ({ id: randomUUID(), quantity: index }))
  const values = await Promise.all(orders.map((order) => registry.encode(id, order)))
  const sent = values.map((value) => ({ key: null, value, headers: {} }))
  const read = await exchange.through(sent)
  expect(read).toEqual(sent)
  expect(values.map((value) => [value.readInt8(0), value.readInt32BE(1)])).toEqual(values.map(() => [0, id]))
  const decoded = await Promise.all(read.map(({ value }) => registry.decode(value as Buffer)))
  expect(decoded.map((order) => ({ ...order }))).toEqual(orders)
})

const orderSchema = {
  ...{ type: 'record', name: 'Order', namespace: 'shop' },
  fields: [
    { name: 'id', type: 'string' },
    { name: 'quantity', type: 'int' },
  ],
}

type Content = Pick<KafkaMessage, 'key' | 'value'> & { readonly headers: Record<string, Buffer> }

/** Bytes that shrink, bytes that do not, none and nothing, one after the other. */
function messageOf(codec: string, index: number): Content {
  const values = [Buffer.alloc(20_000, codec), randomBytes(20_000), Buffer.alloc(0), null]
  return {
    key: Buffer.from(`${codec} ${index}`),
    value: values[index % values.length] ?? null,
    headers: { trace: randomBytes(8) },
  }
}

/** A producer and a consumer on one followed `Kafka`, and a topic of one partition between them. */
async function startExchange() {
  const topic = `codecs-${randomUUID().slice(0, 8)}`
  await cluster().createTopic(topic, { partitions: 1 })
  const config = follow({ clientId: 'codecs', brokers: cluster().endpoints(), logLevel: kafkajs.logLevel.NOTHING })
  const kafka: Kafka = new kafkajs.Kafka(config)
  const [producer, consumer] = [kafka.producer(), kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 })]
  const read: Content[] = []
  await producer.connect()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message: { key, value, headers } }) => {
      read.push({ key, value, headers: headers as Content['headers'] })
    },
  })
  return {
    /** Sends these in one batch; what the consumer read of them. */
    async through(messages: readonly Content[], compression: number = CompressionTypes.None): Promise<Content[]> {
      read.length = 0
      await producer.send({ topic, compression, messages: messages as Message[] })
      await until(() => (read.length < messages.length ? `${messages.length - read.length} messages` : undefined))
      return [...read]
    },
    async [Symbol.asyncDispose]() {
      await within(10_000, 'The disconnects', Promise.all([producer.disconnect(), consumer.disconnect()]))
    },
  }
}

/** A schema registry of one schema. */
async function startRegistry() {
  const server = createServer((request, response) => {
    const body = { id: 4711, schema: JSON.stringify(orderSchema), compatibilityLevel: 'BACKWARD' }
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
