/**
 * A membership: the place of one session in its consumer group. The machine says what may happen and when; here are the requests: KafkaJS's own
 * joins and syncs, heartbeats (KafkaJS sends none), commits, and leaving.
 *
 * A rebalance in order: our heartbeat hears of it → handlers settle and their progress is committed under the old
 * generation → only then does KafkaJS hear of it and join again.
 */

import { waitFor } from 'xstate'
import { type Failure, messageOf, remedyFor } from '../../machines/failure.ts'
import type { MembershipEvent } from '../../machines/membership.ts'
import type { PartitionsByTopic } from '../../machines/topic-partition.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import { calls, type GroupMember, type Offsets } from '../kafkajs/calls.ts'
import { apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import {
  groupErrorOf,
  leaveGroupAnswer,
  offsetFetchErrorOf,
  readJoin,
  readOffsetCommit,
  readSync,
} from '../protocol/group-answers.ts'
import type { Coordinator } from './coordinator.ts'
import { answeredAtOnceMs, JoinRequests } from './join-request.ts'
import { type Member, type MemberOptions, startMember } from './member.ts'
import { commitOffsets } from './offset-commit.ts'
import type { RejoinOptions } from './rejoin.ts'
import { supersededBy } from './superseded.ts'

export interface MembershipOptions extends Omit<MemberOptions, 'onLost'>, Pick<RejoinOptions, 'interruptPolls'> {
  readonly groupId: string
  /** Of a static member (KIP-345): whoever joins under it takes the place of who did before, and nobody leaves. */
  readonly groupInstanceId?: string | undefined
  /** Members of ours that may still be in the group. */
  readonly members?: (() => readonly string[]) | undefined
  readonly coordinator: Coordinator
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  /** Answers an OffsetFetch: where reading begins. `ask` asks the coordinator what is committed. */
  readonly fetchOffsets: (request: Buffer, ask: (request: Buffer) => Promise<Buffer>) => Promise<Buffer>
  /** The group gives us these partitions; KafkaJS has not heard of it yet. */
  readonly onSync: (partitions: PartitionsByTopic) => void
  /** Whether every partition that there is is among these, which the group has given to its members. */
  readonly isAllGiven: (given: readonly PartitionsByTopic[]) => boolean
  /** The group has given our partitions to others. */
  readonly onLost: () => void
  /** KafkaJS gave up a position that is out of range. */
  readonly reset: (topic: string, partition: number) => void
}

export class Membership {
  /** Who it is, as a broker named it last; empty before. */
  memberId = ''
  /** The generation of the newest join that was accepted. */
  generation = -1
  private readonly options: MembershipOptions
  private readonly member: Member
  private readonly requests: JoinRequests
  private isLeader = false
  private isAsking = false
  private isBack = false // perhaps, into a generation that goes on

  constructor(options: MembershipOptions) {
    this.options = options
    this.requests = new JoinRequests({
      ...options,
      heartbeat: (withinMs) => this.heartbeat(withinMs),
      onSuperseded: (failure) => this.refuse(failure),
    })
    this.member = startMember({
      ...options,
      intervalMs: options.heartbeatIntervalMs,
      beat: () => this.heartbeat(10_000),
      onLate: (message) => this.stalled(message),
      onLost: (failure) => {
        options.onLost()
        options.emit({ type: 'member.lost', epoch: options.epoch, memberId: this.memberId, failure })
      },
    })
  }

  /** Whether it counts in the generation that it has, for heartbeats and commits. */
  get joined(): boolean {
    const { value } = this.member.getSnapshot()
    return !this.closed && (value === 'stable' || value === 'settling' || value === 'rejoining')
  }

  /** From the moment KafkaJS asks to join until it asks for its assignment. */
  get asking(): boolean {
    return this.isAsking
  }

  /** Whether it is on its way into the group, or into the next generation: the coordinator may hold its requests. */
  get joining(): boolean {
    return this.is('joining')
  }

  /** Whether KafkaJS, where it fetches, is to join again: it was told to, or has given up a join, as it fetches nothing while it waits for one. */
  get rejoining(): boolean {
    return this.is('rejoining') || this.joining
  }

  /** Whether its time in the group is over: it left, was lost, or its session is closed. */
  get closed(): boolean {
    return this.member.getSnapshot().status !== 'active'
  }

  /** A topic has more partitions than the group has given away: whoever leads the group lets it join again, in order. */
  grow(): void {
    if (this.isLeader) this.handleGroupError(errorCodes.rebalanceInProgress, this.generation)
  }

  /** Answers a group request of KafkaJS's. Rejects with a ConnectionError when the coordinator is out of reach, or turns us away. */
  async answer(request: Buffer): Promise<Buffer> {
    try {
      return await this.answerTo(request)
    } catch (error) {
      // KafkaJS would ask for ever: for it a connection has failed.
      if (error instanceof ConnectionError && remedyFor(error.failure.kind) === 'give-up') this.refuse(error.failure)
      throw error
    }
  }

  /**
   * Sends a heartbeat now and resolves with its error code. Rejects with a ConnectionError when no coordinator answers
   * within `withinMs`.
   */
  async heartbeat(withinMs: number): Promise<number> {
    const { generation } = this
    const patience = { withinMs, silenceMs: 500 }
    const sent = this.options.coordinator.call(calls.heartbeat(this.identity), (got) => got.errorCode, patience)
    const { errorCode } = await sent
    this.handleGroupError(errorCode, generation)
    return errorCode
  }

  /** True when the coordinator accepts a heartbeat, sent now; while the member joins, when it knows the member. */
  async confirmed(withinMs: number): Promise<boolean> {
    const { joining } = this
    const code = await this.heartbeat(withinMs)
    // Its generation is over, or not there yet, and it is none but the member's own.
    if (code === errorCodes.illegalGeneration) return joining || this.joining
    return code === errorCodes.none || code === errorCodes.rebalanceInProgress
  }

  /** Commits under this member and generation. Resolves with the error code of each partition, in the order asked. */
  async commit(offsets: Offsets, withinMs: number): Promise<number[]> {
    const { generation } = this
    const codes = await commitOffsets(this.options.coordinator, this.identity, offsets, withinMs)
    const worst = codes.find((code) => code !== errorCodes.none)
    // While handlers settle, the heartbeats judge.
    if (worst !== undefined && this.is('stable')) this.handleGroupError(worst, generation)
    return codes
  }

  /** Leaves the group: the member's partitions go to others at once; those of a static one wait for it. True when it is gone, also when it already was. */
  async leave(withinMs: number): Promise<boolean> {
    const { memberId, options } = this
    this.send({ type: 'leave.requested', epoch: options.epoch })
    return memberId === '' || options.groupInstanceId !== undefined || this.evict(memberId, withinMs)
  }

  /** Takes a member of ours out of the group, by its id. True when it is gone. */
  async evict(memberId: string, withinMs: number): Promise<boolean> {
    const { coordinator, groupId, epoch, emit } = this.options
    const call = calls.leaveGroup(groupId, memberId)
    const answer = await coordinator.call(call, (got) => got.errorCode, { withinMs, silenceMs: 500 })
    const code = answer.members?.[0]?.errorCode ?? answer.errorCode
    const gone = code === errorCodes.none || code === errorCodes.unknownMemberId
    if (gone) emit({ type: 'member.evicted', epoch, memberId })
    return gone
  }

  /** Ends the heartbeats. */
  close(): void {
    this.member.stop()
  }

  private get identity(): GroupMember {
    const { groupId, groupInstanceId } = this.options
    return { groupId, groupInstanceId, memberId: this.memberId, generation: this.generation }
  }

  private async answerTo(request: Buffer): Promise<Buffer> {
    switch (apiKeyOf(request)) {
      case apiKeys.leaveGroup:
        return leaveGroupAnswer().answer()
      case apiKeys.offsetCommit: {
        const { partitions, answer } = readOffsetCommit(request)
        for (const { topic, partition } of partitions) this.options.reset(topic, partition)
        return answer.answer()
      }
      case apiKeys.joinGroup:
        return this.orReplaced(this.join(request))
      case apiKeys.syncGroup:
        return this.orReplaced(this.sync(request))
      default:
        return this.options.fetchOffsets(request, (asked) => {
          const patience = { withinMs: 30_000, silenceMs: answeredAtOnceMs }
          return this.options.coordinator.send(asked, offsetFetchErrorOf, patience)
        })
    }
  }

  /**
   * Where a later join comes to nothing, KafkaJS goes on with what it was given before, and joins again only for new partitions, once for each
   * node: the session is replaced in order.
   */
  private async orReplaced(answer: Promise<Buffer>): Promise<Buffer> {
    try {
      return await answer
    } catch (error) {
      if (this.generation >= 0 && !this.closed) this.stalled(`The group gave no assignment: ${messageOf(error)}`)
      throw error
    }
  }

  private stalled(message: string): void {
    const { epoch, emit } = this.options
    emit({ type: 'session.stalled', epoch, failure: { kind: 'session-silent', message } })
  }

  private async join(request: Buffer): Promise<Buffer> {
    // After a rebalance that our heartbeat heard of, all has settled already.
    this.send({ type: 'join.requested', epoch: this.options.epoch })
    if (this.is('settling')) await waitFor(this.member, ({ value }) => value !== 'settling').catch(() => {})
    this.isAsking = true
    this.send({ type: 'join.sent' })
    if (!this.joining) throw closedError('This membership')
    const isFirst = this.memberId === ''
    // A group that goes on with a static member in its former place names the leader as it was called then.
    const formerMembers = this.options.members?.() ?? []
    const answer = await this.requests.join(request, this.generation)
    const { errorCode, generation, leaderId, memberId } = readJoin(answer)
    // Named even when the answer is MEMBER_ID_REQUIRED: from here on the broker waits for this member. Durable before KafkaJS
    // joins under it, or a process that is killed then leaves a member that nobody can evict.
    if (memberId !== '' && memberId !== this.memberId) {
      this.memberId = memberId
      this.options.emit({ type: 'member.named', epoch: this.options.epoch, memberId })
    }
    if (errorCode === errorCodes.none) this.generation = generation
    this.isBack = isFirst && this.options.groupInstanceId !== undefined && leaderId !== memberId
    this.isLeader = errorCode === errorCodes.none && (leaderId === memberId || formerMembers.includes(leaderId))
    // It left while its join was held: KafkaJS would join again, under an id nobody knows of.
    if (this.closed) throw closedError('This membership')
    return answer
  }

  private async sync(request: Buffer): Promise<Buffer> {
    this.isAsking = false
    const answer = await this.requests.sync(request)
    if (groupErrorOf(answer) === errorCodes.none) {
      const { memberId, generation } = this
      this.options.onSync(readSync(answer))
      this.send({ type: 'member.joined', epoch: this.options.epoch, memberId, generation })
      if (this.isBack) void this.lookAtGiven().catch(() => {})
    }
    return answer
  }

  /** What came while a static member was away is nobody's. Where the leader asks to join, the group gives it away. */
  private async lookAtGiven(): Promise<void> {
    const { generation } = this
    const given = await this.options.coordinator.given()
    if (!this.options.isAllGiven(given)) this.handleGroupError(errorCodes.rebalanceInProgress, generation)
  }

  private is(state: ReturnType<typeof this.member.getSnapshot>['value']): boolean {
    return !this.closed && this.member.getSnapshot().value === state
  }

  /** Gives the machine an event; whatever comes after its end says nothing any more. */
  private send(event: MembershipEvent): void {
    if (!this.closed) this.member.send(event)
  }

  /** What an answer that was asked for under this generation says of the member. The machine knows whether that still counts. */
  private handleGroupError(errorCode: number, generation: number): void {
    const { epoch, groupId } = this.options
    const { memberId } = this
    if (errorCode === errorCodes.rebalanceInProgress || errorCode === errorCodes.illegalGeneration) {
      this.send({ type: 'group.rebalancing', epoch, generation })
    } else if (errorCode === errorCodes.unknownMemberId) {
      const message = `The coordinator does not know member ${memberId} of generation ${generation}`
      const failure: Failure = { kind: 'member-lost', message, code: 'UNKNOWN_MEMBER_ID' }
      this.send({ type: 'member.fenced', epoch, generation, failure })
    } else if (errorCode === errorCodes.fencedInstanceId && generation === this.generation) {
      this.refuse(supersededBy(groupId, this.options.groupInstanceId))
    } else if (errorCode === errorCodes.groupAuthorizationFailed && generation === this.generation && this.joined) {
      const message = `The coordinator refused member ${memberId} of group ${groupId}`
      this.refuse({ kind: 'not-authorized', message, code: 'GROUP_AUTHORIZATION_FAILED' })
    }
  }

  private refuse(failure: Failure): void {
    this.send({ type: 'member.refused', epoch: this.options.epoch, failure })
  }
}
