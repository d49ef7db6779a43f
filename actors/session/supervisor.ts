/** The supervisor: holds the one session that lives, and those taken out of service until their members have left the group. */

import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { rebuildWithin } from '../connection/round-trip.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { Commits } from '../group/commits.ts'
import type { Membership } from '../group/membership.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import type { LinkPool } from '../wire/link-pool.ts'
import type { FetchRecord } from './fetch-record.ts'
import type { LogEnds } from './log-ends.ts'
import type { Session } from './session.ts'
import { since } from './task.ts'

/** What the supervisor and its tasks ask of a session. */
export type SupervisedSession = Pick<
  Session,
  'epoch' | 'open' | 'drain' | 'commit' | 'revoke' | 'fence' | 'salvage' | 'close'
> & {
  readonly membership: Pick<Membership, 'memberId' | 'confirmed' | 'leave' | 'evict'>
  readonly commits: Pick<Commits, 'commitMarks' | 'commitOffsets'>
  readonly routes: { readonly links: Pick<LinkPool, 'caughtUp' | 'recheck'> }
  readonly fetched: Pick<FetchRecord, 'takeLongestGap'>
  readonly ends: Pick<LogEnds, 'of' | 'refresh'>
}

export interface SupervisorOptions {
  readonly cluster: Cluster
  readonly dispatcher: Dispatcher
  readonly createSession: (epoch: number) => SupervisedSession
  readonly emit: (fact: Fact) => void
  /** Members of ours that may still be in the group. */
  readonly members: () => readonly string[]
  /** Of a static member: the next session takes the place of those before, and none is made to leave. */
  readonly groupInstanceId?: string | undefined
  readonly drainTimeoutMs: number
  readonly rebuildTimeoutMs: number
  readonly stopTimeoutMs: number
  /** How long brokers may not know of a topic or a right yet, in milliseconds. */
  readonly metadataLagMs: number
}

const salvageWithinMs = 2000
const closeWithinMs = 3000

export class Supervisor {
  /** The session that lives, or is about to. */
  session: SupervisedSession | undefined
  /** When the hand-over under way began; undefined: none is. */
  handoverAt: number | undefined
  /** Ends an attempt to reach the cluster. */
  onLoginRefused = () => {}
  readonly options: SupervisorOptions
  /** Sessions taken out of service whose members may still be in the group, and how far that is. */
  readonly discarded = new Map<SupervisedSession, Promise<void>>()
  private readonly refused = new Set<number>()
  private lastFailure: Failure | undefined
  private hasJoined = false
  /** Since when a topic or a right is missing, on the clock of `performance.now()`. */
  private missingSince: number | undefined

  constructor(options: SupervisorOptions) {
    this.options = options
  }

  /** The session under which the assignment in force may be committed; also one that is being taken out of service. */
  get committing(): SupervisedSession | undefined {
    const epoch = this.options.dispatcher.assignment?.epoch
    return [...(this.session ? [this.session] : []), ...this.discarded.keys()].find((each) => each.epoch === epoch)
  }

  /** What the cluster shows that matters here. */
  notice(fact: Fact): void {
    if (fact.type === 'endpoint.refused') {
      this.refused.add(fact.nodeId)
      this.session?.routes.links.recheck()
    }
    if (fact.type === 'endpoint.healed') this.refused.delete(fact.nodeId)
    if (fact.type === 'endpoint.refused' || fact.type === 'cluster.unreachable') this.lastFailure = fact.failure
    if (fact.type === 'cluster.reached') this.lastFailure = undefined
    if (this.lastFailure?.kind === 'login-refused') this.onLoginRefused()
  }

  /** Ends everything at once, without a word to the group: no fact can be recorded any more, so nothing may be done. */
  abandon(): void {
    void this.options.dispatcher.close(0)
    void this.closeAll(closeWithinMs)
  }

  /** `rebuildTimeoutMs`, or more where the brokers are far. */
  get rebuildWithinMs(): number {
    return rebuildWithin(this.options.rebuildTimeoutMs, this.options.cluster.lateMs)
  }

  /** A node that was refused, or left the cluster, is no part of the proof. */
  isLeftOut(nodeId: number): boolean {
    return this.refused.has(nodeId) || !this.options.cluster.book.names(nodeId)
  }

