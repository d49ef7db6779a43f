/**
 * The diagnostics channels (`node:diagnostics_channel`) of actors. Whoever wants to know subscribes by name; while nobody does, nothing is put
 * together. A subscriber runs in the place where it happens: it has to be quick. What it throws, Node reports as an uncaught exception.
 */

import { type Channel, channel } from 'node:diagnostics_channel'
import type { Failure } from '../../machines/failure.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'

/**
 * Why a connection is opened: for the first request to a node, or the first since nobody needed it (`first`), as the one before ended (`ended`), as
 * the node is elsewhere (`moved`), as its login expires (`login-expires`), beside one that is silent (`silent`), or to ask where the brokers are (`poll`).
 */
export type DialReason = 'first' | 'ended' | 'moved' | 'login-expires' | 'silent' | 'poll'

/** `relisten:dial`: an attempt to open a connection is over. */
export interface DialMessage {
  /** `host:port`. */
  readonly endpoint: string
  /** Who has to be there; undefined for anybody. */
  readonly nodeId: number | undefined
  readonly reason: DialReason | undefined
  readonly tookMs: number
  /**
   * Its steps in their order (`settings`, `lookup`, `connect`, `tls`, `login`, `answer`) and how long each took, in milliseconds. Empty where the connection was
   * taken over from the poller.
   */
  readonly steps: readonly { readonly step: string; readonly tookMs: number }[]
  /** Why there is no connection; undefined where there is one. Code `ABORT_ERR`: nobody wants it any more. */
  readonly failure: Failure | undefined
}

/**
 * Why a round of polling is begun early: a connection has ended (`connection-ended`), none could be opened (`dial-failed`), a broker is silent
 * (`silent`), a node is not known (`unknown-node`), somebody needs a newer answer (`outdated`), or `brokers` names others (`source-changed`).
 */
export type UpdateReason =
  | 'connection-ended'
  | 'dial-failed'
  | 'silent'
  | 'unknown-node'
  | 'outdated'
  | 'source-changed'

/** Why a round of polling began: it is the first, the interval is over, the one before had no response, a reported move waits for confirmation, or it was requested. */
export type PollReason = 'start' | 'interval' | 'unanswered' | 'unsettled' | UpdateReason

/** `relisten:poll`: a round of asking brokers where they all are is over. */
export interface PollMessage {
  /** The cluster's id; undefined before the first response. */
  readonly clusterId: string | undefined
  readonly reason: PollReason
  /** `host:port` of those that were asked. */
  readonly asked: readonly string[]
  readonly tookMs: number
  /** Why nobody has responded; undefined where somebody has. */
  readonly failure: Failure | undefined
}

/** `relisten:claim`: a broker reports a node elsewhere, which is not confirmed yet. Endpoints as `host:port`. */
export interface ClaimMessage {
  readonly clusterId: string | undefined
  readonly nodeId: number
  readonly from: string
  readonly to: string
}

/** `relisten:handler`: a call of `eachMessage` or `eachBatch` is over. */
export interface HandlerMessage extends TopicPartition {
  readonly groupId: string
  /** Of the first message. */
  readonly offset: string
  /** How many messages the call was given, and their bytes: keys, values and headers. */
  readonly messages: number
  readonly bytes: number
  readonly tookMs: number
  /** What it threw; undefined where it did not. */
  readonly error: unknown
}

/** `relisten:commit`: a commit of offsets is over. */
export interface CommitMessage {
  readonly groupId: string
  readonly partitions: number
  readonly tookMs: number
  /** Why it is not known to be committed; undefined where it is. */
  readonly failure: Failure | undefined
}

const named = <Message>(name: string) => channel(name) as Channel<unknown, Message>

export const dialChannel = named<DialMessage>('relisten:dial')
export const pollChannel = named<PollMessage>('relisten:poll')
export const claimChannel = named<ClaimMessage>('relisten:claim')
export const handlerChannel = named<HandlerMessage>('relisten:handler')
export const commitChannel = named<CommitMessage>('relisten:commit')
