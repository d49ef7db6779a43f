/** The rounds of a balancer: the actors of its machine, each with the work of one state. */

import { fromCallback } from 'xstate'
import { deadline, within } from '../../actors/time/deadline.ts'
import { sleep } from '../../actors/time/sleep.ts'
import type { RoundInput } from '../../machines/balancer/balancing.ts'
import { type Decision, decisionOf } from '../../machines/balancer/decision.ts'
import { clusterModel } from '../../machines/balancer/model.ts'
import type { Unfinished } from '../../machines/balancer/unfinished.ts'
import type { Fact } from '../../machines/fact.ts'
import { type Failure, FailureError } from '../../machines/failure.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import { failureFrom } from '../error.ts'
import type { FactRecord, JournalRecord } from '../journal/journal.ts'
import type { BalancerParts, ResolvedBalancerOptions } from './balancer-options.ts'

/** The age of the newest sample is looked at this often, in milliseconds. */
const lookMs = 1000
/** A cluster that is not read by then is read in the next round, in milliseconds. */
const readWithinMs = 30_000
/** Samples from after a plan was carried out are awaited for this time, in milliseconds. */
const settleWithinMs = 120_000
/** The source of loads may take this time to stop, in milliseconds. */
const stopWithinMs = 5000

export class Rounds {
  private readonly parts: BalancerParts
  private readonly options: ResolvedBalancerOptions
  /** When the newest round began, when a plan was carried out, and when the cluster had settled after it; in milliseconds since 1970. */
  private begunAt = 0
  private executedAt = 0
  private settledAt = 0
  private decision: Decision | undefined
  private readonly cooling = new Map<string, number>()
  /** What changes the cluster: taking up what an earlier life has left, then one plan after the other. */
  private carried: Promise<unknown> = Promise.resolve()
  private readonly stopping = new AbortController()

  constructor(parts: BalancerParts, options: ResolvedBalancerOptions) {
    this.parts = parts
    this.options = options
  }

  /** Takes in a record, of this life or an earlier one: a partition that a step was for is left alone for a time, whatever came of it. */
  note(record: JournalRecord): void {
    const { type, data, at } = record as FactRecord
    if (type === 'step.ended') this.cooling.set(partitionKey(data), at + this.options.coolDownMs)
  }

  /** `emit` takes the facts of the source of loads, and of what is carried out; `unfinished` is what an earlier life has left. */
  actors(emit: (fact: Fact) => void, unfinished: Unfinished) {
    const { intervalMs } = this.options
    return {
      sampling: fromCallback<Fact>(({ sendBack }) => this.watch(sendBack, emit, unfinished)),
      observe: timed(
        () => this.begunAt + intervalMs - Date.now(),
        (round) => {
          this.begunAt = Date.now()
          return { type: 'round.begun', round }
        },
      ),
      decide: task((round, signal) => this.decide(round, signal)),
      propose: fromCallback<Fact, RoundInput>(({ input: { round }, sendBack }) => {
        if (this.parts.execution) sendBack({ type: 'execution.begun', round })
        else sendBack({ type: 'round.closed', round, result: 'proposed' })
      }),
      execute: task((round, signal) => this.execute(round, emit, signal)),
      settle: task((round, signal) => this.settle(round, signal)),
      coolDown: timed(
        () => this.settledAt + intervalMs - Date.now(),
        (round) => ({ type: 'cooling.ended', round }),
      ),
      shutDown: task(() => this.shutDown()),
    }
  }

  /** Says when figures become fresh and when they grow stale. */
  private watch(sendBack: (fact: Fact) => void, emit: (fact: Fact) => void, unfinished: Unfinished): () => void {
    const { load } = this.parts
    let isFresh = false
    const look = () => {
      const since = load.newestAt()
      const isNew = since !== null && Date.now() - since <= this.options.staleAfterMs
      if (isNew === isFresh) return
      isFresh = isNew
      const reason = since === null ? 'no-samples' : 'too-old'
      sendBack(isNew ? { type: 'samples.fresh' } : { type: 'samples.stale', since, reason })
    }
    let timer: NodeJS.Timeout | undefined
    const begin = () => {
      if (this.stopping.signal.aborted) return
      this.carried = this.takeUp(unfinished, emit).catch(() => {})
      timer = setInterval(look, lookMs)
      look()
    }
    load.start(emit).then(begin, (thrown) => {
      sendBack({ type: 'stop.requested', failure: failureIn(thrown, 'unreachable') })
    })
    return () => {
      clearInterval(timer)
      this.stopping.abort()
    }
  }

