/** A stage: a real cluster that can be moved in one way, and what clients may know of where its brokers are. */
import { connect, createServer, type Server } from 'node:net'
import { type Front, startFront } from '../cluster/front.ts'
import type { Seen } from '../cluster/front-address.ts'
import { createFrontIdentity } from '../cluster/front-identity.ts'
import { type KafkaCluster, startCluster } from '../cluster/kafka-cluster.ts'
import { HIGHEST_SET, loopback, parseEndpoint } from '../cluster/loopback.ts'
import type { SentOptions } from './client-process.ts'

/**
 * `front`: addresses move in an instant. `restarts`: brokers really restart. `tls`: as `front`, with TLS, which ends at the front,
 * and SCRAM-SHA-512, which the brokers check.
 */
export type StageName = 'front' | 'restarts' | 'tls'

export interface Stage extends AsyncDisposable {
  readonly name: StageName
  readonly cluster: KafkaCluster
  /** Not with `restarts`. */
  readonly front?: Front
  /** Addresses in force. */
  now(): string[]
  /** Bootstrap addresses that never move and always lead to a living broker. */
  readonly stable: readonly string[]
  /** The set of addresses to move to next. */
  nextSet(): number
  /** What passed the front since the last call. */
  seen(): Seen[]
  /** What a client needs to log in. */
  readonly options: SentOptions
}

/** The highest set is never moved to: its addresses are the stable ones. */
const STABLE_SET = HIGHEST_SET

export async function startStage(name: StageName, onProgress: (line: string) => void): Promise<Stage> {
  const cluster = await startCluster({
    bindFixed: name !== 'restarts',
    onProgress,
    ...(name === 'tls' && { security: 'scram' }),
  })
  try {
    return name === 'restarts' ? await restartStage(cluster) : await frontStage(name, cluster)
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

async function restartStage(cluster: KafkaCluster): Promise<Stage> {
  const relays = await Promise.all(cluster.nodeIds.map((nodeId) => relay(cluster, nodeId)))
  return {
    name: 'restarts',
    cluster,
    now: () => cluster.endpoints(),
    stable: relays.map(({ endpoint }) => endpoint),
    nextSet: walk(),
    seen: () => [],
    options: {},
    async [Symbol.asyncDispose]() {
      for (const { server } of relays) server.close()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

async function frontStage(name: StageName, cluster: KafkaCluster): Promise<Stage> {
  const seen: Seen[] = []
  const identity = name === 'tls' ? await createFrontIdentity(cluster.nodeIds) : undefined
  const front = await startFront(cluster, { tap: (one) => seen.push(one), ...(identity && { tls: identity.tls }) })
  await front.open(STABLE_SET)
  return {
    name,
    cluster,
    front,
    now: () => front.endpoints(),
    stable: cluster.nodeIds.map((nodeId) => `${loopback(STABLE_SET, nodeId)}:${cluster.port}`),
    nextSet: walk(),
    seen: () => seen.splice(0),
    options: identity ? { kafka: { ssl: { ca: [identity.ca] }, sasl: { ...cluster.sasl } } } : {},
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

/** Sets of addresses one after the other, round and round, but for the stable one. */
function walk(): () => number {
  let set = 1
  return () => {
    set = (set % (STABLE_SET - 1)) + 1
    return set
  }
}

/** A bootstrap address that leads to this broker, or to the next one that accepts, as a load balancer would. */
async function relay(cluster: KafkaCluster, nodeId: number): Promise<{ server: Server; endpoint: string }> {
  const order = [...cluster.nodeIds.filter((id) => id >= nodeId), ...cluster.nodeIds.filter((id) => id < nodeId)]
  const server = createServer({ noDelay: true }, (client) => {
    client.on('error', () => {})
    const attempt = ([next, ...rest]: readonly number[]) => {
      if (next === undefined) return void client.destroy()
      const broker = connect({ ...parseEndpoint(cluster.endpoint(next)), noDelay: true })
      let connected = false
      broker.once('connect', () => {
        connected = true
        client.pipe(broker)
        broker.pipe(client)
      })
      broker.on('error', () => {})
      broker.once('close', () => (connected ? client.destroy() : attempt(rest)))
      client.once('close', () => connected && broker.destroy())
    }
    attempt(order)
  })
  const host = loopback(STABLE_SET, nodeId)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port: cluster.port }, resolve)
  })
  server.unref()
  return { server, endpoint: `${host}:${cluster.port}` }
}
