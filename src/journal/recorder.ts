/** The recorder: puts each step of the machines into its envelope, appends it to the journal, and tells the subscribers. */

import { errorBeside, type HandlerError } from '../../actors/delivery/handler-error.ts'
import { withoutSecrets } from '../../actors/security/secrets.ts'
import type { Fact, Plan } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import { type SavedMachine, snapshotType } from '../../machines/machine-snapshot.ts'
import type { Append, Step } from '../../machines/recorded.ts'
import { stateName } from '../../machines/state-value.ts'
import { errorFrom, failureFrom } from '../error.ts'
import {
  type ChainEnd,
  canonicalJson,
  chainStart,
  type Journal,
  type JournalPolicy,
  type JournalRecord,
  sealed,
} from './journal.ts'
import { memoryJournal } from './memory-journal.ts'
import { nothingRemembered, remember } from './recovery.ts'
import { upcast } from './upcast.ts'

/** Hears of every record once it is durable; where it is about something that was thrown, with what the record does not keep of it. */
export type RecordListener = (record: JournalRecord, error?: HandlerError) => void

export interface RecorderOptions {
  readonly consumer: string
  readonly journal: Journal
  readonly machineVersion: string
  readonly onJournalError: JournalPolicy
}

export interface Recorder {
  /** For `recorded(machine, append)`. Throws when the journal fails and the policy is `stop-intake`, then and ever after. */
  readonly append: Append
  /** Records a fact on which no machine acts, as one of this actor's: its state and context are what they were. Throws as `append` does. */
  readonly note: (actor: string, fact: Fact) => void
  /** The journal in use: the given one, or the one in memory after it failed. */
  readonly journal: Journal
  /**
   * Subscribes to records, in order. A listener that throws harms nobody and stays subscribed. A journal that fails is told as a
   * `journal.failed` record, which is not stored if the policy is `stop-intake`. Returns the way out.
   */
  onFact(listener: RecordListener): () => void
  /** Drops the listeners and closes the journal. */
  close(): void
}

/** Builds a recorder that continues the journal where it ends. */
export function createRecorder({ consumer, journal, machineVersion, onJournalError }: RecorderOptions): Recorder {
  const listeners = new Set<RecordListener>()
  const untold: { readonly record: JournalRecord; readonly error?: HandlerError | undefined }[] = []
  /** Per actor, the newest record that changed it: whatever its effects report was started there. */
  const changedBy = new Map<string, number>()
  let inUse = journal
  let failure: Failure | undefined
  let telling = false
  let end: ChainEnd = chainStart
  let epoch = 0
  let remembered = nothingRemembered
  /** The machines as they are, for the next snapshot. */
  const machines: Record<string, SavedMachine> = {}
  let { repair } = journal
  for (const record of journal.read(journal.snapshotSeq)) {
    end = record
    epoch = record.epoch
    remembered = remember(remembered, upcast(record))
  }

  const append: Append = (step) => {
    if (failure && inUse === journal) throw errorFrom(failure)
    if (repair) {
      const content = ofJournal('journal.repaired', repair)
      repair = undefined
      store(content)
    }
    const { actor, type } = step
    const data = json(step.data)
    epoch = epochIn(step.context) ?? Math.max(epoch, epochIn(data) ?? 0)
    const cause = isFromOutside(type) ? null : (changedBy.get(actor) ?? null)
    const from = step.from === undefined ? null : stateName(step.from)
    const error = errorBeside(step.data.failure)
    store({ actor, type, data, from, to: stateName(step.to), plan: planIn(step.context), cause }, error)
    if (step.changed && !isOnlyNoted(type)) changedBy.set(actor, end.seq)
    machines[actor] = savedFrom(step)
    if (inUse.wantsSnapshot) store(ofJournal(snapshotType, { machines, remembered }))
    tell()
  }

  function store(content: Content, error?: HandlerError): void {
    try {
      keep(content, error)
    } catch (thrown) {
      if (inUse !== journal) throw thrown
      failure = failureFrom(thrown, 'journal-failed')
      const report = ofJournal('journal.failed', { failure, policy: onJournalError })
      closeQuietly(journal)
      if (onJournalError === 'stop-intake') {
        untold.push({ record: enveloped(report) })
        tell()
        throw errorFrom(failure)
      }
      inUse = memoryJournal({ after: end })
      keep(report)
      keep(content, error)
    }
  }

  function keep(content: Content, error?: HandlerError): void {
    const record = enveloped(content)
    inUse.append(record, end.seq)
    end = record
    remembered = remember(remembered, record)
    untold.push({ record, error })
  }

  const enveloped = (content: Content): JournalRecord =>
    sealed({ at: Date.now(), consumer, epoch, ...content, machineVersion }, end)

  /** A listener may cause the next record; that one is told after this one has been told to all. */
  function tell(): void {
    if (telling) return
    telling = true
    for (let next = untold.shift(); next; next = untold.shift()) {
      const { record, error } = next
      for (const listener of listeners) {
        try {
          const answer: unknown = listener(record, error)
          // A listener may be an async function.
          if (answer instanceof Promise) answer.catch(() => {})
        } catch {
          // Neither the machine nor the other listeners have anything to do with it.
        }
      }
    }
    telling = false
  }

  return {
    append,
    note(actor, { type, ...data }) {
      const saved = machines[actor]
      if (!saved) throw new Error(`No step of ${actor} was recorded yet`)
      const { value, context } = saved
      append({ actor, type, data, from: value, to: value, changed: false, context })
    },
    get journal() {
      return inUse
    },
    onFact(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      listeners.clear()
      closeQuietly(inUse)
    },
  }
}

