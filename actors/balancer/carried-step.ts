/** A step that is being carried out: how often it was asked for, how much of it is copied, and whether it is being cancelled. */

import type { Step } from '../../machines/balancer/plan.ts'
import type { StepPlace } from '../../machines/balancer/step-place.ts'

/** A step is asked for at most so often. */
const mostAsks = 5
/** Kafka's errors that asking again does not change: no such topic, an invalid list of replicas, a request that is invalid or not allowed. */
const finalErrors: ReadonlySet<number> = new Set([3, 17, 29, 31, 37, 39, 42, 44])

/** So many readings in a row have to agree that something else has happened to a partition. */
const oddAfter = 3
const expectedPlaces: ReadonlySet<StepPlace> = new Set(['ahead', 'moving', 'ordered', 'done'])

export class CarriedStep {
  readonly step: Step
  private asks = 0
  private askedAt = Number.NEGATIVE_INFINITY
  /** Readings in a row, up to the newest, that showed neither what was before the step nor what it leads to. */
  private oddReadings = 0
  /** When its replicas were found in order, and their leader is to follow. */
  orderedAt: number | undefined
  /** Why it is being cancelled, and since when. */
  cancelling: { readonly reason: string; readonly at: number } | undefined
  /** Why it was refused, as Kafka's error. */
  refusal: string | undefined
  copiedBytes = 0
  /** When it last grew; undefined before it was measured. */
  private grewAt: number | undefined
  private isFinal = false

  constructor(step: Step) {
    this.step = step
  }

  /** Takes in what a reading shows. */
  see(place: StepPlace): void {
    this.oddReadings = expectedPlaces.has(place) ? 0 : this.oddReadings + 1
  }

  get isOdd(): boolean {
    return this.oddReadings >= oddAfter
  }

  asked(now: number): void {
    this.asks++
    this.askedAt = now
  }

  /** It may be asked for again: each time later than the time before. */
  isDue(now: number, lookMs: number): boolean {
    return now - this.askedAt >= this.asks * lookMs
  }

  get isSpent(): boolean {
    return this.isFinal || this.asks >= mostAsks
  }

  refuse(code: number): void {
    this.refusal = `error ${code}`
    this.isFinal ||= finalErrors.has(code)
  }

  /** Its replica has this size at `now`. */
  measured(bytes: number, now: number): void {
    if (this.grewAt !== undefined && bytes === this.copiedBytes) return
    this.grewAt = now
    this.copiedBytes = bytes
  }

  /** For how long it has not grown, in milliseconds; 0 before it was measured. */
  stillMs(now: number): number {
    return this.grewAt === undefined ? 0 : now - this.grewAt
  }
}
