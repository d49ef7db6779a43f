/** The diagnostics channels of facts: of consumers, and of balancers. */

import { type Channel, channel } from 'node:diagnostics_channel'
import type { BalancerStatus } from './balancer/balancer-status.ts'
import type { Consumer } from './consumer.ts'
import type { AnyRecord } from './journal/journal.ts'

/** `relisten:fact`: a fact of a consumer is recorded. */
export interface FactMessage {
  readonly consumer: Consumer
  readonly record: AnyRecord
}

export const factChannel = channel('relisten:fact') as Channel<unknown, FactMessage>

/** `relisten:balancer-fact`: a fact of a balancer is recorded. */
export interface BalancerFactMessage {
  /** Its `clientId`. */
  readonly name: string
  readonly record: AnyRecord
  readonly status: () => BalancerStatus
}

export const balancerFactChannel = channel('relisten:balancer-fact') as Channel<unknown, BalancerFactMessage>
