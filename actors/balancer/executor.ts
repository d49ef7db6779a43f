/**
 * The executor: carries out a plan, step by step. What is under way is read from the cluster in each turn, and nothing is asked for that the newest
 * reading does not call for: so an answer that was lost, or a process that was killed, moves nothing twice.
 */

import { type Moving, nextSteps } from '../../machines/balancer/batches.ts'
import type { Topology } from '../../machines/balancer/model.ts'
import type { Step } from '../../machines/balancer/plan.ts'
import { mayCancel, placeOf, type Sight, sightOf } from '../../machines/balancer/step-place.ts'
import type { Unfinished } from '../../machines/balancer/unfinished.ts'
import type { Fact, FactData } from '../../machines/fact.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import { errorCodes } from '../protocol/frames.ts'
import { sleep } from '../time/sleep.ts'
import { CarriedStep } from './carried-step.ts'
import type { Controls } from './controls.ts'
import { type EndReason, type Execution, type ExecutionProgress, Tally } from './execution-progress.ts'
import type { ExecutorSettings } from './execution-settings.ts'
import { Presence } from './presence.ts'
import type { Throttles } from './throttles.ts'

export interface ExecutorOptions {
  readonly controls: Controls
  /** Records a fact before it returns. */
  readonly emit: (fact: Fact) => void
  readonly round: number
  readonly settings: ExecutorSettings
  readonly throttles: Throttles
}

export class Executor {
  private readonly options: ExecutorOptions
  private waiting: readonly Step[] = []
  private readonly underWay = new Map<string, CarriedStep>()
  private tally = new Tally([])
  private presence: Presence
  private sizesAt = Number.NEGATIVE_INFINITY
  private ratedAt = performance.now()
  private seenAt = performance.now()
  /** When something was under way last. */
  private busyAt = performance.now()
  private stoppedAt: number | undefined
  private ended: { readonly reason: EndReason; readonly at: number } | undefined

  constructor(options: ExecutorOptions) {
    this.options = options
    this.presence = new Presence({ brokers: [] }, options.settings)
  }

  /** Carries out the steps. Resolves when none is under way any more and throttles are restored, as far as brokers can be reached. Never rejects. */
  async carryOut(steps: readonly Step[], signal: AbortSignal): Promise<Execution> {
    const { throttles, settings } = this.options
    this.waiting = steps
    this.tally = new Tally(steps)
    try {
      const topology = await this.firstReading(signal)
      if (topology && !this.ended)
        await throttles.set(steps, topology, settings.rates(topology)).catch(() => this.end('unthrottled'))
      await this.turns(signal)
    } finally {
      await throttles.restore()
    }
    return this.result()
  }

  /** Waits for what an earlier life has begun, under the same watch, and closes its steps. */
  async takeUp({ steps }: Unfinished, signal: AbortSignal): Promise<Execution> {
    const { throttles } = this.options
    this.end('restarted')
    try {
      const topology = await this.firstReading(signal)
      if (topology) {
        const sight = sightOf(topology)
        for (const step of steps.values()) {
          const carried = new CarriedStep({ ...step, why: 'replicas', wins: 0 })
          this.underWay.set(partitionKey(step), carried)
          // It had not been asked for, and is not asked for any more: what is best now is for the next round.
          if (placeOf(step, sight) === 'ahead') this.close(carried, 'failed', 'not-begun')
        }
      }
      await this.turns(signal)
    } finally {
      await throttles.restore()
    }
    return this.result()
  }

  progress(): ExecutionProgress {
    return this.tally.progress(this.waiting, [...this.underWay.values()])
  }

  private result(): Execution {
    const { done, failed } = this.tally
    return { moved: done, failed, ...(this.ended ? { reason: this.ended.reason } : {}) }
  }

  private end(reason: EndReason): void {
    this.ended ??= { reason, at: performance.now() }
  }

  private async firstReading(signal: AbortSignal): Promise<Topology | undefined> {
    while (true) {
      const topology = await this.look(signal)
      if (topology) this.presence = new Presence(topology, this.options.settings)
      if (topology || signal.aborted || this.isBlind()) return topology
      await sleep(this.options.settings.lookMs, signal)
    }
  }

