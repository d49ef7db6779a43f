/**
 * A real Apache Kafka cluster for tests, demo and benchmark: one controller and three brokers as plain JVMs on loopback
 * addresses. It changes its brokers' advertised listeners the way operators do, by restarting them on new addresses;
 * for changes in an instant start it with `bindFixed` and put a front before it (front.ts).
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Admin, createAdmin, untilSettled } from './admin.ts'
import { type BrokerProcess, startJava, tailOf } from './broker-process.ts'
import { CONTROLLER_ID, propertiesText } from './broker-properties.ts'
import { createIdentity, type Login } from './identity.ts'
import { type KafkaVersion, kafkaJars } from './kafka-jars.ts'
import { formatArguments, loginProperties, type User } from './login-listener.ts'
import {
  assertFree,
  assertSet,
  drawPorts,
  HIGHEST_SET,
  internalPort,
  loginPort,
  loopback,
  RESERVED_SET,
} from './loopback.ts'
import { startWatchdog } from './watchdog.ts'

export interface ClusterOptions {
  /** Default `4.4.0`. */
  readonly version?: KafkaVersion
  /** CLIENT listener: `plain` (default), or SCRAM-SHA-512, with or without TLS and a certificate per broker. */
  readonly security?: 'plain' | 'tls-scram' | 'scram'
  /** CLIENT stays on reserved addresses for ever, for use behind a front. Default false: it starts on address set 1. */
  readonly bindFixed?: boolean
  /** Makes this cluster a stranger that can answer on the addresses of that one: same CLIENT port. Implies `bindFixed`. */
  readonly strangerTo?: KafkaCluster
  /** Default 1, 2, 3. */
  readonly nodeIds?: readonly number[]
  /** Those of them that are not started with the others: they join the cluster with their first `startBroker`. Default: none. */
  readonly joining?: readonly number[]
  /** With it there is a listener LOGIN beside CLIENT, one port above: SASL without TLS, for these users. */
  readonly users?: readonly User[]
  /** Broker properties added last, so they win. */
  readonly properties?: Readonly<Record<string, string>>
  /** Called with lines to show while Kafka is fetched and started. */
  readonly onProgress?: (line: string) => void
}

