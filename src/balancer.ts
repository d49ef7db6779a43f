/** `relisten/balancer`: brings a cluster into balance, round by round, and says why. In a dry run plans are shown, and nothing is moved. */

export type { Decision } from '../machines/balancer/decision.ts'
export type { GoalSettings, Imbalance, Step, Stillness, Violation } from '../machines/balancer/plan.ts'
export type { Balancer } from './balancer/balancer.ts'
export type { BalancerFactMessage } from './balancer/balancer-channel.ts'
export type { BalancerOptions, ExecutionOptions } from './balancer/balancer-options.ts'
export type { BalancerStatus } from './balancer/balancer-status.ts'
export { type ClusterBalancerOptions, createBalancer } from './balancer/cluster-balancer.ts'