  private async look(signal: AbortSignal): Promise<Topology | undefined> {
    if (signal.aborted) {
      this.stoppedAt ??= performance.now()
      this.end('stopped')
    }
    try {
      const topology = await this.options.controls.topology()
      this.seenAt = performance.now()
      return topology
    } catch {
      if (this.isBlind()) this.end('unreachable')
      return undefined
    }
  }

  private isBlind(): boolean {
    return performance.now() - this.seenAt > this.options.settings.blindMs
  }

  private async turns(signal: AbortSignal): Promise<void> {
    const { lookMs } = this.options.settings
    while (this.underWay.size > 0 || (!this.ended && this.waiting.length > 0)) {
      const topology = await this.look(signal)
      if (topology) await this.turn(topology)
      else if (this.isBlind()) for (const each of [...this.underWay.values()]) this.close(each, 'failed', 'unreachable')
      if (this.underWay.size === 0 && (this.ended || this.waiting.length === 0)) break
      await sleep(lookMs, this.ended ? undefined : signal)
    }
    this.tally.failed += this.waiting.length
    this.waiting = []
  }

  private async turn(topology: Topology): Promise<void> {
    const sight = sightOf(topology)
    await this.measure(sight)
    for (const carried of [...this.underWay.values()]) await this.follow(carried, sight)
    const reason = this.presence.see(sight, performance.now())
    if (reason) this.end(reason)
    if (this.ended) return
    if (!this.presence.isHeld) await this.begin(sight)
    await this.followRates(topology)
  }

  /** What of a step is to be done next, by what the cluster shows. */
  private async follow(carried: CarriedStep, sight: Sight): Promise<void> {
    const { electMs, cancelMs } = this.options.settings
    const place = placeOf(carried.step, sight)
    const now = performance.now()
    carried.see(place)
    if (place === 'done') return this.close(carried, 'done', null)
    if (place === 'moving') {
      const { cancelling } = carried
      if (!cancelling) carried.cancelling = this.cancelling(carried, now)
      else if (now - cancelling.at > cancelMs) return this.close(carried, 'failed', 'not-cancelled')
      if (carried.cancelling) await this.cancel(carried, sight)
      return
    }
    if (carried.cancelling) return this.close(carried, 'cancelled', carried.cancelling.reason)
    if (place === 'ordered') return this.elect(carried, now, electMs)
    // Brokers do not learn of changes at the same moment.
    if (place !== 'ahead') return carried.isOdd ? this.close(carried, 'failed', place) : undefined
    if (this.ended) return this.close(carried, 'failed', this.ended.reason)
    if (carried.isSpent) return this.close(carried, 'failed', carried.refusal ?? 'not-accepted')
    if (carried.isDue(now, this.options.settings.lookMs)) await this.ask(carried, now)
  }

  private cancelling(carried: CarriedStep, now: number): CarriedStep['cancelling'] {
    const reason = this.cancelReason(carried, now)
    return reason === undefined ? undefined : { reason, at: now }
  }

  /** Why a move is to be cancelled; undefined where it goes on. */
  private cancelReason(carried: CarriedStep, now: number): string | undefined {
    const { onStop, finishMs, stallMs } = this.options.settings
    if (this.presence.isLost(carried.step.to, now)) return 'broker-lost'
    if (carried.stillMs(now) >= stallMs) return 'stalled'
    if (this.stoppedAt !== undefined && onStop === 'cancel') return 'stopped'
    // What was taken up goes on for as long as it takes, unless it is stopped.
    const until = this.ended?.reason === 'restarted' ? this.stoppedAt : this.ended?.at
    return until !== undefined && now - until >= finishMs ? this.ended?.reason : undefined
  }

  /** Only where enough replicas of before can go on; otherwise it is looked at again in the next turn. */
  private async cancel({ step }: CarriedStep, { places, underWay }: Sight): Promise<void> {
    const [place, reassignment] = [places.get(partitionKey(step)), underWay.get(partitionKey(step))]
    if (!place || !reassignment) return
    try {
      if (!mayCancel(place, reassignment, await this.leastInSyncOf(step.topic))) return
      await this.options.controls.reassign([{ ...identity(step), replicas: null }])
    } catch {
      // The next reading shows whether it was carried out.
    }
  }

  private async elect(carried: CarriedStep, now: number, electMs: number): Promise<void> {
    carried.orderedAt ??= now
    if (now - carried.orderedAt > electMs) return this.close(carried, 'failed', 'not-elected')
    try {
      await this.options.controls.elect([identity(carried.step)])
    } catch {
      // The next reading shows whether it was carried out.
    }
  }

