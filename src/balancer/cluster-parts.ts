/** What a balancer stands on, for a real cluster: a sampler, the topology, and the planner, over one shared look at the cluster. */

import { AutoMqSampler } from '../../actors/balancer/auto-mq-sampler.ts'
import { KafkaSampler } from '../../actors/balancer/kafka-sampler.ts'
import { KafkaLogSource } from '../../actors/balancer/log-source.ts'
import type { Sampler } from '../../actors/balancer/sampler.ts'
import { readTopology } from '../../actors/balancer/topology.ts'
import { acquireCluster, type Cluster } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { closedError } from '../../actors/connection/connection.ts'
import { createDial } from '../../actors/connection/dial.ts'
import type { Topology } from '../../machines/balancer/model.ts'
import { planMoves } from '../../machines/balancer/planner.ts'
import type { ConsumerOptions } from '../options/consumer-options.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { openSettings } from '../options/security.ts'
import { clusterKey } from '../options/sharing.ts'
import type { BalancerParts } from './balancer-options.ts'
import { metricReader } from './metric-reader.ts'
import { SampledLoad } from './sampled-load.ts'

export interface ClusterPartsOptions {
  /** How it connects; as resolved, and as a consumer is made with it. */
  readonly connection: Omit<ResolvedOptions, 'groupId' | 'topics'>
  readonly given: Pick<ConsumerOptions, 'brokers' | 'kafka'>
  readonly sampler: SamplerName
  /** Of the balancers that take turns with `auto-mq`. */
  readonly groupId: string
}

/** `kafka`: by Kafka's own protocol; `auto-mq`: what AutoMQ's brokers report into their topic of metrics. */
export type SamplerName = 'kafka' | 'auto-mq'

/** The default group of those balancers. */
export const balancersGroup = 'relisten-balancers'

/** Connects when the load is started, and lets go when it is stopped. */
export function clusterParts({ connection, given, sampler, groupId }: ClusterPartsOptions): BalancerParts {
  let held: { readonly cluster: Cluster; readonly clientId: string } | undefined
  const open = async (): Promise<Sampler> => {
    const { security, clientId } = await openSettings(connection.kafka)
    const clusterId = () => connection.clusterId ?? held?.cluster.clusterId
    const dial = createDial({ ...connection, security, clusterId })
    const key = clusterKey({ ...connection, brokers: given.brokers, kafka: given.kafka })
    const cluster = acquireCluster({ ...connection, dial, key, brokers: createSource(connection.brokers) })
    held = { cluster, clientId: clientId() }
    if (sampler === 'auto-mq')
      return new AutoMqSampler(metricReader({ consumer: { ...given, groupId, logger: false } }))
    return new KafkaSampler({ source: new KafkaLogSource({ cluster, dial, clientId: clientId() }) })
  }
  const release = () => {
    held?.cluster.release()
    held = undefined
  }
  const topology = async (signal: AbortSignal): Promise<Topology> => {
    if (!held) throw closedError('The balancer')
    const { cluster, clientId } = held
    return readTopology((frame, given) => cluster.ask(frame, given), clientId, signal)
  }
  return { load: new SampledLoad({ open, release }), topology, plan: planMoves }
}
