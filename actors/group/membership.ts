/**
 * A membership: the place of one session in its consumer group. It knows member id and generation from the wire, sends
 * the heartbeats (KafkaJS has none in the background), commits, leaves, and tells KafkaJS when it has to rejoin.
 *
 * A rebalance in order: our heartbeat hears of it → handlers settle and their progress is committed under the old
 * generation → only then does KafkaJS hear of it and join again.
 */

import type { Fact, PartitionsByTopic } from '../../machines/fact.ts'
import { type Failure, messageOf, remedyFor } from '../../machines/failure.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import { calls } from '../kafkajs/calls.ts'
import { apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import {
  groupErrorOf,
  heartbeatAnswer,
  leaveGroupAnswer,
  offsetFetchErrorOf,
  readJoin,
  readOffsetCommit,
  readSync,
} from '../protocol/group-answers.ts'
import { idRequest } from '../protocol/requests.ts'
import { held } from '../wire/link.ts'
import type { Coordinator } from './coordinator.ts'

export interface MembershipOptions {
  readonly epoch: number
  readonly groupId: string
  readonly coordinator: Coordinator
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly emit: (fact: Fact) => void
  /** Lets handlers of this generation settle and commits what they did, by a deadline below the rebalance timeout. */
  readonly settle: () => Promise<void>
  /** Answers an OffsetFetch: where reading begins. `ask` asks the coordinator what is committed. */
  readonly fetchOffsets: (request: Buffer, ask: (request: Buffer) => Promise<Buffer>) => Promise<Buffer>
  /** The group gives us these partitions; KafkaJS has not heard of it yet. */
  readonly onSync: (partitions: PartitionsByTopic) => void
  /** The group has given our partitions to others. */
  readonly lost: () => void
  /** KafkaJS gave up a position that is out of range. */
  readonly reset: (topic: string, partition: number) => void
  /** The group turned us away, and waiting does not change it. */
  readonly refused: (failure: Failure) => void
  /** Ends KafkaJS's long polls, so that it asks at once whether it has to rejoin. */
  readonly hurry: () => void
}

/** Offsets to commit, by topic. */
export type Offsets = readonly {
  readonly topic: string
  readonly partitions: readonly {
    readonly partition: number
    readonly offset: string
    readonly metadata?: string | null
  }[]
}[]

/** How long KafkaJS may take to rejoin after it was told to, in milliseconds. */
const rejoinWithinMs = 5000
/** The silence after which a connection counts as suspect, where a request of KafkaJS's is answered at once; in milliseconds. */
const answeredAtOnceMs = 1000

export class Membership {
  memberId = ''
  generation = -1
  /** When the coordinator last confirmed the membership, in milliseconds since the epoch. */
  confirmedAt = 0
  private readonly options: MembershipOptions
  private isLeader = false
  private isAsking = false
  /** What KafkaJS's next heartbeat is told. */
  private verdict: number = errorCodes.none
  private state: 'outside' | 'joining' | 'stable' | 'settling' | 'closed' = 'outside'
  private nextBeat: NodeJS.Timeout | undefined
  private rejoinDeadline: NodeJS.Timeout | undefined
  private settling: Promise<void> | undefined

  constructor(options: MembershipOptions) {
    this.options = options
  }

  get joined(): boolean {
    return this.state === 'stable' || this.state === 'settling'
  }

  /** From the moment KafkaJS asks to join until it asks for its assignment. */
  get asking(): boolean {
    return this.isAsking
  }

  /** A topic has more partitions than the group has given away: whoever leads the group lets it join again, in order. */
  grow(): void {
    if (this.state === 'stable' && this.isLeader) this.heed(errorCodes.rebalanceInProgress)
  }

  /** Whether it is on its way into the group, or into the next generation: the coordinator may hold its requests. */
  get joining(): boolean {
    return this.state === 'joining'
  }

  /** Whether its time in the group is over: it left, was lost, or its session is closed. */
  get closed(): boolean {
    return this.state === 'closed'
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
    const { coordinator, groupId } = this.options
    const { memberId, generation } = this
    const call = calls.heartbeat(groupId, memberId, generation)
    const { errorCode } = await coordinator.call(call, (answer) => answer.errorCode, { withinMs, silenceMs: 500 })
    if (generation === this.generation && this.joined) this.heed(errorCode)
    return errorCode
  }

  /** Commits under this member and generation. Resolves with the error code of each partition, in the order asked. */
  async commit(offsets: Offsets, withinMs: number): Promise<number[]> {
    const { coordinator, groupId } = this.options
    const { memberId, generation } = this
    const call = calls.offsetCommit(groupId, memberId, generation, offsets)
    const { responses } = await coordinator.call(
      call,
      (answer) => answer.responses[0]?.partitions[0]?.errorCode ?? errorCodes.none,
      { withinMs, silenceMs: 500 },
    )
    const codes = responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, errorCode }) => [`${topic}/${partition}`, errorCode] as const),
    )
    const byPartition = new Map(codes)
    const told = offsets.flatMap(({ topic, partitions }) =>
      // Whatever the answer leaves out is not known to be committed.
      partitions.map(({ partition }) => byPartition.get(`${topic}/${partition}`) ?? errorCodes.unknownServerError),
    )
    const worst = told.find((code) => code !== errorCodes.none)
    if (worst !== undefined && generation === this.generation && this.state === 'stable') this.heed(worst)
    return told
  }

  /** Leaves the group: the member's partitions go to others at once. True when it is gone, also when it already was. */
  async leave(withinMs: number): Promise<boolean> {
    const { memberId } = this
    this.close()
    return memberId === '' || this.evict(memberId, withinMs)
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
    this.stopTimers()
    this.state = 'closed'
  }

  private async answerTo(request: Buffer): Promise<Buffer> {
    switch (apiKeyOf(request)) {
      case apiKeys.heartbeat:
        return heartbeatAnswer(this.verdict).answer()
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
      const { epoch, emit } = this.options
      const message = `The group gave no assignment: ${messageOf(error)}`
      if (this.generation >= 0 && !this.closed)
        emit({ type: 'session.stalled', epoch, failure: { kind: 'session-silent', message } })
      throw error
    }
  }

  private async join(request: Buffer): Promise<Buffer> {
    this.stopTimers()
    // After a rebalance that our heartbeat heard of, all has settled already.
    if (this.state === 'stable' || this.settling) await this.settle()
    if (this.state !== 'closed') this.state = 'joining'
    this.isAsking = true
    this.verdict = errorCodes.none
    if (this.closed) throw closedError('This membership')
    const answer = await this.requestJoin(request)
    const { errorCode, generation, leaderId, memberId } = readJoin(answer)
    // Named even when the answer is MEMBER_ID_REQUIRED: from here on the broker waits for this member. Durable before KafkaJS
    // joins under it, or a process that is killed then leaves a member that nobody can evict.
    if (memberId !== '' && memberId !== this.memberId) {
      this.memberId = memberId
      this.options.emit({ type: 'member.named', epoch: this.options.epoch, memberId })
    }
    if (errorCode === errorCodes.none) this.generation = generation
    this.isLeader = errorCode === errorCodes.none && leaderId === memberId
    // It left while its join was held: KafkaJS would join again, under an id nobody knows of.
    if (this.closed) throw closedError('This membership')
    return answer
  }

  private async requestJoin(request: Buffer): Promise<Buffer> {
    const brief = idRequest(request)
    if (!brief) return this.forwardJoin(request, held)
    const answer = await this.forwardJoin(brief, answeredAtOnceMs)
    return groupErrorOf(answer) === errorCodes.invalidSessionTimeout
      ? this.forwardJoin(request, answeredAtOnceMs)
      : answer
  }

  private async sync(request: Buffer): Promise<Buffer> {
    this.isAsking = false
    const answer = await this.forwardJoin(request, held)
    if (groupErrorOf(answer) === errorCodes.none) this.options.onSync(readSync(answer))
    if (groupErrorOf(answer) === errorCodes.none && this.state !== 'closed') {
      this.state = 'stable'
      this.confirmedAt = Date.now()
      this.beat()
    }
    return answer
  }

  private forwardJoin(request: Buffer, silenceMs: number): Promise<Buffer> {
    const { coordinator, rebalanceTimeoutMs } = this.options
    return coordinator.send(request, groupErrorOf, { withinMs: rebalanceTimeoutMs + 10_000, silenceMs })
  }

  /** The next heartbeat, one interval from now, with a little jitter so that members do not beat in step. */
  private beat(): void {
    clearTimeout(this.nextBeat)
    if (!this.joined) return
    const { heartbeatIntervalMs } = this.options
    this.nextBeat = setTimeout(
      async () => {
        // Out of reach, or not understood: the next beat asks again, and a member that was forgotten meanwhile is told so.
        await this.heartbeat(10_000).catch(() => {})
        this.beat()
      },
      heartbeatIntervalMs * (0.9 + Math.random() * 0.1),
    )
  }

  private heed(errorCode: number): void {
    const { epoch, emit } = this.options
    const { memberId, generation } = this
    if (errorCode === errorCodes.none) this.confirmedAt = Date.now()
    else if (errorCode === errorCodes.rebalanceInProgress || errorCode === errorCodes.illegalGeneration) {
      if (this.state !== 'stable') return
      emit({ type: 'group.rebalancing', epoch, generation })
      void this.settle().then(() => this.rejoin(errorCode))
    } else if (errorCode === errorCodes.unknownMemberId) {
      this.close()
      const message = `The coordinator does not know member ${memberId} of generation ${generation}`
      const failure: Failure = { kind: 'member-lost', message, code: 'UNKNOWN_MEMBER_ID' }
      this.options.lost()
      emit({ type: 'member.lost', epoch, memberId, failure })
    } else if (errorCode === errorCodes.groupAuthorizationFailed) {
      const message = `The coordinator refused member ${memberId} of group ${this.options.groupId}`
      this.refuse({ kind: 'not-authorized', message, code: 'GROUP_AUTHORIZATION_FAILED' })
    }
  }

  private refuse(failure: Failure): void {
    if (this.closed) return
    this.close()
    this.options.refused(failure)
  }

  private settle(): Promise<void> {
    if (this.state === 'stable') this.state = 'settling'
    this.settling ??= this.options.settle().finally(() => {
      this.settling = undefined
    })
    return this.settling
  }

  /** KafkaJS hears of the rebalance at its next heartbeat, which follows the end of its long polls. */
  private rejoin(errorCode: number): void {
    if (this.state !== 'settling') return
    this.verdict = errorCode
    this.options.hurry()
    const { epoch, emit } = this.options
    const { generation } = this
    this.rejoinDeadline = setTimeout(() => {
      if (this.state !== 'settling' || this.generation !== generation) return
      const message = `KafkaJS was told to rejoin and did not within ${rejoinWithinMs} ms`
      emit({ type: 'session.stalled', epoch, failure: { kind: 'session-silent', message } })
    }, rejoinWithinMs)
  }

  private stopTimers(): void {
    clearTimeout(this.nextBeat)
    clearTimeout(this.rejoinDeadline)
  }
}
