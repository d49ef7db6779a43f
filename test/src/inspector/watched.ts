// A consumer as an inspector sees it, which says what a test lets it say.
import { type AnyRecord, type JournalRecord, sealed } from '../../../src/journal/journal.ts'
import type { Watched } from '../../../src/views/inspection.ts'
import { emptyStatus, viewStatus } from '../../../src/views/status.ts'

export interface FakeWatched extends Watched {
  /** A fact is recorded. */
  tell(content?: Partial<JournalRecord>): JournalRecord
  /** How often its status was asked for. */
  readonly asked: number
  /** Ends it. */
  end(): void
}

export function fakeWatched(groupId = 'orders'): FakeWatched {
  const listeners = new Set<(record: AnyRecord) => void>()
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  let newest = { seq: 0, checksum: '' }
  let asked = 0
  return {
    consumer: {
      groupId,
      status: () => {
        asked += 1
        return viewStatus(emptyStatus, 0)
      },
      partitions: () => [],
      on(_type, listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      ended,
    },
    brokers: () => [],
    tell(content = {}) {
      const open = { at: Date.now(), consumer: groupId, epoch: 1, actor: 'consumer', type: 'backoff.elapsed', data: {} }
      const states = { from: 'consuming', to: 'consuming', plan: null, cause: null, machineVersion: '4' }
      const record = sealed({ ...open, ...states, ...content }, newest)
      newest = record
      for (const listener of listeners) listener(record as AnyRecord)
      return record
    },
    get asked() {
      return asked
    },
    end: () => end(),
  }
}