  /** Why the cluster can't be reached. */
  unreachable(): Failure {
    const message = 'No broker of the cluster could be reached'
    const failure = this.lastFailure ?? { kind: 'unreachable', message }
    // A login that a broker has accepted before is not simply wrong: its server may be away, or the password is on its way.
    const isPassing = failure.kind === 'login-refused' && this.options.cluster.pace.isLoginProven
    return isPassing ? { ...failure, kind: 'unreachable' } : failure
  }

  /** A fact of a session as it counts in this life of the consumer. */
  judge(fact: Fact): Fact {
    return fact.type === 'session.failed' ? { ...fact, failure: this.judged(fact.failure) } : fact
  }

  /**
   * A missing topic or right passes for as long as brokers may not know of it yet, and for good in a life that had it: what vanished from a
   * consumer that has joined is waited for.
   */
  private judged(failure: Failure): Failure {
    if (failure.kind !== 'topic-missing' && failure.kind !== 'not-authorized') return failure
    this.missingSince ??= performance.now()
    const isPassing = this.hasJoined || performance.now() - this.missingSince < this.options.metadataLagMs
    return isPassing ? { ...failure, isPassing } : failure
  }

  /**
   * Opens a session and joins. Resolves with what it failed with; undefined when it has joined. Once `signal` has aborted nothing more is
   * begun, and nobody hears how it ends.
   */
  async join(epoch: number, signal: AbortSignal): Promise<Failure | undefined> {
    signal.throwIfAborted()
    const session = this.options.createSession(epoch)
    this.session = session
    // Its membership could not be recorded, and the consumer has failed by that.
    if (signal.aborted) void session.close(closeWithinMs)
    signal.throwIfAborted()
    this.options.emit({ type: 'session.opened', epoch })
    try {
      await this.evictZombies(session)
      signal.throwIfAborted()
      await session.open()
      this.hasJoined = true
      this.missingSince = undefined
      this.notePlaceTaken(session, epoch)
      return undefined
    } catch (error) {
      return this.judged(fromKafkaJs(error))
    }
  }

  /** Takes the session out of service: fenced, its progress salvaged, its member evicted. Closing it goes on in the background. */
  async discard(): Promise<void> {
    const { session } = this
    if (!session) return
    this.session = undefined
    const discarded = this.takeOut(session)
    // A stop that comes in between finds it there, from before it is fenced.
    this.discarded.set(session, discarded)
    await discarded
  }

  /** How long the hand-over took that ends here, in milliseconds. */
  endHandover(): number {
    const tookMs = this.handoverAt === undefined ? 0 : since(this.handoverAt)
    this.handoverAt = undefined
    return tookMs
  }

  /** Closes all sessions there are. */
  readonly closeAll = async (withinMs: number): Promise<void> => {
    const all = [...this.discarded.keys(), ...(this.session ? [this.session] : [])]
    this.discarded.clear()
    this.session = undefined
    await Promise.all(all.map((each) => each.close(withinMs)))
  }

  private async takeOut(session: SupervisedSession): Promise<void> {
    await undefined
    session.fence()
    await this.options.dispatcher.close(0)
    await session.revoke()
    await session.salvage(salvageWithinMs)
    // One that can't leave now stays: the next session evicts its member before it joins.
    if (await session.membership.leave(salvageWithinMs).catch(() => false)) this.closeLeft(session)
  }

  /** Until its session times out, a member that is left behind keeps the group from giving its partitions to anybody. */
  private async evictZombies(session: SupervisedSession): Promise<void> {
    const { members, cluster, groupInstanceId } = this.options
    if (groupInstanceId !== undefined) return
    // Over connections of the new session: where brokers are far, the dial and its login alone take longer than that.
    const withinMs = rebuildWithin(salvageWithinMs, cluster.lateMs)
    for (const memberId of members()) await session.membership.evict(memberId, withinMs)
    for (const old of this.discarded.keys()) if (!members().includes(old.membership.memberId)) this.closeLeft(old)
  }

  /** Of a static member: those before are none any more, as this one has their place. */
  private notePlaceTaken({ membership }: SupervisedSession, epoch: number): void {
    const { members, groupInstanceId, emit } = this.options
    if (groupInstanceId === undefined) return
    const former = members().filter((memberId) => memberId !== membership.memberId)
    for (const memberId of former) emit({ type: 'member.evicted', epoch, memberId })
  }

  private closeLeft(session: SupervisedSession): void {
    this.discarded.delete(session)
    void session.close(closeWithinMs)
  }
}
