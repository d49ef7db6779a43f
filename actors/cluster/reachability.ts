/** Reachability: whether our cluster answers, as facts. One silence is one `cluster.unreachable`, ended by one `cluster.reached`. */

import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'

/** A silence is a fact after this time, counted from the start of the first refresh that failed, in milliseconds. */
const unreachableAfterMs = 1000

export class Reachability {
  private readonly emit: (fact: Fact) => void
  /** The newest good news, to be told again when the silence is over. */
  private reached: Extract<Fact, { type: 'cluster.reached' }> | undefined
  private silentSince: number | undefined
  private lastFailure: Failure | undefined
  private timer: NodeJS.Timeout | undefined
  private isTold = false
  private readonly foreign = new Set<string>()

  constructor(emit: (fact: Fact) => void) {
    this.emit = emit
  }

  /** The fact that says it is reached; undefined while it is not. */
  get current(): Fact | undefined {
    return this.isTold || this.refused ? undefined : this.reached
  }

  /** Whether another cluster answers where ours does not. */
  private get refused(): boolean {
    return this.foreign.size > 0 && (this.silentSince !== undefined || this.reached === undefined)
  }

  /** Our cluster answered at this endpoint. */
  answered(endpoint: string, clusterId: string, brokers: Readonly<Record<number, string>>): void {
    const isNews = this.reached === undefined || this.isTold || this.refused
    clearTimeout(this.timer)
    this.silentSince = undefined
    this.isTold = false
    this.foreign.delete(endpoint)
    this.reached = { type: 'cluster.reached', clusterId, brokers }
    if (isNews) this.emit(this.reached)
  }

  /** Another cluster answered at this endpoint: a fact, once until it stops. */
  answeredForeign(endpoint: string, expected: string, got: string): void {
    if (this.foreign.has(endpoint)) return
    this.foreign.add(endpoint)
    this.emit({ type: 'cluster.refused', expected, got, endpoint })
  }

  /** Nobody answers at this endpoint any more, so the other cluster is gone from there. */
  forget(endpoint: string): void {
    this.foreign.delete(endpoint)
  }

  /** A refresh failed; `since` is its start on the clock of `performance.now()`. */
  failed(failure: Failure, since: number): void {
    this.lastFailure = failure
    if (this.silentSince !== undefined) return
    this.silentSince = since
    this.timer = setTimeout(() => this.tell(since), unreachableAfterMs - (performance.now() - since))
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private tell(since: number): void {
    if (!this.lastFailure) return
    this.isTold = true
    const sinceMs = Math.round(performance.now() - since)
    this.emit({ type: 'cluster.unreachable', failure: this.lastFailure, sinceMs })
  }
}
