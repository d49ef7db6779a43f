/** Brokers as KafkaJS's tests want them, behind fronts that move all their listeners: plain, with TLS, and with TLS and a login. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Front, startFront } from '../cluster/front.ts'
import { createFrontIdentity } from '../cluster/front-identity.ts'
import { type KafkaCluster, startCluster } from '../cluster/kafka-cluster.ts'
import type { KafkaVersion } from '../cluster/kafka-jars.ts'
import type { User } from '../cluster/login-listener.ts'
import { HIGHEST_SET } from '../cluster/loopback.ts'

/** 4.x no longer speaks versions of requests that some of the tests name. */
export const KAFKA_VERSION: KafkaVersion = '3.9.1'

/** The tests write replicas by these ids. */
const nodeIds = [0, 1, 2]

/** Those of the tests. */
const users: readonly User[] = [
  { mechanism: 'PLAIN', name: 'test', password: 'testtest' },
  { mechanism: 'PLAIN', name: 'bob', password: 'bobbob' },
  { mechanism: 'PLAIN', name: 'alice', password: 'alicealice' },
  { mechanism: 'SCRAM-SHA-256', name: 'testscram', password: 'testtestscram=256' },
  { mechanism: 'SCRAM-SHA-512', name: 'testscram', password: 'testtestscram=512' },
]

/** What the tests expect of brokers, where it differs from what ours have. */
const properties = {
  'auto.create.topics.enable': 'true',
  'num.partitions': '2',
  'default.replication.factor': '2',
  'min.insync.replicas': '1',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
  'super.users': 'User:ANONYMOUS',
}

export interface Brokers extends AsyncDisposable {
  /** A file with the endpoints of now, as JSON: `plain`, `tls` and `login`, a list each, and `ca`, who signed the certificates. */
  readonly listeners: string
  readonly moveCount: number
  /** Moves all listeners at this interval until the signal aborts. Rejects when a move fails. */
  keepMoving(everyMs: number, signal: AbortSignal): Promise<void>
}

export async function startBrokers(say: (line: string) => void): Promise<Brokers> {
  const folder = await mkdtemp(join(tmpdir(), 'relisten-kafkajs-'))
  const listeners = join(folder, 'listeners.json')
  const started: AsyncDisposable[] = [{ [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }]
  const keep = <Started extends AsyncDisposable>(one: Started): Started => {
    started.push(one)
    return one
  }
  const dispose = async () => {
    for (const one of started.splice(0).reverse()) await one[Symbol.asyncDispose]()
  }
  try {
    const cluster = keep(
      await startCluster({
        ...{ version: KAFKA_VERSION, bindFixed: true, nodeIds, users, properties },
        onProgress: say,
      }),
    )
    const { tls, ca } = await createFrontIdentity(nodeIds)
    const fronts = {
      plain: keep(await startFront(cluster)),
      tls: keep(await startFront(cluster, { tls })),
      login: keep(await startFront(loginListenerOf(cluster), { tls })),
    }
    await writeListeners(listeners, fronts, ca)
    let set = 1

    return {
      listeners,
      get moveCount() {
        return fronts.plain.moveCount
      },
      async keepMoving(everyMs, signal) {
        for (;;) {
          await pause(everyMs, undefined, { signal }).catch(() => {})
          if (signal.aborted) return
          set = (set % HIGHEST_SET) + 1
          await Promise.all(Object.values(fronts).map((front) => front.move(set)))
          await writeListeners(listeners, fronts, ca)
        }
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** As a front sees it. */
function loginListenerOf({ bindFixed, loginPort: port = 0, endpoint, port: clientPort }: KafkaCluster) {
  const endpointOf = (nodeId: number) => endpoint(nodeId).replace(`:${clientPort}`, `:${port}`)
  return { bindFixed, nodeIds, port, endpoint: endpointOf }
}

async function writeListeners(file: string, fronts: Readonly<Record<string, Front>>, ca: string): Promise<void> {
  const endpoints = Object.entries(fronts).map(([name, front]) => [name, front.endpoints()])
  await writeFile(`${file}.new`, JSON.stringify({ ...Object.fromEntries(endpoints), ca }))
  // whoever reads it sees the old list or the new one
  await rename(`${file}.new`, file)
}
