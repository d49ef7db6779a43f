// A broker on a loopback socket that speaks just enough of Kafka's protocol: it says who it is, and answers what a test tells it to.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { FrameCutter } from '../../actors/protocol/frame-cutter.ts'
import { apiKeyOf, apiKeys, correlationOf } from '../../actors/protocol/frames.ts'
import type { Endpoint } from '../../machines/endpoint.ts'
import { apiVersionsBody, kafkaVersions, type VersionTable } from '../kafka-versions.ts'
import { answerFrame, type BrokerBytes, metadataBody } from './bytes.ts'

/** What a broker says of its cluster. */
export interface BrokerView {
  clusterId: string
  brokers: readonly BrokerBytes[]
}

/** Gives the body of an answer, or undefined to leave the request without one. */
export type Answering = (request: Buffer) => Buffer | undefined | Promise<Buffer | undefined>

export class FakeBroker {
  /** Each request so far, and over which connection it came, counted from 1. */
  readonly requests: { apiKey: number; frame: Buffer; connection: number }[] = []
  /** Bytes of applications: TLS handshakes are not among them. */
  received = 0
  connections = 0
  view: BrokerView
  /** What it speaks. */
  versions: VersionTable = kafkaVersions['4.4']
  /** Answers go out in pieces of so many bytes, one each so many milliseconds; undefined: at once. */
  trickle: { readonly bytes: number; readonly everyMs: number } | undefined
  /** What it does with requests by their api key; Metadata is answered with the view unless a test says otherwise. */
  readonly answering = new Map<number, Answering>([
    [apiKeys.metadata, () => metadataBody(this.view.clusterId, this.view.brokers)],
    [apiKeys.apiVersions, () => apiVersionsBody(this.versions)],
  ])
  private readonly server: Server
  private readonly sockets = new Map<Socket, number>()
  private readonly waiting = new Set<() => void>()

  private constructor(server: Server, view: BrokerView) {
    this.server = server
    this.view = view
  }

  /** Listens at a free port. It calls itself node 1 of the cluster `ours`, at that endpoint. */
  static async listen({
    nodeId = 1,
    host = '127.0.0.1',
    tls,
  }: {
    nodeId?: number
    host?: string
    tls?: TlsOptions
  } = {}) {
    const server = tls ? createTlsServer(tls) : createServer()
    server.listen(0, host)
    await once(server, 'listening')
    const port = (server.address() as { port: number }).port
    const broker = new FakeBroker(server, { clusterId: 'ours', brokers: [{ nodeId, host, port }] })
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => broker.serve(socket))
    server.on('tlsClientError', () => {})
    return broker
  }

  get port(): number {
    return (this.server.address() as { port: number }).port
  }

  get endpoint(): Endpoint {
    return { host: (this.server.address() as { address: string }).address, port: this.port }
  }

  get open(): number {
    return this.sockets.size
  }

  /** Resolves when there is a request of this kind beyond the first `after`. */
  async asked(apiKey: number, after = 0): Promise<Buffer> {
    for (;;) {
      const found = this.requests.filter((request) => request.apiKey === apiKey)[after]
      if (found) return found.frame
      await this.change()
    }
  }

  /** Resolves when no more than `count` connections are open. */
  async left(count = 0): Promise<void> {
    while (this.sockets.size > count) await this.change()
  }

  /** Resets every connection; new ones are still taken. */
  reset(): void {
    for (const socket of this.sockets.keys()) {
      if ('resetAndDestroy' in socket) socket.resetAndDestroy()
      else (socket as Socket).destroy()
    }
  }

  /** Answers nothing any more, and closes nothing. */
  silence(): void {
    for (const apiKey of [...this.answering.keys(), ...Object.values(apiKeys)])
      this.answering.set(apiKey, () => undefined)
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    for (const socket of this.sockets.keys()) socket.destroy()
    await closed
  }

  private serve(socket: Socket): void {
    const connection = ++this.connections
    const cutter = new FrameCutter()
    this.sockets.set(socket, connection)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.sockets.delete(socket)
      this.changed()
    })
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length
      for (const frame of cutter.push(chunk)) void this.answer(socket, connection, frame)
    })
    this.changed()
  }

  private async answer(socket: Socket, connection: number, frame: Buffer): Promise<void> {
    const apiKey = apiKeyOf(frame)
    this.requests.push({ apiKey, frame, connection })
    this.changed()
    const body = await this.answering.get(apiKey)?.(frame)
    if (!body) return
    const answer = answerFrame(correlationOf('request', frame), body)
    const { bytes, everyMs } = this.trickle ?? { bytes: answer.length, everyMs: 0 }
    for (let at = 0; at < answer.length && !socket.destroyed; at += bytes) {
      socket.write(answer.subarray(at, at + bytes))
      if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiting.add(resolve))
  }

  private changed(): void {
    for (const wake of this.waiting) wake()
    this.waiting.clear()
  }
}
