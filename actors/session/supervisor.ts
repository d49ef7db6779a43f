/**
 * The supervisor: does what the lifecycle machine asks for, and reports facts. It holds the one session that lives.
 * Each port ends with a fact; a port whose state was left goes on only as far as it must to leave nothing behind.
 */

import { fromCallback } from 'xstate'
import { backoffMs } from '../../machines/backoff.ts'
import type { Fact } from '../../machines/fact.ts'
import { type Failure, messageOf } from '../../machines/failure.ts'
import type { PortInput } from '../../machines/lifecycle.ts'
import { rebuildWithin } from '../connection/round-trip.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import { steadyNow } from '../time/steady-clock.ts'
import { timeLimit } from '../time/time-limit.ts'
import { within } from '../time/within.ts'
import { Session, type SessionOptions } from './session.ts'
import { watch } from './watchdog.ts'

export interface SupervisorOptions extends Omit<SessionOptions, 'epoch'> {
  /** Members of an earlier life of this consumer, which may still be in the group. Default none. */
  readonly predecessors?: readonly string[]
  readonly stopTimeoutMs: number
}

const salvageWithinMs = 2000
const closeWithinMs = 3000
const backoff = { baseMs: 250, capMs: 10_000 }

type Port = ReturnType<typeof fromCallback<Fact, PortInput>>

export class Supervisor {
  /** The session that lives, or is about to. */
  session: Session | undefined
  readonly ports: Readonly<Record<'open' | 'drain' | 'rebuild' | 'backOff' | 'shutDown', Port>>
  private readonly options: SupervisorOptions
  private readonly refused = new Set<number>()
  /**
   * Sessions taken out of service, and how far that is. Their members may still be in the group, where they block a join until their session
   * times out.
   */
  private readonly ghosts = new Map<Session, Promise<void>>()
  private lastFailure: Failure | undefined
  private unwatch = () => {}
  private onLoginRefused = () => {}
  private readonly predecessors: Set<string>
  private handoverAt = 0
  private isEnding = false
  private abandoned = false

  constructor(options: SupervisorOptions) {
    this.options = options
    this.predecessors = new Set(options.predecessors)
    this.ports = {
      open: this.port(({ epoch }, signal) => this.open(epoch, signal)),
      drain: this.port((input, signal) => this.drain(input, signal)),
      rebuild: this.port((input, signal) => this.rebuild(input, signal)),
      backOff: this.port(({ attempt }, signal) => this.backOff(attempt, signal)),
      shutDown: this.port((input) => this.shutDown(input)),
    }
  }

  /** What the cluster shows that matters here. */
  notice(fact: Fact): void {
    if (fact.type === 'endpoint.refused') {
      this.refused.add(fact.nodeId)
      this.session?.routes.recheck()
    }
    if (fact.type === 'endpoint.healed') this.refused.delete(fact.nodeId)
    if (fact.type === 'endpoint.refused' || fact.type === 'cluster.unreachable') this.lastFailure = fact.failure
    if (fact.type === 'cluster.reached') this.lastFailure = undefined
    if (this.lastFailure?.kind === 'login-refused') this.onLoginRefused()
  }

  /** Ends everything at once, without a word to the group: no fact can be recorded any more, so nothing may be done. */
  abandon(): void {
    this.abandoned = true
    this.unwatch()
    void this.options.dispatcher.close(0)
    for (const left of this.sessions()) void left.close(closeWithinMs)
  }

  private sessions(): Session[] {
    return [...this.ghosts.keys(), ...(this.session ? [this.session] : [])]
  }

  /** `rebuildTimeoutMs`, or more where the brokers are far. */
  private get rebuildWithinMs(): number {
    return rebuildWithin(this.options.rebuildTimeoutMs, this.options.cluster.lateMs)
  }