  private async ask(carried: CarriedStep, now: number): Promise<void> {
    const { step } = carried
    carried.asked(now)
    try {
      const errors = await this.options.controls.reassign([{ ...identity(step), replicas: step.replicas }])
      const code = errors.get(partitionKey(step)) ?? 0
      if (code !== errorCodes.none) carried.refuse(code)
    } catch {
      // The next reading shows whether it was carried out.
    }
  }

  private async begin(sight: Sight): Promise<void> {
    const { emit, round, settings } = this.options
    const ours = [...this.underWay.values()].map(({ step }): Moving => ({ ...step, from: [step.from], to: [step.to] }))
    const others = [...sight.underWay.values()].filter((each) => !this.underWay.has(partitionKey(each)))
    const foreign = others.map((each): Moving => {
      return { ...each, kind: 'replica', bytes: 0, from: each.removing, to: each.adding }
    })
    // What others have begun is never ours to wait for, or to replace.
    const theirs = new Set(others.map(partitionKey))
    for (const step of this.waiting.filter((each) => theirs.has(partitionKey(each)))) {
      // With the first step of a partition those after it end as well.
      if (!this.waiting.includes(step)) continue
      this.waiting = this.waiting.filter((each) => each !== step)
      this.close(new CarriedStep(step), 'failed', 'foreign')
    }
    const next = new Set(nextSteps(this.waiting, [...ours, ...foreign], settings.limits))
    this.waiting = this.waiting.filter((step) => !next.has(step))
    for (const step of next) {
      const { topic, partition, kind, from, to, replicas, bytes } = step
      emit({ type: 'step.begun', round, topic, partition, kind, from, to, replicas, bytes })
      const carried = new CarriedStep(step)
      this.underWay.set(partitionKey(step), carried)
      await this.follow(carried, sight)
    }
    const now = performance.now()
    if (this.underWay.size > 0) this.busyAt = now
    else if (now - this.busyAt >= settings.holdMs) this.end('held')
  }

  /** How much of each move is copied, by the replicas' own sizes. */
  private async measure({ brokers }: Sight): Promise<void> {
    const now = performance.now()
    const moves = [...this.underWay.values()].filter(({ step }) => step.kind === 'replica')
    if (moves.length === 0 || now - this.sizesAt < this.options.settings.sizesMs) return
    this.sizesAt = now
    for (const id of new Set(moves.map(({ step }) => step.to))) {
      // What can't be measured is not judged; a broker that is gone copies nothing.
      const sizes = brokers.has(id) ? await this.options.controls.sizes(id).catch(() => undefined) : new Map()
      for (const carried of moves)
        if (carried.step.to === id && sizes) carried.measured(sizes.get(partitionKey(carried.step)) ?? 0, now)
    }
  }

  private async followRates(topology: Topology): Promise<void> {
    const { throttles, settings } = this.options
    if (!throttles.isHolding || performance.now() - this.ratedAt < settings.rateMs) return
    this.ratedAt = performance.now()
    const steps = [...this.waiting, ...[...this.underWay.values()].map(({ step }) => step)]
    const moves = steps.filter(({ kind }) => kind === 'replica')
    // The rate of before goes on.
    await throttles.setRates(moves, topology, settings.rates(topology)).catch(() => {})
  }

  private async leastInSyncOf(topic: string): Promise<number> {
    const [entry] = await this.options.controls.configs([{ type: 'topic', name: topic }], ['min.insync.replicas'])
    return Number(entry?.value ?? 1)
  }

  private close(carried: CarriedStep, result: FactData['step.ended']['result'], reason: string | null): void {
    const { emit, round } = this.options
    const { topic, partition, kind, from, to } = carried.step
    this.underWay.delete(partitionKey(carried.step))
    const bytes = this.tally.count(carried, result === 'done')
    emit({ type: 'step.ended', round, topic, partition, kind, from, to, result, bytes, reason })
    // Later steps of the same partition begin where this one should have led.
    const later = this.waiting.filter((step) => partitionKey(step) === partitionKey(carried.step))
    if (result === 'done' || later.length === 0) return
    this.waiting = this.waiting.filter((step) => !later.includes(step))
    this.tally.failed += later.length
  }
}

const identity = ({ topic, partition }: Step) => ({ topic, partition })
