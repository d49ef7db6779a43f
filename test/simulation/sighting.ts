// A sighting: something that was seen at a border of the consumer: in the brokers, on a socket, at a handler, on the disk. Oracles judge
// sightings and nothing else. What the library tells its user, a fact or whether it is ready, is one only so that it can be judged.

import type { Life } from './life.ts'

/** The life by its name; its process by the letters in front of the number. */
export type LifeName = Life['name']

export interface PartitionOffset {
  readonly partition: number
  readonly offset: number
}

export type Sighting =
  /** Something was written: a message, or a control record or part of a transaction that is taken back, which nobody reads. */
  | { readonly type: 'appended'; readonly partition: number; readonly offset: number; readonly isMessage: boolean }
  /** Offsets from `from` to below `to` are gone; where the log was cut or its topic deleted, they may be written anew. */
  | {
      readonly type: 'removed'
      readonly partition: number
      readonly from: number
      readonly to: number
      readonly how: 'trimmed' | 'cut' | 'deleted'
    }
  /** Nobody has to read these: the user sought past them, or the consumer is told to begin behind them. */
  | { readonly type: 'excused'; readonly partition: number; readonly from: number; readonly to: number }
  | {
      readonly type: 'started'
      readonly life: LifeName
      readonly partition: number
      readonly offset: number
      /** The first offset of its call: behind it, the handler goes on by itself in what it was handed, and asks nobody whether it may. */
      readonly from: number
      /** The message is or was in the log at this place. */
      readonly isGenuine: boolean
      /** And is there now. */
      readonly isCurrent: boolean
    }
  | {
      readonly type: 'handled'
      readonly life: LifeName
      readonly partition: number
      readonly offset: number
      readonly isCurrent: boolean
    }
  /** A batch handler is at work between its messages as well. */
  | { readonly type: 'called' | 'returned'; readonly life: LifeName; readonly partition: number }
  /** `from`: the first offset that its call had handed out and not resolved; what follows comes again. */
  | {
      readonly type: 'threw'
      readonly life: LifeName
      readonly partition: number
      readonly offset: number
      readonly from: number
    }
  /** A policy begins to decide about what its handler has failed for, could not, or said `retry`. */
  | { readonly type: 'asked' | 'undecided' | 'retried'; readonly life: LifeName; readonly partition: number }
  | { readonly type: 'signalled'; readonly life: LifeName; readonly partition: number; readonly offset: number }
  | { readonly type: 'sought'; readonly life: LifeName; readonly partition: number; readonly offset: number }
  /** From here on nothing of it is to be handed out, until it is resumed. */
  | { readonly type: 'paused'; readonly life: LifeName; readonly partition: number }
  | { readonly type: 'resumed'; readonly life: LifeName; readonly partition: number }
  /** The user asks for a commit of this offset; and it was told that the group has it. */
  | {
      readonly type: 'named' | 'acknowledged'
      readonly life: LifeName
      readonly partition: number
      readonly offset: number
    }
  /** The user asks for a commit of what was handled. */
  | { readonly type: 'commit-asked'; readonly life: LifeName }
  /** The coordinator took a commit. */
  | {
      readonly type: 'committed'
      readonly life: LifeName
      readonly partition: number
      readonly offset: number
      readonly memberId: string
      readonly generation: number
      /** When it left the consumer. */
      readonly sentAt: number
    }
  /** The coordinator told where the group stands. */
  | { readonly type: 'placed'; readonly life: LifeName; readonly partition: number; readonly offset: number }
  /** A broker has answered this life's fetch of a partition whose log was cut, or whose topic was made anew. */
  | { readonly type: 'read'; readonly life: LifeName; readonly partition: number }
  | { readonly type: 'join-sent'; readonly life: LifeName; readonly memberId: string }
  | {
      readonly type: 'joined'
      readonly life: LifeName
      readonly memberId: string
      readonly generation: number
    }
  | { readonly type: 'assigned'; readonly life: LifeName; readonly partitions: readonly number[] }
  | {
      readonly type: 'commit-sent'
      readonly life: LifeName
      readonly memberId: string
      readonly generation: number
      readonly offsets: readonly PartitionOffset[]
    }
  /** The answer that says a commit was taken has arrived. */
  | { readonly type: 'commit-confirmed'; readonly life: LifeName; readonly offsets: readonly PartitionOffset[] }
  /** The coordinator told a member that it is none any more. */
  | { readonly type: 'disowned'; readonly life: LifeName; readonly memberId: string }
  | { readonly type: 'left'; readonly life: LifeName; readonly memberId: string }
  | { readonly type: 'expired'; readonly life: LifeName; readonly memberId: string; readonly silentMs: number }
  | { readonly type: 'dialled'; readonly life: LifeName; readonly place: string; readonly isAllowed: boolean }
  | {
      readonly type: 'wrote'
      readonly life: LifeName
      readonly place: string
      readonly connection: number
      readonly apiKey: number
      readonly isAllowed: boolean
      readonly isForeign: boolean
      /** All that the journal holds is durable. */
      readonly isSynced: boolean
    }
  /** A dial that came to nothing: refused, reset, unanswered, or never asked who it is. */
  | { readonly type: 'dial-failed'; readonly life: LifeName; readonly place: string }
  | { readonly type: 'login-refused'; readonly life: LifeName; readonly place: string }
  /** The answer that says so has arrived. */
  | { readonly type: 'refusal-heard'; readonly life: LifeName; readonly place: string }
  | { readonly type: 'looked-up'; readonly life: LifeName; readonly name: string }
  /** The consumer left a connection whose broker was about to answer, over a network that carries everything. */
  | {
      readonly type: 'cut'
      readonly life: LifeName
      readonly place: string
      readonly apiKey: number
      /** Who asked; empty for requests that name no member. */
      readonly memberId: string
      readonly waitedMs: number
    }
  /** A connection that takes requests and answers nothing. `isHeld`: nothing waits over it but what a coordinator may hold. */
  | {
      readonly type: 'went-dark'
      readonly life: LifeName
      readonly connection: number
      readonly waits: boolean
      readonly isHeld: boolean
    }
  | { readonly type: 'closed'; readonly life: LifeName; readonly connection: number }
  | { readonly type: 'fault'; readonly kind: string }
  /** Its event loop does nothing for so long, or for so much longer. */
  | { readonly type: 'stands-still'; readonly life: LifeName; readonly forMs: number }
  | { readonly type: 'born'; readonly life: LifeName }
  | { readonly type: 'crashed'; readonly life: LifeName }
  | {
      readonly type: 'stop-asked'
      readonly life: LifeName
      readonly withinMs: number
      /** Handlers at work get their signal by then. */
      readonly drainWithinMs: number
    }
  | { readonly type: 'stopped'; readonly life: LifeName }
  | {
      readonly type: 'released'
      readonly life: LifeName
      readonly timers: number
      readonly sockets: number
      readonly descriptors: number
      readonly listeners: number
    }
  /** What the consumer tells its user, beside its messages. */
  | {
      readonly type: 'fact'
      readonly life: LifeName
      readonly fact: string
      readonly partition?: number
      readonly data: unknown
      /** The state of the machine before it. */
      readonly from?: unknown
    }
  /** A task of the running machine sends it a fact; `isAtWork`: its state is active. */
  | {
      readonly type: 'sent'
      readonly life: LifeName
      readonly fact: string
      readonly task: string
      readonly isAtWork: boolean
    }
  | { readonly type: 'ready'; readonly life: LifeName; readonly isReady: boolean }
  /** The library said that this record is durable. */
  | {
      readonly type: 'told'
      readonly life: LifeName
      readonly actor: string
      readonly seq: number
      readonly to: string
    }
  /** The state of the running machine. */
  | { readonly type: 'live'; readonly life: LifeName; readonly actor: string; readonly value: string }
  /** The journal as it stands on the disk. */
  | {
      readonly type: 'journal-read'
      readonly life: LifeName
      readonly lines: readonly string[]
      readonly isTorn: boolean
      readonly isSpoilt: boolean
      readonly isFinal: boolean
    }
  | { readonly type: 'artefact'; readonly life: LifeName; readonly what: string; readonly text: string }
  | { readonly type: 'escaped'; readonly life: LifeName; readonly message: string }
  /** No fault is under way any more. */
  | { readonly type: 'calm' }
  /** All is handled and committed, or the time for it is over. */
  | {
      readonly type: 'over'
      readonly partitions: readonly { readonly partition: number; readonly end: number; readonly committed: number }[]
    }
  | { readonly type: 'tick'; readonly isTroubled: boolean }
  | ProducerSighting

