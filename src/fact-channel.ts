/** The diagnostics channel of facts. */

import { type Channel, channel } from 'node:diagnostics_channel'
import type { Consumer } from './consumer.ts'
import type { AnyRecord } from './journal/journal.ts'

/** `relisten:fact`: a fact of a consumer is recorded. */
export interface FactMessage {
  readonly consumer: Consumer
  readonly record: AnyRecord
}

export const factChannel = channel('relisten:fact') as Channel<unknown, FactMessage>
