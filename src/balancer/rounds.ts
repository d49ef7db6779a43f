/** The rounds of a balancer: the actors of its machine, each with the work of one state. */

import { fromCallback } from 'xstate'
import { deadline, within } from '../../actors/time/deadline.ts'
import { sleep } from '../../actors/time/sleep.ts'
import type { RoundInput } from '../../machines/balancer/balancing.ts'
import { type Decision, decisionOf } from '../../machines/balancer/decision.ts'
import { clusterModel, partitionKey } from '../../machines/balancer/model.ts'
import type { Fact } from '../../machines/fact.ts'
import { type Failure, FailureError } from '../../machines/failure.ts'
import { failureFrom } from '../error.ts'
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

  constructor(parts: BalancerParts, options: ResolvedBalancerOptions) {
    this.parts = parts
    this.options = options
  }

  /** `emit` takes the facts of the source of loads. */
  actors(emit: (fact: Fact) => void) {
    const { intervalMs } = this.options
    return {
      sampling: fromCallback<Fact>(({ sendBack }) => this.watch(sendBack, emit)),
      observe: timed(
        () => this.begunAt + intervalMs - Date.now(),
        (round) => {
          this.begunAt = Date.now()
          return { type: 'round.begun', round }
        },
      ),
      decide: task((round, signal) => this.decide(round, signal)),
      propose: fromCallback<Fact, RoundInput>(({ input: { round }, sendBack }) => {
        if (this.parts.carryOut) sendBack({ type: 'execution.begun', round })
        else sendBack({ type: 'round.closed', round, result: 'proposed' })
      }),
      execute: task((round, signal) => this.execute(round, signal)),
      settle: task((round, signal) => this.settle(round, signal)),
      coolDown: timed(
        () => this.settledAt + intervalMs - Date.now(),
        (round) => ({ type: 'cooling.ended', round }),
      ),
      shutDown: task(() => this.shutDown()),
    }
  }

  /** Says when figures become fresh and when they grow stale. */
  private watch(sendBack: (fact: Fact) => void, emit: (fact: Fact) => void): () => void {
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
    const timer = setInterval(look, lookMs)
    load.start(emit).then(look, (thrown) => {
      sendBack({ type: 'stop.requested', failure: failureIn(thrown, 'unreachable') })
    })
    return () => clearInterval(timer)
  }

  private async decide(round: number, signal: AbortSignal): Promise<Fact> {
    const { topology, load, plan } = this.parts
    const { cluster, goals } = this.options
    try {
      const places = await within(topology(signal), readWithinMs, 'The cluster was not read')
      const at = Date.now()
      for (const [key, until] of this.cooling) if (until <= at) this.cooling.delete(key)
      const model = clusterModel(places, load.loads(at), cluster, this.cooling, at)
      const decision = decisionOf({ round, at }, model, goals, plan(model, goals))
      this.decision = decision
      const { steps, bytes } = decision
      if (steps.length === 0) return { type: 'round.closed', round, result: 'still', decision }
      return { type: 'plan.proposed', round, steps: steps.length, bytes, decision }
    } catch (thrown) {
      return { type: 'round.closed', round, result: 'failed', failure: failureIn(thrown, 'bug') }
    }
  }

  private async execute(round: number, signal: AbortSignal): Promise<Fact> {
    const { decision, parts } = this
    // The machine comes here by a plan that was proposed, and only where something carries it out.
    if (!decision || !parts.carryOut) throw new Error('There is nothing to carry out, or nobody to do it')
    const result = await parts.carryOut(decision, signal)
    this.executedAt = Date.now()
    for (const step of decision.steps) this.cooling.set(partitionKey(step), this.executedAt + this.options.coolDownMs)
    return { type: 'execution.ended', round, ...result }
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
    const stopped = this.parts.load.stop().then(
      () => true,
      () => false,
    )
    const isStopped = await deadline(stopped, stopWithinMs, () => false)
    return { type: 'stop.completed', tookMs: Math.round(performance.now() - since), forced: !isStopped }
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
