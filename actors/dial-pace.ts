/**
 * The pace of dials: what keeps the links of a hundred consumers from storming the brokers when all of them lose their connections
 * at once. Few dials of a node run at a time, those that fetches wait for first. Where the newest dial failed, one at a time tries
 * again, and its failure counts for all who wait.
 */

import { type Endpoint, formatEndpoint } from '../machines/endpoint.ts'

/** Dials of one node at one endpoint at a time. One consumer needs two; a login over a slow line may take half a second. */
const dialsAtOnce = 32

/** A node at an endpoint, as dials are told apart. */
export const placeOf = (nodeId: number, endpoint: Endpoint): string => `${nodeId} at ${formatEndpoint(endpoint)}`

interface Waiting {
  readonly go: () => void
  readonly fail: (error: unknown) => void
}

interface Place {
  running: number
  /** The newest dial failed. */
  failing: boolean
  readonly urgent: Waiting[]
  readonly others: Waiting[]
}

export class DialPace {
  private readonly mostAtOnce: number
  /** By node and endpoint: at the same endpoint another node may be expected. */
  private readonly places = new Map<string, Place>()

  constructor(mostAtOnce: number = dialsAtOnce) {
    this.mostAtOnce = mostAtOnce
  }

  /**
   * Runs the dial when its turn comes, and resolves with what it gives. Rejects with its failure, or with that of another dial of
   * this place that failed while this one waited. `isShared` says whether a failure is the place's and not of the one who dialled.
   */
  async run<Value>(
    where: string,
    urgent: boolean,
    dial: () => Promise<Value>,
    isShared: (error: unknown) => boolean,
  ): Promise<Value> {
    const place = this.places.get(where) ?? { running: 0, failing: false, urgent: [], others: [] }
    this.places.set(where, place)
    if (place.running >= (place.failing ? 1 : this.mostAtOnce)) {
      await new Promise<void>((go, fail) => (urgent ? place.urgent : place.others).push({ go, fail }))
    } else place.running++
    try {
      const value = await dial()
      place.failing = false
      return value
    } catch (error) {
      if (isShared(error)) {
        place.failing = true
        for (const { fail } of [...place.urgent.splice(0), ...place.others.splice(0)]) fail(error)
      }
      throw error
    } finally {
      place.running--
      this.admit(place)
      if (place.running === 0 && !place.failing) this.places.delete(where)
    }
  }

  /** Forgets all other places, as soon as no dial of them runs. */
  keep(wanted: ReadonlySet<string>): void {
    for (const [where, { running }] of this.places) {
      if (running === 0 && !wanted.has(where)) this.places.delete(where)
    }
  }

  private admit(place: Place): void {
    while (place.running < (place.failing ? 1 : this.mostAtOnce)) {
      const next = place.urgent.shift() ?? place.others.shift()
      if (!next) return
      place.running++
      next.go()
    }
  }
}
