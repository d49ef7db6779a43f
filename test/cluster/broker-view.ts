/**
 * What one broker says: a Metadata (v2) or FindCoordinator (v0) request over a fresh plain connection. KafkaJS's admin
 * asks whichever broker it likes; a cluster is settled only when *every* broker answers the same.
 */
import { connect } from 'node:net'
import { parseEndpoint } from './loopback.ts'

export interface PartitionView {
  readonly error: number
  /** Node id, -1 while there is none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

export interface BrokerView {
  readonly clusterId: string
  readonly controllerId: number
  /** Node id → endpoint, as advertised on the listener that was asked. */
  readonly nodes: ReadonlyMap<number, string>
  /** Topic → partition → view; topics the broker reports an error for are absent. */
  readonly topics: ReadonlyMap<string, ReadonlyMap<number, PartitionView>>
}

/** Asks the broker at this plain endpoint for all nodes and all topics. */
export async function askMetadata(endpoint: string, deadlineMs = 2000): Promise<BrokerView> {
  const allTopics = Buffer.alloc(4)
  allTopics.writeInt32BE(-1)
  return decodeMetadata(await ask(endpoint, 3, 2, allTopics, deadlineMs))
}

/** Asks the broker at this plain endpoint for the coordinator of a group; resolves with its node id. */
export async function askCoordinator(endpoint: string, group: string, deadlineMs = 2000): Promise<number> {
  const answer = new Reader(await ask(endpoint, 10, 0, text(group), deadlineMs))
  const error = answer.int16()
  if (error !== 0) throw new Error(`${endpoint} does not know the coordinator of group ${group} (error ${error})`)
  return answer.int32()
}

/** Metadata v2, body only (no correlation id). */
export function decodeMetadata(body: Buffer): BrokerView {
  const answer = new Reader(body)
  const nodes = new Map(
    answer.array(() => {
      const nodeId = answer.int32()
      const endpoint = `${answer.text()}:${answer.int32()}`
      answer.text() // rack
      return [nodeId, endpoint] as const
    }),
  )
  const clusterId = answer.text()
  const controllerId = answer.int32()
  const topics = answer.array(() => {
    const error = answer.int16()
    const name = answer.text()
    answer.int8() // is internal
    const partitions = answer.array(() => {
      const failure = answer.int16()
      const partition = answer.int32()
      const leader = answer.int32()
      const replicas = answer.array(() => answer.int32())
      const inSync = answer.array(() => answer.int32())
      return [partition, { error: failure, leader, replicas, inSync }] as const
    })
    return { error, name, partitions: new Map<number, PartitionView>(partitions) }
  })
  const sound = topics.filter((topic) => topic.error === 0)
  return { clusterId, controllerId, nodes, topics: new Map(sound.map((topic) => [topic.name, topic.partitions])) }
}

function ask(endpoint: string, apiKey: number, version: number, body: Buffer, deadlineMs: number): Promise<Buffer> {
  const header = Buffer.alloc(8)
  header.writeInt16BE(apiKey, 0)
  header.writeInt16BE(version, 2)
  const request = Buffer.concat([header, text('relisten-test'), body])
  const size = Buffer.alloc(4)
  size.writeInt32BE(request.length)

  return new Promise((resolve, reject) => {
    const socket = connect(parseEndpoint(endpoint))
    const fail = (why: string) => {
      socket.destroy()
      reject(new Error(`${endpoint} ${why}`))
    }
    const timer = setTimeout(() => fail(`did not answer within ${deadlineMs} ms`), deadlineMs)
    let received = Buffer.alloc(0)
    socket.once('connect', () => socket.write(Buffer.concat([size, request])))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return
      socket.destroy()
      resolve(received.subarray(8)) // size and correlation id
    })
    socket.once('error', (error) => fail(`cannot be asked: ${error.message}`))
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error(`${endpoint} closed the connection without an answer`))
    })
  })
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const size = Buffer.alloc(2)
  size.writeInt16BE(bytes.length)
  return Buffer.concat([size, bytes])
}

/** Reads the protocol's primitive types one after the other. */
class Reader {
  #body: Buffer
  #at = 0
  constructor(body: Buffer) {
    this.#body = body
  }
  int8(): number {
    return this.#body.readInt8(this.#skip(1))
  }
  int16(): number {
    return this.#body.readInt16BE(this.#skip(2))
  }
  int32(): number {
    return this.#body.readInt32BE(this.#skip(4))
  }
  text(): string {
    const size = this.int16()
    if (size < 0) return ''
    const from = this.#skip(size)
    return this.#body.toString('utf8', from, from + size)
  }
  array<Item>(read: () => Item): Item[] {
    return Array.from({ length: Math.max(0, this.int32()) }, read)
  }
  #skip(size: number): number {
    const from = this.#at
    this.#at += size
    return from
  }
}
