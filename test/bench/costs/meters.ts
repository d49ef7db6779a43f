/** Meters of a process: how often it dialled, looked up a name, and recorded a fact. They keep nothing of each. */
import { subscribe } from 'node:diagnostics_channel'
import type { LookupFunction } from 'node:net'
import { type Journal, memoryJournal } from '../../../src/index.ts'
import { lookUpBroker } from '../growth/broker-names.ts'

export interface Metered {
  readonly dials: number
  readonly lookUps: number
  readonly facts: number
  /** Of the facts, as they are written into a file. */
  readonly factBytes: number
}

export interface Meters {
  read(): Metered
  /** What a consumer is given, to be counted. */
  readonly given: { readonly lookup: LookupFunction; readonly journal: Journal }
}

/** Dials are counted from now on. */
export function startMeters(journalCapacity: number): Meters {
  const counts = { dials: 0, lookUps: 0, facts: 0, factBytes: 0 }
  subscribe('net.client.socket', () => {
    counts.dials++
  })
  const journal = memoryJournal({ capacity: journalCapacity })
  return {
    read: () => ({ ...counts }),
    given: {
      lookup(...question) {
        counts.lookUps++
        lookUpBroker(...question)
      },
      journal: {
        append(record, expectedSeq) {
          counts.facts++
          counts.factBytes += JSON.stringify(record).length
          journal.append(record, expectedSeq)
        },
        read: (from) => journal.read(from),
        close: () => journal.close(),
      },
    },
  }
}
