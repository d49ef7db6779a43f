/** The store: what the page knows of each consumer or journal, as it was sent. */

import type { BalancerStatus } from '../src/balancer/balancer-status.ts'
import type { Greeting } from '../src/inspector/feed.ts'
import type { JournalRecord } from '../src/journal/journal.ts'
import type { Remembered } from '../src/journal/recovery.ts'
import type { BrokerStatus } from '../src/views/broker-status.ts'
import type { PartitionStatus } from '../src/views/partition-status.ts'
import type { Status } from '../src/views/status.ts'
import type { Connection, Message } from './stream.ts'

/** What a consumer looks like now, or a balancer. */
export interface Look {
  readonly at: number
  readonly status: Status | undefined
  readonly balancer?: BalancerStatus
  readonly partitions: readonly (PartitionStatus & { readonly rate: number | undefined })[]
  readonly brokers: readonly BrokerStatus[]
}

export interface Log {
  readonly id: number
  readonly name: string
  readonly isOpen: boolean
  readonly isJournal: boolean
  readonly remembered: Remembered
  readonly dropped: number
  readonly records: JournalRecord[]
  readonly look: Look | undefined
}

export interface Store {
  readonly connection: Connection
  readonly greeting: Greeting | undefined
  readonly logs: ReadonlyMap<number, Log>
}

export const emptyStore: Store = { connection: 'connecting', greeting: undefined, logs: new Map() }

/** The store after a message. Records are appended where they are, as there may be many. */
export function storeAfter(store: Store, { event, data }: Message): Store {
  switch (event) {
    case 'hello':
      return { ...store, greeting: data as Greeting, logs: new Map() }
    case 'live':
      return { ...store, connection: 'live' }
    case 'logs':
      return {
        ...store,
        logs: new Map((data as Omit<Log, 'records' | 'look'>[]).map((log) => [log.id, merged(store, log)])),
      }
    case 'records': {
      const { log: id, from, records } = data as { log: number; from: number; records: JournalRecord[] }
      const log = store.logs.get(id)
      // What was sent twice, as after a list that came late, is there already.
      log?.records.push(...records.slice(Math.max(0, log.dropped + log.records.length - from)))
      return changed(store, log)
    }
    case 'look': {
      const { log: id, ...look } = data as { log: number } & Omit<Look, 'at'>
      const log = store.logs.get(id)
      return changed(store, log && { ...log, look: withRates(look, log.look, performance.now()) })
    }
    default:
      return store
  }
}

const merged = ({ logs }: Store, log: Omit<Log, 'records' | 'look'>): Log => {
  const known = logs.get(log.id)
  const { records = [], look, dropped = log.dropped } = known ?? {}
  return { ...log, records, look, dropped }
}

const changed = (store: Store, log: Log | undefined): Store =>
  log ? { ...store, logs: new Map(store.logs).set(log.id, { ...log }) } : store

/** Messages a second, from one look to the next. */
function withRates(look: Omit<Look, 'at'>, before: Look | undefined, at: number): Look {
  const known = new Map(before?.partitions.map((each) => [`${each.topic}/${each.partition}`, each.position]))
  const partitions = look.partitions.map((each) => {
    const from = known.get(`${each.topic}/${each.partition}`)
    const isKnown = before !== undefined && from != null && each.position !== null
    const rate = isKnown ? ((Number(each.position) - Number(from)) * 1000) / (at - before.at) : undefined
    return { ...each, rate }
  })
  return { ...look, at, partitions }
}
