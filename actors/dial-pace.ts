/**
 * The pace of dials: what keeps the links of a hundred consumers from storming the brokers when all of them lose their connections
 * at once. Few dials of a node run at a time, those that fetches wait for first. Where the newest dial was refused, one at a
 * time tries again. A failure counts for all who wait: they look again where the node is.
 */

import { type Endpoint, formatEndpoint } from '../machines/endpoint.ts'

/** Dials of one node at one endpoint at a time: at first, and at most when all of them succeed. One consumer needs two. */
const firstAtOnce = 8
const mostAtOnce = 32
/** So many after one that got no answer in time: the node may be away, or have too much to do. */
const lateAtOnce = 4

/** What a failed dial says: nothing is there or nobody may come in, no answer came in time, or its owner gave it up. */
export type Miss = 'refused' | 'late' | 'given-up'

/** A node at an endpoint, as dials are told apart. */
export const placeOf = (nodeId: number, endpoint: Endpoint): string => `${nodeId} at ${formatEndpoint(endpoint)}`

interface Waiting {
  readonly go: () => void
  readonly fail: (error: unknown) => void
}

interface Place {
  running: number
  /** Dials that may run now. 1: the newest was refused. */
  atOnce: number
  readonly urgent: Waiting[]
  readonly others: Waiting[]
}

export class DialPace {
  /** By node and endpoint: at the same endpoint another node may be expected. */
  private readonly places = new Map<string, Place>()

  /**
   * Runs the dial when its turn comes, and resolves with what it gives. Rejects with its failure, or with that of another dial of
   * this place that failed while this one waited. `missOf` says what a failure means.
   */
  async run<Value>(
    where: string,
    urgent: boolean,
    dial: () => Promise<Value>,
    missOf: (error: unknown) => Miss,
  ): Promise<Value> {
    const place = this.places.get(where) ?? { running: 0, atOnce: firstAtOnce, urgent: [], others: [] }
    this.places.set(where, place)
    if (place.running >= place.atOnce) {
      await new Promise<void>((go, fail) => (urgent ? place.urgent : place.others).push({ go, fail }))
    } else place.running++
    try {
      const value = await dial()
      place.atOnce = place.atOnce === 1 ? firstAtOnce : Math.min(mostAtOnce, place.atOnce + 1)
      return value
    } catch (error) {
      const miss = missOf(error)
      if (miss !== 'given-up') {
        place.atOnce = miss === 'refused' ? 1 : Math.min(place.atOnce, lateAtOnce)
        this.turnAway(place, error)
      }
      throw error
    } finally {
      place.running--
      this.admit(place)
      if (place.running === 0 && place.atOnce >= firstAtOnce) this.places.delete(where)
    }
  }

  /** Forgets all other places, as soon as no dial of them runs. Who waits there gets this failure. */
  keep(wanted: ReadonlySet<string>, gone: unknown): void {
    for (const [where, place] of this.places) {
      if (wanted.has(where)) continue
      this.turnAway(place, gone)
      if (place.running === 0) this.places.delete(where)
    }
  }

  private turnAway({ urgent, others }: Place, error: unknown): void {
    for (const { fail } of [...urgent.splice(0), ...others.splice(0)]) fail(error)
  }

  private admit(place: Place): void {
    while (place.running < place.atOnce) {
      const next = place.urgent.shift() ?? place.others.shift()
      if (!next) return
      place.running++
      next.go()
    }
  }
}