  private port(work: (input: PortInput, signal: AbortSignal) => Promise<void>): Port {
    return fromCallback<Fact, PortInput>(({ input }) => {
      const stop = new AbortController()
      work(input, stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted) return
        this.options.emit({ type: 'session.failed', epoch: input.epoch, failure: bugOf(error) })
      })
      return () => stop.abort()
    })
  }

  private async open(epoch: number, signal: AbortSignal): Promise<void> {
    const { cluster, emit } = this.options
    if (this.session) await this.discard(this.session)
    // More attempts with a login that was refused would lock the account.
    const refused = new AbortController()
    this.onLoginRefused = () => refused.abort()
    const limit = timeLimit(this.rebuildWithinMs, signal, refused.signal)
    try {
      await cluster.ready(limit.signal)
    } catch {
      if (!signal.aborted) emit({ type: 'session.failed', epoch, failure: this.unreachable() })
      return
    } finally {
      limit.abort()
    }
    await this.join(epoch, signal)
  }

  /** Opens a session and joins. The session itself reports that it joined. */
  private async join(epoch: number, signal: AbortSignal): Promise<boolean> {
    const { emit, dispatcher, maxWaitTimeInMs } = this.options
    for (const ghost of this.ghosts.keys()) {
      if (signal.aborted) return false
      await this.evict(ghost)
    }
    if (signal.aborted) return false
    const session = new Session({ ...this.options, epoch })
    this.session = session
    // Its membership could not be recorded.
    if (this.abandoned) {
      void session.close(closeWithinMs)
      return false
    }
    emit({ type: 'session.opened', epoch })
    try {
      await this.evictPredecessors(session)
      await session.open()
    } catch (error) {
      if (signal.aborted) return false
      emit({ type: 'session.failed', epoch, failure: fromKafkaJs(error) })
      return false
    }
    // A stop or a replacement that began while it joined has looked for what there was to end.
    if (!this.abandoned && !this.isEnding && this.session === session)
      this.unwatch = watch({ session, dispatcher, emit, maxWaitMs: maxWaitTimeInMs })
    return true
  }

  private async drain({ epoch, plan }: PortInput, signal: AbortSignal): Promise<void> {
    const { emit, drainTimeoutMs } = this.options
    const startedAt = performance.now()
    if (this.handoverAt === 0) this.handoverAt = startedAt
    const { session } = this
    let forced = false
    if (plan?.kind === 'in-place') {
      const isLeftOut = (nodeId: number) => this.isLeftOut(nodeId)
      forced = !(await session?.routes.caughtUp(isLeftOut, this.rebuildWithinMs, signal))
    } else {
      this.unwatch()
      forced = (await session?.drain(drainTimeoutMs)) ?? false
    }
    // Left for a replacement: the end of this drain must not be taken for that of the next one.
    if (signal.aborted) return
    emit({ type: 'drain.completed', epoch, tookMs: since(startedAt), forced })
  }

  private async rebuild({ epoch, plan }: PortInput, signal: AbortSignal): Promise<void> {
    return plan?.kind === 'in-place' ? this.prove(epoch, signal) : this.replace(epoch, signal)
  }

  /** In place: the connections are up; a heartbeat sent now shows that the member still counts. */
  private async prove(epoch: number, signal: AbortSignal): Promise<void> {
    const { emit } = this.options
    const { session, rebuildWithinMs } = this
    let failure: Failure = {
      kind: 'unproven',
      message: `No heartbeat was accepted within ${rebuildWithinMs} ms of the move`,
    }
    try {
      const isConfirmed = await session?.confirmed(rebuildWithinMs)
      // A newer move has interrupted this proof, and has its own.
      if (signal.aborted) return
      if (isConfirmed) return this.proven(epoch, Math.round(session?.fetched.takeLongestGap() ?? 0))
    } catch (error) {
      if (signal.aborted) return
      failure = { ...fromKafkaJs(error), kind: 'unproven' }
    }
    emit({ type: 'rebuild.unproven', epoch, failure })
  }

  private async replace(epoch: number, signal: AbortSignal): Promise<void> {
    const { cluster, emit } = this.options
    const limit = timeLimit(this.rebuildWithinMs, signal)
    try {
      // Probed before anything is given up: a cluster that can't be reached now is no better for a new session.
      await cluster.askedAfter(steadyNow(), limit.signal)
    } catch {
      if (!signal.aborted) emit({ type: 'session.failed', epoch, failure: this.unreachable() })
      return
    } finally {
      limit.abort()
    }
    const sealedAt = performance.now()
    if (this.session) await this.discard(this.session)
    if (await this.join(epoch, signal)) this.proven(epoch, since(sealedAt))
  }

  private proven(epoch: number, gapMs: number): void {
    const tookMs = this.handoverAt === 0 ? 0 : since(this.handoverAt)
    this.handoverAt = 0
    this.options.emit({ type: 'rebuild.proven', epoch, tookMs, gapMs })
  }

  /** Takes a session out of service: sealed, its progress salvaged, its member evicted. Closing it goes on in the background. */
  private discard(session: Session): Promise<void> {
    this.unwatch()
    if (this.session === session) this.session = undefined
    const discard = async () => {
      await undefined
      session.seal()
      await this.options.dispatcher.close(0)
      await session.salvage(salvageWithinMs)
      await this.evict(session)
    }
    const discarded = discard()
    // A stop that comes in between finds it there, from before it is sealed.
    this.ghosts.set(session, discarded)
    return discarded
  }

  /** Until its session times out, a member that was killed keeps the group from giving its partitions to anybody. */
  private async evictPredecessors(session: Session): Promise<void> {
    for (const memberId of this.predecessors) {
      if (await session.evict(memberId, salvageWithinMs)) this.predecessors.delete(memberId)
    }
  }

  private async evict(session: Session): Promise<void> {
    try {
      if (!(await session.leave(salvageWithinMs))) return
      this.ghosts.delete(session)
      void session.close(closeWithinMs)
    } catch {
      // It stays a ghost: the next session tries again before it joins.
    }
  }

  private async backOff(attempt: number, signal: AbortSignal): Promise<void> {
    const { emit } = this.options
    const waitMs = backoffMs(attempt, backoff, Math.random())
    emit({ type: 'retry.scheduled', attempt, waitMs })
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
    })
    if (!signal.aborted) emit({ type: 'backoff.elapsed', attempt })
  }

  /** Whatever hangs or throws, it ends by `stopTimeoutMs`. */
  private async shutDown({ epoch }: PortInput): Promise<void> {
    const { emit, stopTimeoutMs } = this.options
    const startedAt = performance.now()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), stopTimeoutMs)
    })
    let forced = true
    try {
      forced = await Promise.race([this.windDown(startedAt), late])
    } catch (error) {
      emit({ type: 'session.failed', epoch, failure: bugOf(error) })
    }
    clearTimeout(timer)
    for (const left of this.sessions()) void left.close(0)
    this.ghosts.clear()
    this.session = undefined
    emit({ type: 'stop.completed', tookMs: since(startedAt), forced })
  }

  /** Drains, commits, leaves, closes; each step by its share of the time. True when something had to be given up. */
  private async windDown(startedAt: number): Promise<boolean> {
    const { stopTimeoutMs, drainTimeoutMs, dispatcher } = this.options
    const left = (shareOf: number) => Math.max(0, startedAt + stopTimeoutMs * shareOf - performance.now())
    this.isEnding = true
    dispatcher.finish()
    this.unwatch()
    const { session } = this
    let forced = await dispatcher.close(Math.min(drainTimeoutMs, left(0.6)))
    // Sessions that are being replaced go on with that, and by the same shares.
    const gone = [...this.ghosts].map(async ([ghost, discarded]) => {
      await within(discarded, left(0.75), 'It was not taken out of service').catch(() => {})
      if (!this.ghosts.has(ghost)) return true
      await ghost.salvage(left(0.75))
      return ghost.leave(left(0.85)).catch(() => false)
    })
    if (session) {
      await session.commits.commitAll(left(0.75))
      forced = !(await session.leave(left(0.85)).catch(() => false)) || forced
      session.seal()
    }
    if ((await Promise.all(gone)).includes(false)) forced = true
    await Promise.all(this.sessions().map((each) => each.close(left(0.95))))
    this.ghosts.clear()
    this.session = undefined
    return forced
  }

  /** A node that was refused, or left the cluster, is no part of the proof. */
  private isLeftOut(nodeId: number): boolean {
    return this.refused.has(nodeId) || !this.options.cluster.book.names(nodeId)
  }

  private unreachable(): Failure {
    const message = 'No broker of the cluster could be reached'
    const failure = this.lastFailure ?? { kind: 'unreachable', message }
    // A login that a broker has accepted before is not simply wrong: its server may be away, or the password is on its way.
    const isPassing = failure.kind === 'login-refused' && this.options.cluster.pace.isLoginProven
    return isPassing ? { ...failure, kind: 'unreachable' } : failure
  }
}

/** Whole milliseconds since an instant of `performance.now()`: the clock of the day may be set back meanwhile. */
const since = (startedAt: number): number => Math.round(performance.now() - startedAt)

const bugOf = (error: unknown): Failure => ({ kind: 'bug', message: messageOf(error) })
