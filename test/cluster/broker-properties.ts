/** The properties file of one node: one controller and brokers with a listener that moves (CLIENT) and one that never does. */
import { internalPort, loginPort, type Ports } from './loopback.ts'

/** Node id of the controller. It is no broker, so that all brokers can be stopped without losing the metadata quorum. */
export const CONTROLLER_ID = 100

export interface NodeProperties {
  readonly nodeId: number
  readonly ports: Ports
  /** Folder of this node's logs. */
  readonly folder: string
  /** Address of CLIENT, bound and advertised; unused for the controller. */
  readonly clientHost: string
  readonly clientProtocol: 'PLAINTEXT' | 'SASL_SSL' | 'SASL_PLAINTEXT'
  /** Whether there is LOGIN too, on the same address: SASL without TLS. */
  readonly withLogin: boolean
  /** Added last, so they win. */
  readonly extra: Readonly<Record<string, string>>
}

export function propertiesText(node: NodeProperties): string {
  const { nodeId, ports, extra } = node
  const lines = {
    'node.id': String(nodeId),
    'controller.quorum.voters': `${CONTROLLER_ID}@127.0.0.1:${ports.controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,CLIENT:${node.clientProtocol},LOGIN:SASL_PLAINTEXT`,
    'log.dirs': node.folder,
    ...(nodeId === CONTROLLER_ID ? controllerLines(ports) : brokerLines(node)),
    ...shared,
    ...extra,
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

const controllerLines = (ports: Ports) => ({
  'process.roles': 'controller',
  listeners: `CONTROLLER://127.0.0.1:${ports.controllerPort}`,
})

function brokerLines({ nodeId, ports, clientHost, withLogin }: NodeProperties) {
  const login = withLogin ? `,LOGIN://${clientHost}:${loginPort(ports)}` : ''
  const listeners = `INTERNAL://127.0.0.1:${internalPort(ports, nodeId)},CLIENT://${clientHost}:${ports.clientPort}${login}`
  return {
    'process.roles': 'broker',
    'inter.broker.listener.name': 'INTERNAL',
    listeners,
    'advertised.listeners': listeners,
  }
}

const shared = {
  // a first join waits 3 s by default; tests form groups all the time
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  // how long a killed broker stays registered: 9 s by default
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '300',
  // a follower that asks the new leader too early waits so long, 1 s by default, and until then nothing new can be read:
  // the silences of the cluster itself, not the consumer's
  'replica.fetch.backoff.ms': '100',
  'offsets.topic.replication.factor': '3',
  'offsets.topic.num.partitions': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'transaction.state.log.num.partitions': '3',
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  // a typo in a topic name must fail
  'auto.create.topics.enable': 'false',
  'num.network.threads': '2',
  'num.io.threads': '2',
  'background.threads': '2',
  // 128 MB by default; has to exceed 1 MB
  'log.cleaner.dedupe.buffer.size': '2097152',
  // segments and their indexes are allocated ahead
  'log.segment.bytes': '16777216',
  'log.index.size.max.bytes': '1048576',
}