  /** The round that an earlier life has left is closed: what is best now is for the next one. */
  private async takeUp(unfinished: Unfinished, emit: (fact: Fact) => void): Promise<void> {
    const { round } = unfinished
    const { signal } = this.stopping
    const taken = await this.parts.execution?.takeUp(unfinished, { round: round ?? 0, emit, signal })
    if (taken && round !== null) emit({ type: 'execution.ended', round, ...taken })
  }

  private async decide(round: number, signal: AbortSignal): Promise<Fact> {
    const { topology, load, plan } = this.parts
    const { cluster, goals } = this.options
    try {
      await this.carried
      const places = await within(topology(signal), readWithinMs, 'The cluster was not read')
      const at = Date.now()
      for (const [key, until] of this.cooling) if (until <= at) this.cooling.delete(key)
      const model = clusterModel(places, load.loads(at), cluster, this.cooling, at)
      const decision = decisionOf({ round, at }, model, goals, plan(model, goals))
      if (!signal.aborted) this.decision = decision
      const { steps, bytes } = decision
      if (steps.length === 0) return { type: 'round.closed', round, result: 'still', decision }
      return { type: 'plan.proposed', round, steps: steps.length, bytes, decision }
    } catch (thrown) {
      return { type: 'round.closed', round, result: 'failed', failure: failureIn(thrown, 'bug') }
    }
  }

  private async execute(round: number, emit: (fact: Fact) => void, signal: AbortSignal): Promise<Fact> {
    const { decision, parts } = this
    // The machine comes here by a plan that was proposed, and only where something carries it out.
    if (!decision || !parts.execution) throw new Error('There is nothing to carry out, or nobody to do it')
    const carried = parts.execution.carryOut(decision.steps, { round, emit, signal })
    this.carried = carried.catch(() => {})
    const ended: Fact = { type: 'execution.ended', round, ...(await carried) }
    this.executedAt = Date.now()
    // It was stopped, and its state is left.
    if (signal.aborted) emit(ended)
    return ended
  }

  private async settle(round: number, signal: AbortSignal): Promise<Fact> {
    const until = Date.now() + settleWithinMs
    const isSettled = () => (this.parts.load.newestAt() ?? 0) > this.executedAt
    while (!isSettled() && Date.now() < until && !signal.aborted) await sleep(lookMs, signal)
    this.settledAt = Date.now()
    return { type: 'round.closed', round, result: 'executed' }
  }

  private async shutDown(): Promise<Fact> {
    const since = performance.now()
    const isReleased = await this.release()
    return { type: 'stop.completed', tookMs: Math.round(performance.now() - since), forced: !isReleased }
  }

  /** Ends what is being carried out, by its own deadlines, then lets go of what it stands on. Resolves with whether that came in time; never rejects. */
  async release(): Promise<boolean> {
    this.stopping.abort()
    await this.carried
    const stopped = this.parts.load.stop().then(
      () => true,
      () => false,
    )
    return deadline(stopped, stopWithinMs, () => false)
  }
}

/** An actor that ends with one fact; where its state is left before that, XState drops the fact. One that rejects is a bug. */
function task(work: (round: number, signal: AbortSignal) => Promise<Fact>) {
  return fromCallback<Fact, RoundInput>(({ input, sendBack }) => {
    const left = new AbortController()
    work(input.round, left.signal).then(sendBack, (thrown) => {
      sendBack({ type: 'stop.requested', failure: failureIn(thrown, 'bug') })
    })
    return () => left.abort()
  })
}

/** An actor that waits, and ends with one fact. */
function timed(waitMs: () => number, fact: (round: number) => Fact) {
  return fromCallback<Fact, RoundInput>(({ input, sendBack }) => {
    const timer = setTimeout(() => sendBack(fact(input.round)), Math.max(0, waitMs()))
    return () => clearTimeout(timer)
  })
}

const failureIn = (thrown: unknown, kind: Failure['kind']): Failure =>
  thrown instanceof FailureError ? thrown.failure : failureFrom(thrown, kind)