/** What is seen of producers. A message goes by its id, of which there is one. */
export type ProducerSighting =
  /** KafkaJS has written a partition's part of a Produce into its wire, whose answer is due by then. */
  | {
      readonly type: 'offered'
      readonly producer: string
      readonly request: number
      readonly partition: number
      readonly ids: readonly string[]
      readonly isIdempotent: boolean
      readonly withinMs: number
    }
  /** It was told what became of it. */
  | {
      readonly type: 'settled'
      readonly request: number
      readonly partition: number
      readonly code: number
      readonly offset: number
    }
  /** The library said that it has given up what was under way to these partitions, and of which of them it is not written. KafkaJS is told next. */
  | { readonly type: 'given-up'; readonly partitions: readonly number[]; readonly unwritten: readonly number[] }
  /** A leader has it in its log. */
  | { readonly type: 'stored'; readonly partition: number; readonly offset: number; readonly ids: readonly string[] }
  /** A user's `send` is over. */
  | {
      readonly type: 'send-ended'
      readonly ids: readonly string[]
      readonly isAcknowledged: boolean
      /** KafkaJS would try it again. */
      readonly isRetriable: boolean
      readonly error: string
    }
  /** The producers have sent their last. */
  | {
      readonly type: 'produced'
      /** Batches that were sent again and may be there twice, as `status()` counts them. */
      readonly repeated: number
      /** Producers whose last `send` was not acknowledged in time. */
      readonly behind: readonly string[]
    }

export type SightingOf<Type extends Sighting['type']> = Extract<Sighting, { type: Type }>
