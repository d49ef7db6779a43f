/** Brokers by the hundred: those of the simulation, in real time and on real sockets. Each has a loopback address, which moves, and a name for it. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { FrameCutter } from '../../../actors/protocol/frame-cutter.ts'
import { apiKeyOf, apiKeys } from '../../../actors/protocol/frames.ts'
import type { BrokerClock, BrokerLine, BrokerListener } from '../../simulation/kafka/ground.ts'
import { SimulatedKafka } from '../../simulation/kafka/kafka.ts'
import { addressOf, nameOf } from './broker-names.ts'

/** What was seen at the sockets so far, of all brokers together. */
export interface Traffic {
  /** Open now. */
  readonly connections: number
  /** Metadata requests: polls, and one with each dial. */
  readonly metadata: number
  /** Both ways. Fetches and their answers are told apart from all others. */
  readonly fetchBytes: number
  readonly otherBytes: number
}

export interface FakeKafka extends AsyncDisposable {
  readonly topic: string
  /** Where three of the brokers are now. */
  endpoints(): string[]
  /** All brokers are elsewhere from now on; their old addresses are closed. */
  move(): Promise<void>
  /** Each broker that leads anything takes one message. Returns how many those are. */
  produce(): number
  traffic(): Traffic
}

const realTime: BrokerClock = {
  get now() {
    return performance.now()
  },
  // a timer of Node's may fire a part of a millisecond early
  plan: (delayMs, work) => setTimeout(work, delayMs + 1),
  cancel: (planned) => clearTimeout(planned as NodeJS.Timeout),
}

export async function startFakeKafka(brokers: number, partitions: number): Promise<FakeKafka> {
  const listeners = new Map<string, BrokerListener>()
  const watch = { committed: () => {}, placed: () => {}, reached: () => {} }
  const kafka = new SimulatedKafka('cluster-of-many', { clock: realTime, listeners }, partitions, watch)
  for (const partition of kafka.partitions()) partition.leader = (partition.index % brokers) + 1
  const sockets = new Set<Socket>()
  let servers: Server[] = []
  let set = 1
  let port = 0
  const seen = { metadata: 0, fetchBytes: 0, otherBytes: 0 }

  const serve = (listener: BrokerListener, place: string, socket: Socket) => {
    sockets.add(socket)
    socket.setNoDelay()
    /** Kinds of the requests without an answer: a broker answers in order. */
    const asked: number[] = []
    const count = (apiKey: number, bytes: number) => {
      if (apiKey === apiKeys.fetch) seen.fetchBytes += bytes
      else seen.otherBytes += bytes
    }
    const line: BrokerLine = {
      ...{ life: { name: 'subject' }, place, commitsSentAt: [] },
      send(bytes) {
        count(asked.shift() ?? -1, bytes.length)
        socket.write(bytes)
      },
      finish: () => socket.end(),
      reset: () => socket.resetAndDestroy(),
    }
    const { receive, closed } = listener.accept(line)
    const cutter = new FrameCutter()
    socket.on('data', (bytes) => {
      for (const frame of cutter.push(bytes)) {
        const apiKey = apiKeyOf(frame)
        asked.push(apiKey)
        count(apiKey, frame.length)
        if (apiKey === apiKeys.metadata) seen.metadata++
      }
      receive(bytes)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      closed()
    })
  }
  const listen = async (listener: BrokerListener, nodeId: number): Promise<Server> => {
    const place = `${nameOf(set, nodeId)}:${port}`
    const server = createServer((socket) => serve(listener, place, socket))
    server.listen(port, addressOf(set, nodeId))
    await once(server, 'listening')
    return server
  }
  const close = (): void => {
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
  }

  const nodes = Array.from({ length: brokers }, (_, index) => kafka.addNode(index + 1, nameOf(set, index + 1), port))
  const settle = async () => {
    const opened: Server[] = []
    for (const node of nodes) {
      const server = await listen(node, node.nodeId)
      opened.push(server)
      // whichever is free for the first one is that of all
      port = (server.address() as AddressInfo).port
    }
    for (const node of nodes) node.entry = { nodeId: node.nodeId, host: nameOf(set, node.nodeId), port }
    close()
    servers = opened
  }
  await settle()
  return {
    topic: kafka.topic,
    endpoints: () => nodes.slice(0, 3).map(({ entry }) => `${entry.host}:${entry.port}`),
    async move() {
      set++
      await settle()
    },
    produce() {
      const led = kafka.partitions().filter(({ index }) => index < brokers)
      for (const partition of led) partition.append([{ key: '', value: 'moved' }])
      kafka.changed()
      return led.length
    },
    traffic: () => ({ ...seen, connections: sockets.size }),
    async [Symbol.asyncDispose]() {
      close()
    },
  }
}