export interface KafkaCluster extends Admin, AsyncDisposable {
  readonly clusterId: string
  readonly version: KafkaVersion
  readonly nodeIds: readonly number[]
  /** INTERNAL endpoints. They never move: for producers and for the truth. */
  readonly internal: readonly string[]
  /** CLIENT port, the same on all addresses. */
  readonly port: number
  /** LOGIN port, the same on all addresses; undefined without `users`. */
  readonly loginPort: number | undefined
  /** True when CLIENT is on reserved addresses, for use behind a front. */
  readonly bindFixed: boolean
  /** The authority that signed the brokers' certificates, PEM. With `tls-scram` only. */
  readonly ca?: string
  /** With SCRAM only: the login of a user who may do everything. A fresh object at each read, because KafkaJS writes into it. */
  readonly sasl: Login | undefined
  /** With SCRAM only: the login of a user `guest`, who may do nothing where there are ACLs. */
  readonly guest: Login | undefined
  /** CLIENT endpoints in force now, of stopped brokers too. */
  endpoints(): string[]
  endpoint(nodeId: number): string
  /** Resolves when the JVM has ended. Default SIGTERM: it hands its leaderships over first. */
  stopBroker(nodeId: number, signal?: NodeJS.Signals): Promise<void>
  /** Sends a signal that ends nothing: SIGSTOP holds the broker up, SIGCONT lets it go on. */
  signalBroker(nodeId: number, signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Resolves when CLIENT accepts. `set` changes its address to 127.0.SET.N. */
  startBroker(nodeId: number, options?: { readonly set?: number }): Promise<void>
  /** Restarts the brokers one by one on new addresses, each after the one before is in sync again plus `gapMs` (default 0). */
  rolling(set: number, options?: { readonly gapMs?: number }): Promise<void>
  /** Stops all brokers in parallel, then starts them on new addresses; resolves when all three are in sync. */
  restartAll(set: number, signal?: NodeJS.Signals): Promise<void>
  /** With `tls-scram`: a new certificate that covers exactly these addresses; in force at once on a running broker. */
  reissueCertificate(nodeId: number, addresses: readonly string[]): Promise<void>
  /** Resolves when every broker lists all three and is in sync, and it is this cluster that answers. */
  waitReady(): Promise<void>
  /** Resident memory of all JVMs in MB. */
  residentMb(): number
}

export async function startCluster(options: ClusterOptions = {}): Promise<KafkaCluster> {
  const { version = '4.4.0', security = 'plain', strangerTo, onProgress = () => {} } = options
  const { nodeIds = [1, 2, 3], joining = [], users, properties = {} } = options
  const bindFixed = options.bindFixed === true || strangerTo !== undefined
  const jars = await kafkaJars(version, { onProgress })
  const hosts = new Map(nodeIds.map((nodeId) => [nodeId, firstHost(nodeId, bindFixed, strangerTo?.nodeIds.length)]))
  const sets = bindFixed ? [] : Array.from({ length: HIGHEST_SET }, (_, index) => index + 1)
  const wanted = [...hosts.values(), ...sets.flatMap((set) => nodeIds.map((nodeId) => loopback(set, nodeId)))]
  const ports = await drawPorts([...new Set(wanted)], nodeIds, strangerTo?.port)

  const folder = await mkdtemp(join(tmpdir(), 'relisten-kafka-'))
  const watchdog = startWatchdog(folder)
  const clusterId = drawClusterId()
  const processes = new Map<number, BrokerProcess>()
  const internalOf = (nodeId: number) => `127.0.0.1:${internalPort(ports, nodeId)}`
  // What joins later is in both from then on.
  const joined = nodeIds.filter((nodeId) => !joining.includes(nodeId))
  const internal = joined.map(internalOf)
  const expected = { clusterId, nodeIds: joined }
  const admin = createAdmin(internal, expected)
  const file = (nodeId: number, kind: string) => join(folder, `node-${nodeId}.${kind}`)
  const identity = security === 'plain' ? undefined : await createIdentity(folder, nodeIds)
  const protocols = { plain: 'PLAINTEXT', scram: 'SASL_PLAINTEXT', 'tls-scram': 'SASL_SSL' } as const

  const host = (nodeId: number): string => {
    const found = hosts.get(nodeId)
    if (found === undefined)
      throw new RangeError(`Expected the node id to be one of ${nodeIds.join(', ')}, got ${nodeId}`)
    return found
  }
  const guard = () => watchdog.guard([...processes.values()].filter((one) => one.running).map((one) => one.pid))

  const run = (nodeId: number, mainClass: string, args: readonly string[]): BrokerProcess => {
    const process = startJava({ jars, mainClass, args, log: file(nodeId, 'log') })
    processes.set(nodeId, process)
    guard()
    void process.exited.then(guard)
    return process
  }

  const writeProperties = (nodeId: number) => {
    const text = propertiesText({
      nodeId,
      ports,
      folder: join(folder, `data-${nodeId}`),
      clientHost: hosts.get(nodeId) ?? '',
      clientProtocol: protocols[security],
      withLogin: users !== undefined,
      extra: {
        ...(nodeId === CONTROLLER_ID
          ? {}
          : { ...identity?.brokerProperties(nodeId), ...(users && loginProperties(users)) }),
        ...properties,
      },
    })
    return writeFile(file(nodeId, 'properties'), text)
  }

  const format = async (nodeId: number) => {
    await mkdir(join(folder, `data-${nodeId}`))
    await writeProperties(nodeId)
    const credentials = [...(identity?.formatArguments ?? []), ...formatArguments(users ?? [])]
    const settings = ['format', '-t', clusterId, '-c', file(nodeId, 'properties'), ...credentials]
    const how = await run(nodeId, 'kafka.tools.StorageTool', settings).exited
    if (how !== 0)
      throw new Error(`The storage of node ${nodeId} could not be formatted:\n${tailOf(file(nodeId, 'log'))}`)
  }

  const stopBroker: KafkaCluster['stopBroker'] = async (nodeId, signal) => {
    host(nodeId)
    await processes.get(nodeId)?.stop(signal)
  }

  const startBroker: KafkaCluster['startBroker'] = async (nodeId, { set } = {}) => {
    if (processes.get(nodeId)?.running) {
      throw new Error(`Broker ${nodeId} runs already: stop it before it is started on another address`)
    }
    if (set !== undefined) {
      assertSet(set)
      if (bindFixed)
        throw new Error('The brokers of this cluster are bound to reserved addresses: move the front instead')
      hosts.set(nodeId, loopback(set, nodeId))
    }
    await assertFree(host(nodeId), ports.clientPort)
    await writeProperties(nodeId)
    await run(nodeId, 'kafka.Kafka', [file(nodeId, 'properties')]).untilListening(host(nodeId), ports.clientPort)
    if (joined.includes(nodeId)) return
    joined.push(nodeId)
    internal.push(internalOf(nodeId))
  }

  const waitReady = () => untilSettled(internal, expected)

  const dispose = async () => {
    await Promise.all([...processes.values()].map((process) => process.stop('SIGKILL')))
    await watchdog.end()
  }

  try {
    const startedAt = Date.now()
    onProgress(`Starting Kafka ${version}: one controller, ${nodeIds.length} brokers`)
    await Promise.all([CONTROLLER_ID, ...nodeIds].map(format))
    run(CONTROLLER_ID, 'kafka.Kafka', [file(CONTROLLER_ID, 'properties')])
    await Promise.all([...joined].map((nodeId) => startBroker(nodeId)))
    await waitReady()
    // the topic of the offsets exists from now on: otherwise the first group of a run meets a coordinator that loads
    await admin.coordinatorOf('relisten-first-group')
    await waitReady()
    onProgress(`Kafka ${version} is up after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
  } catch (error) {
    await dispose()
    throw error
  }

  return {
    ...admin,
    clusterId,
    version,
    nodeIds,
    internal,
    port: ports.clientPort,
    loginPort: users && loginPort(ports),
    bindFixed,
    ...(identity && { ca: identity.ca }),
    get sasl() {
      return identity?.login()
    },
    get guest() {
      return identity?.login('guest')
    },
    endpoints: () => nodeIds.map((nodeId) => `${host(nodeId)}:${ports.clientPort}`),
    endpoint: (nodeId) => `${host(nodeId)}:${ports.clientPort}`,
    stopBroker,
    signalBroker(nodeId, signal) {
      host(nodeId)
      const broker = processes.get(nodeId)
      if (broker?.running) process.kill(broker.pid, signal)
    },
    startBroker,
    async rolling(set, { gapMs = 0 } = {}) {
      for (const nodeId of joined) {
        if (gapMs > 0 && nodeId !== joined[0]) await pause(gapMs)
        await stopBroker(nodeId)
        await startBroker(nodeId, { set })
        await waitReady()
      }
    },
    async restartAll(set, signal) {
      await Promise.all(nodeIds.map((nodeId) => stopBroker(nodeId, signal)))
      await Promise.all(nodeIds.map((nodeId) => startBroker(nodeId, { set })))
      await waitReady()
    },
    async reissueCertificate(nodeId, addresses) {
      if (identity === undefined) throw new Error('Certificates need a cluster started with `security: tls-scram`')
      const client = `${host(nodeId)}:${ports.clientPort}`
      const running = { client, internal: `127.0.0.1:${internalPort(ports, nodeId)}` }
      await identity.issue(nodeId, addresses, processes.get(nodeId)?.running ? running : undefined)
    },
    waitReady,
    residentMb: () => [...processes.values()].reduce((sum, process) => sum + process.residentMb(), 0),
    [Symbol.asyncDispose]: dispose,
  }
}

function firstHost(nodeId: number, bindFixed: boolean, taken: number | undefined): string {
  // 127.0.9.4 to 127.0.9.6 for a stranger: text of the same length as what it is replaced with
  if (taken !== undefined) return loopback(RESERVED_SET, nodeId + taken)
  return loopback(bindFixed ? RESERVED_SET : 1, nodeId)
}

function drawClusterId(): string {
  for (;;) {
    const drawn = randomBytes(16).toString('base64url')
    // the storage tool takes a leading dash for an option
    if (!drawn.startsWith('-')) return drawn
  }
}
