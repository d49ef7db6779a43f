/** The diagnostics channel of the facts of balancers. */

import { type Channel, channel } from 'node:diagnostics_channel'
import type { AnyRecord } from '../journal/journal.ts'
import type { BalancerStatus } from './balancer-status.ts'

/** `relisten:balancer-fact`: a fact of a balancer is recorded. */
export interface BalancerFactMessage {
  /** Its `clientId`. */
  readonly name: string
  readonly record: AnyRecord
  readonly status: () => BalancerStatus
}

export const balancerFactChannel = channel('relisten:balancer-fact') as Channel<unknown, BalancerFactMessage>
