/** One request of the Kafka protocol to one broker, over a fresh plain connection, and the means to write and read it. */
import { connect } from 'node:net'
import { parseEndpoint } from './loopback.ts'

export interface Request {
  readonly apiKey: number
  readonly version: number
  readonly body: Buffer
  /** Default 2000. */
  readonly deadlineMs?: number
}

/** Resolves with the body of the answer, without size and correlation id. Only for versions with the plain header. */
export function request(endpoint: string, { apiKey, version, body, deadlineMs = 2000 }: Request): Promise<Buffer> {
  const header = Buffer.alloc(8)
  header.writeInt16BE(apiKey, 0)
  header.writeInt16BE(version, 2)
  const frame = Buffer.concat([header, text('relisten-test'), body])
  const size = Buffer.alloc(4)
  size.writeInt32BE(frame.length)

  return new Promise((resolve, reject) => {
    const socket = connect(parseEndpoint(endpoint))
    const fail = (why: string) => {
      socket.destroy()
      reject(new Error(`${endpoint} ${why}`))
    }
    const timer = setTimeout(() => fail(`did not answer within ${deadlineMs} ms`), deadlineMs)
    let received = Buffer.alloc(0)
    socket.once('connect', () => socket.write(Buffer.concat([size, frame])))
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

/** A string of the protocol: length, then UTF-8. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const size = Buffer.alloc(2)
  size.writeInt16BE(bytes.length)
  return Buffer.concat([size, bytes])
}

/** Reads the protocol's primitive types one after the other. */
export class Reader {
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