type Content = Pick<JournalRecord, 'actor' | 'type' | 'data' | 'from' | 'to' | 'plan' | 'cause'>

/** What the journal says of itself. */
const ofJournal = (type: string, data: object): Content => {
  return { actor: 'journal', type, data: json(data), from: null, to: null, plan: null, cause: null }
}

const savedFrom = ({ type, to, context }: Step): SavedMachine => {
  return { value: to, context, stopped: type === 'actor.stopped' }
}

/** What the user, a client of theirs, the cluster or the source does has no record behind it. */
const isFromOutside = (type: string): boolean =>
  type.endsWith('.requested') ||
  type.startsWith('cluster.') ||
  type.startsWith('source.') ||
  ['actor.started', 'wires.opened', 'wires.closed'].includes(type)

/** The lifecycle keeps who is in the group and does nothing about it. */
const isOnlyNoted = (type: string): boolean => type === 'member.named' || type === 'member.evicted'

/**
 * The data as it will be read back, so that subscribers and readers of the journal see the same. What others wrote stands in the
 * messages and codes of failures; names and ids stay as they are, as a later life goes by them.
 */
function json(data: object): Readonly<Record<string, unknown>> {
  const text = canonicalJson(data)
  return JSON.parse(text, text.includes('"message":') ? withoutSecretsIn : undefined)
}

const withoutSecretsIn = (name: string, value: unknown): unknown =>
  (name === 'message' || name === 'code') && typeof value === 'string' ? withoutSecrets(value) : value

/** A machine with sessions keeps the newest epoch in its context. Other facts may name theirs, which may be an older one. */
function epochIn(holder: unknown): number | undefined {
  const epoch = (holder as { epoch?: unknown } | null | undefined)?.epoch
  return typeof epoch === 'number' ? epoch : undefined
}

/** Machines that make plans keep the one in force in their context. */
function planIn(context: unknown): Plan | null {
  const plan = (context as { plan?: Plan | null } | null | undefined)?.plan
  return plan ? { kind: plan.kind, reason: plan.reason } : null
}

function closeQuietly(journal: Journal): void {
  try {
    journal.close()
  } catch {
    // It is given up anyway, and what could be said about it has been said.
  }
}
