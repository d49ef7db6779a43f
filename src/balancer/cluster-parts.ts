/** What a balancer stands on, for a real cluster: a sampler, the topology, and the planner, over one shared look at the cluster. */

import { AutoMqSampler } from '../../actors/balancer/auto-mq-sampler.ts'
import { KafkaControls } from '../../actors/balancer/controls.ts'
import { KafkaSampler } from '../../actors/balancer/kafka-sampler.ts'
import { KafkaLogSource } from '../../actors/balancer/log-source.ts'
import { PlanExecution } from '../../actors/balancer/plan-execution.ts'
import type { Sampler } from '../../actors/balancer/sampler.ts'
import { readTopology } from '../../actors/balancer/topology.ts'
import { acquireCluster, type Cluster } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { closedError } from '../../actors/connection/connection.ts'
import { createDial } from '../../actors/connection/dial.ts'
import { headroomIn } from '../../machines/balancer/headroom.ts'
import type { Topology } from '../../machines/balancer/model.ts'
import { planMoves } from '../../machines/balancer/planner.ts'
import type { ConsumerOptions } from '../options/consumer-options.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { openSettings } from '../options/security.ts'
import { clusterKey } from '../options/sharing.ts'
import type { BalancerParts, ResolvedBalancerOptions } from './balancer-options.ts'
import { metricReader } from './metric-reader.ts'
import { SampledLoad } from './sampled-load.ts'

export interface ClusterPartsOptions {
  /** How it connects; as resolved, and as a consumer is made with it. */
  readonly connection: Omit<ResolvedOptions, 'groupId' | 'topics'>
  readonly given: Pick<ConsumerOptions, 'brokers' | 'kafka'>
  readonly sampler: SamplerName
  /** Of the balancers that take turns with `auto-mq`. */
  readonly groupId: string
  readonly resolved: Pick<ResolvedBalancerOptions, 'execution' | 'cluster' | 'goals' | 'intervalMs'>
}

/** `kafka`: by Kafka's own protocol; `auto-mq`: what AutoMQ's brokers report into their topic of metrics. */
export type SamplerName = 'kafka' | 'auto-mq'

/** The default group of those balancers. */
export const balancersGroup = 'relisten-balancers'

interface Held {
  readonly cluster: Cluster
  readonly clientId: string
  readonly controls: KafkaControls
}

/** The Kafka sampler looks at logs as often as rounds come, within these bounds, in milliseconds: commits that lie closer together say little. */
const [leastBetweenLooksMs, mostBetweenLooksMs] = [15_000, 30_000]

/** Connects when the load is started, and lets go when it is stopped. */
export function clusterParts({ connection, given, sampler, groupId, resolved }: ClusterPartsOptions): BalancerParts {
  let opened: Held | undefined
  const held = (): Held => {
    if (opened) return opened
    throw closedError('The balancer')
  }
  const open = async (): Promise<Sampler> => {
    const { security, clientId: clientIdOf } = await openSettings(connection.kafka)
    const clientId = clientIdOf()
    const clusterId = () => connection.clusterId ?? opened?.cluster.clusterId
    const dial = createDial({ ...connection, security, clusterId })
    const key = clusterKey({ ...connection, brokers: given.brokers, kafka: given.kafka })
    const cluster = acquireCluster({ ...connection, dial, key, brokers: createSource(connection.brokers) })
    opened = { cluster, clientId, controls: new KafkaControls({ cluster, dial, clientId }) }
    if (sampler === 'auto-mq')
      return new AutoMqSampler(metricReader({ consumer: { ...given, groupId, logger: false } }))
    const source = new KafkaLogSource({ cluster, dial, clientId })
    const intervalMs = Math.min(mostBetweenLooksMs, Math.max(leastBetweenLooksMs, resolved.intervalMs))
    return new KafkaSampler({ source, intervalMs })
  }
  const release = () => {
    opened?.controls.close()
    opened?.cluster.release()
    opened = undefined
  }
  const topology = async (signal: AbortSignal): Promise<Topology> => {
    const { cluster, clientId } = held()
    return readTopology((frame, given) => cluster.ask(frame, given), clientId, signal)
  }
  const load = new SampledLoad({ open, release })
  const { execution, cluster, goals } = resolved
  const parts = { load, topology, plan: planMoves }
  if (!execution) return parts
  const { settings, takeBack, bytesPerSecond = null } = execution
  const rates = (now: Topology) =>
    bytesPerSecond === null
      ? headroomIn(now, load.loads(Date.now()), cluster, goals.capacityShare)
      : () => bytesPerSecond
  const controls = () => held().controls
  return { ...parts, execution: new PlanExecution({ controls, settings: { ...settings, rates }, takeBack }) }
}
