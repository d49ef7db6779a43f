/** A member: one consumer of the group under test, of whatever client, seen through what a scenario needs of it. */
import type { ConsumerOptions } from '../../../src/index.ts'
import type { Ledger } from './ledger.ts'

/** A message as a scenario's handler gets it. */
export interface Handed {
  readonly member: string
  /** `here`, or the id of a process of its own. */
  readonly process: string
  readonly partition: number
  readonly offset: number
  readonly sequence: number
  readonly sentAt: number
  /** When it was handled in a process of its own, milliseconds since the epoch; otherwise it is handled now. */
  readonly at?: number
  readonly signal: AbortSignal
}

export type Handler = (handed: Handed) => Promise<void> | void

/** What a client is told when a member of it is made. */
export interface MemberTask {
  readonly name: string
  readonly brokers: ConsumerOptions['brokers']
  readonly groupId: string
  readonly topic: string
  readonly handle: Handler
  /** Further topics, for relisten only: what their messages are given to. */
  readonly beside?: { readonly topics: readonly string[]; readonly handle: Handler } | undefined
  /** Options of relisten beside those above; other clients read those of them that they know. */
  readonly options: Partial<Omit<ConsumerOptions, 'eachMessage' | 'eachBatch'>>
}

export interface Member {
  readonly name: string
  /** Resolves when it has joined. */
  start(): Promise<void>
  stop(): Promise<void>
  /** The newest generation it belonged to; 0 before the first join. */
  generation(): number
  /** Partitions it owns now, in order. */
  partitions(): number[]
  /** Throws unless the fold of its journal is its live state. */
  assertReplay?(): void
  /** What it told, a line each, oldest first: read when a figure does not hold. */
  story?(): string[]
}

export type Client<Kind extends Member = Member> = (task: MemberTask) => Kind

/** Wraps a scenario's handler so that every hand-out is in the ledger. */
export const recorded =
  (ledger: Ledger, handle: Handler = () => {}): Handler =>
  async (handed) => {
    const { signal: _, at, ...message } = handed
    const handOut = ledger.begin({ ...message, startedAt: at ?? Date.now() })
    try {
      await handle(handed)
    } catch (error) {
      handOut.threw = true
      throw error
    }
    handOut.endedAt = at
    ledger.end(handOut)
  }
