/** A balancer of a real cluster, from options as a consumer has them. */

import type { ConsumerOptions } from '../options/consumer-options.ts'
import { resolveOptions } from '../options/options.ts'
import { type Balancer, balancerOn } from './balancer.ts'
import { type BalancerOptions, resolveBalancerOptions } from './balancer-options.ts'
import { balancersGroup, clusterParts, type SamplerName } from './cluster-parts.ts'

/** How it connects, as a consumer does. */
type Connecting = Pick<ConsumerOptions, 'brokers'> &
  Partial<
    Pick<
      ConsumerOptions,
      | 'kafka'
      | 'clusterId'
      | 'expectedIdentity'
      | 'dialTimeoutMs'
      | 'lookup'
      | 'allowEndpoint'
      | 'allowInsecureTls'
      | 'allowInsecureLogin'
      | 'pollIntervalMs'
    >
  >

export interface ClusterBalancerOptions extends BalancerOptions, Connecting {
  /** Where the load is known from. Default `kafka`. */
  readonly sampler?: SamplerName
  /** The group of the balancers that take turns at reading, with `sampler: 'auto-mq'`. Default `relisten-balancers`. */
  readonly groupId?: string
}

/**
 * A balancer of the cluster that `brokers` lead to. It follows its brokers as a consumer does. Nothing connects before `start()`. Throws a
 * RelistenError with code `invalid-option`.
 */
export function createBalancer(options: ClusterBalancerOptions): Balancer {
  const { sampler = 'kafka', groupId = balancersGroup, ...rest } = options
  const { mode, execution, clientId, intervalMs, coolDownMs, staleAfterMs, goals, cluster, ...others } = rest
  const { journal, onJournalError, logger, inspect, ...given } = others
  const connection = resolveOptions({ ...given, groupId, topics: ['relisten'], eachMessage: () => {} })
  const resolved = resolveBalancerOptions(options)
  return balancerOn(clusterParts({ connection, given, sampler, groupId, resolved }), options)
}
