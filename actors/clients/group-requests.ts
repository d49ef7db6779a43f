/** A client's requests about groups and transactions: each goes to the coordinator of its group or transactional id, wherever that is now. */

import type { Cluster } from '../cluster/cluster.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { Coordinator, type Patience } from '../group/coordinator.ts'
import { JoinRequests } from '../group/join-request.ts'
import {
  commitErrorOf,
  deleteErrorIn,
  describeErrorOf,
  forGroup,
  groupOf,
  groupsOf,
  joined,
  rebalanceTimeoutOf,
  transactionOf,
} from '../protocol/client-requests.ts'
import { apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import { groupErrorOf, offsetFetchErrorOf } from '../protocol/group-answers.ts'
import {
  committedOffsetsAnswer,
  isUnstable,
  readStableOffsets,
  stableOffsetFetch,
  stableVersion,
} from '../protocol/stable-offsets.ts'
import { sleep } from '../time/sleep.ts'
import type { Link } from '../wire/link.ts'

export interface GroupRequestsOptions {
  readonly cluster: Cluster
  readonly clientId: string
  readonly linkTo: (nodeId: number, mayBeHeld: boolean) => Link
  /** Groups that a client has joined, over whichever connection. */
  readonly joined: Set<string>
  /** How long a request may take, in milliseconds. */
  readonly requestTimeoutMs: number
  /** The wire is there. */
  readonly signal: AbortSignal
}

/** While the transaction before is being completed a coordinator says so; KafkaJS does not try again. */
const unlessConcurrent =
  (errorOf: (frame: Buffer) => number) =>
  (frame: Buffer): number => {
    const code = errorOf(frame)
    return code === errorCodes.concurrentTransactions ? errorCodes.coordinatorLoadInProgress : code
  }

/** Where the error about a coordinator is in the answer to each of these requests. */
const errorIn: ReadonlyMap<number, (frame: Buffer) => number> = new Map([
  [apiKeys.heartbeat, groupErrorOf],
  [apiKeys.leaveGroup, groupErrorOf],
  [apiKeys.offsetFetch, offsetFetchErrorOf],
  [apiKeys.offsetCommit, commitErrorOf],
  [apiKeys.txnOffsetCommit, unlessConcurrent(commitErrorOf)],
  [apiKeys.describeGroups, describeErrorOf],
  [apiKeys.deleteGroups, (frame) => deleteErrorIn(frame).errorCode],
])
const ofGroups: ReadonlySet<number> = new Set([...errorIn.keys(), apiKeys.joinGroup, apiKeys.syncGroup])

const ofTransactions: ReadonlyMap<number, (frame: Buffer) => number> = new Map([
  [apiKeys.initProducerId, unlessConcurrent(groupErrorOf)],
  [apiKeys.addOffsetsToTxn, unlessConcurrent(groupErrorOf)],
  [apiKeys.endTxn, unlessConcurrent(groupErrorOf)],
  [apiKeys.addPartitionsToTxn, unlessConcurrent(commitErrorOf)],
])

/** How long a coordinator may be silent where it answers at once, in milliseconds. */
const silenceMs = 1000
/** The rebalance timeout of a client that syncs without a join over this wire, in milliseconds: KafkaJS's default. */
const usualRebalanceMs = 60_000

interface Group {
  readonly coordinator: Coordinator
  rebalanceTimeoutMs: number
}

export class GroupRequests {
  private readonly options: GroupRequestsOptions
  private readonly groups = new Map<string, Group>()

  constructor(options: GroupRequestsOptions) {
    this.options = options
  }

  static isOne(request: Buffer): boolean {
    const apiKey = apiKeyOf(request)
    // The id of an idempotent producer comes from any broker.
    if (ofTransactions.has(apiKey)) return transactionOf(request) !== null
    return ofGroups.has(apiKey)
  }

  answer(request: Buffer): Promise<Buffer> {
    const apiKey = apiKeyOf(request)
    if (apiKey === apiKeys.describeGroups) return this.each(request, (one, group) => this.send(one, group))
    if (apiKey === apiKeys.deleteGroups) return this.each(request, (one, group) => this.remove(one, group))
    const ofTransaction = ofTransactions.get(apiKey)
    if (ofTransaction) return this.send(request, transactionOf(request) ?? '', 'transaction', ofTransaction)
    const groupId = groupOf(request)
    if (apiKey === apiKeys.offsetFetch && this.isMember(groupId)) return this.stableOffsets(request, groupId)
    if (apiKey !== apiKeys.joinGroup && apiKey !== apiKeys.syncGroup) return this.send(request, groupId)
    const group = this.group(groupId)
    if (apiKey === apiKeys.joinGroup) {
      this.options.joined.add(groupId)
      group.rebalanceTimeoutMs = rebalanceTimeoutOf(request)
    }
    const { coordinator, rebalanceTimeoutMs } = group
    const heartbeat = async () => errorCodes.none
    const joins = new JoinRequests({ groupId, coordinator, rebalanceTimeoutMs, heartbeat, onSuperseded: () => {} })
    return apiKey === apiKeys.joinGroup ? joins.join(request, -1) : joins.sync(request)
  }

  /** Several groups may have several coordinators. */
  private async each(request: Buffer, answer: (one: Buffer, group: string) => Promise<Buffer>): Promise<Buffer> {
    return joined(await Promise.all(groupsOf(request).map((group) => answer(forGroup(request, group), group))))
  }

  private send(
    request: Buffer,
    group: string,
    of: 'group' | 'transaction' = 'group',
    errorOf = errorIn.get(apiKeyOf(request)) ?? groupErrorOf,
  ): Promise<Buffer> {
    const patience: Patience = { withinMs: this.options.requestTimeoutMs, silenceMs }
    return this.group(group, of).coordinator.send(request, errorOf, patience)
  }

  /** Whether who asks reads on from these offsets: an admin only looks at them. */
  private isMember(group: string): boolean {
    const { cluster, joined } = this.options
    return joined.has(group) && cluster.speaks(apiKeys.offsetFetch, stableVersion)
  }

  /** What an open transaction is about to commit is waited for: a member that begins before it would read twice. KafkaJS repeats the error that is left. */
  private async stableOffsets(request: Buffer, group: string): Promise<Buffer> {
    const { clientId, requestTimeoutMs, signal } = this.options
    const end = performance.now() + requestTimeoutMs
    const errorOf = (frame: Buffer) => readStableOffsets(frame).errorCode
    const tries = new Streak()
    for (;;) {
      const answer = await this.send(stableOffsetFetch(request, clientId), group, 'group', errorOf)
      const offsets = readStableOffsets(answer)
      tries.failed(bounds.lookUp)
      const isLate = performance.now() + tries.waitMs > end
      if (!isUnstable(offsets) || isLate || signal.aborted) return committedOffsetsAnswer(offsets)
      await sleep(tries.waitMs, signal)
    }
  }

  /** A group that was there, and is not when the request has gone out again, was deleted by it. */
  private async remove(request: Buffer, group: string): Promise<Buffer> {
    const { coordinator } = this.group(group)
    const wasThere = await coordinator.isThere().catch(() => false)
    const answer = await this.send(request, group)
    const { errorCode, errorAt } = deleteErrorIn(answer)
    if (wasThere && errorCode === errorCodes.groupIdNotFound) answer.writeInt16BE(errorCodes.none, errorAt)
    return answer
  }

  private group(groupId: string, of: 'group' | 'transaction' = 'group'): Group {
    const { options } = this
    const key = `${of} ${groupId}`
    const known = this.groups.get(key) ?? {
      coordinator: new Coordinator({ ...options, groupId, of }),
      rebalanceTimeoutMs: usualRebalanceMs,
    }
    this.groups.set(key, known)
    return known
  }
}
