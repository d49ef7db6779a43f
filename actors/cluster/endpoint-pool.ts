/** The endpoint pool: the endpoints that can be asked about the cluster, and the few connections that are kept to them. */

import { type Observable, Subject } from 'rxjs'
import { type Endpoint, formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import { type SpokenVersions, speaks } from '../protocol/versions.ts'
import type { Observation } from './cluster-knowledge.ts'
import { type PoolContext, PooledEndpoint } from './pooled-endpoint.ts'

/** Connections that are kept. */
const maxKept = 4

/** How an endpoint is reached by whoever asks where the brokers are. */
export interface Contact {
  readonly heardAt: number | undefined
  readonly roundTripMs: number | undefined
}

export class EndpointPool {
  private readonly observed$ = new Subject<Observation>()
  /** Answers, dials that failed and connections that ended, as they happen. */
  readonly observations$: Observable<Observation> = this.observed$
  private readonly context: PoolContext
  private readonly known = new Map<string, PooledEndpoint>()
  private readonly stop = new AbortController()

  constructor(options: Pick<PoolContext, 'dial' | 'pace' | 'flawIn'>) {
    this.context = { ...options, observed$: this.observed$, closing: this.stop.signal, dials: 0 }
  }

  /** One endpoint of the pool, which is known from now on. */
  at({ host, port }: Endpoint): PooledEndpoint {
    const endpoint = { host, port }
    const name = formatEndpoint(endpoint)
    const known = this.known.get(name) ?? new PooledEndpoint(endpoint, this.context)
    this.known.set(name, known)
    return known
  }

  /** Closes the kept connection if it reached none of these addresses: the name leads elsewhere now. */
  closeElsewhere(endpoint: Endpoint, addresses: readonly string[]): void {
    const pooled = this.at(endpoint)
    const { connection } = pooled
    if (connection?.open && !addresses.includes(connection.address)) pooled.drop(connection)
  }

  /** What each broker speaks that was dialled. */
  get spoken(): SpokenVersions[] {
    return [...this.known.values()].flatMap(({ versions }) => versions ?? [])
  }

  /** Whether all brokers that were dialled speak this version of a request; false while none was. */
  speaks(apiKey: number, version: number): boolean {
    const told = this.spoken
    return told.length > 0 && told.every((versions) => speaks(versions, apiKey, version))
  }

  /** The time after which an answer is late, in milliseconds, over the farthest kept connection; 0 without any. */
  get lateMs(): number {
    const each = [...this.known.values()].map(({ connection }) => (connection?.open ? connection.roundTrip.lateMs : 0))
    return Math.max(0, ...each)
  }

  /** When a byte last came from any of these, over the kept connection or in a dial, on the clock of `performance.now()`. */
  heardAt(endpoints: readonly Endpoint[]): number {
    const heard = endpoints.map((endpoint) => this.known.get(formatEndpoint(endpoint))?.heardAt ?? 0)
    // A broker that throttles us is heard at the end of its time, which is still to come. Nobody waits for that one alone.
    return Math.min(performance.now(), Math.max(0, ...heard))
  }

  /** When it was last heard, on the clock of `performance.now()`, and how long it takes to answer, in milliseconds; undefined where that is not known. */
  contact(endpoint: Endpoint): Contact {
    const pooled = this.known.get(formatEndpoint(endpoint))
    return { heardAt: pooled?.heardAt || undefined, roundTripMs: pooled?.connection?.roundTrip.ms }
  }

  /** Whether asking it now leads anywhere: it is connected, being dialled, or may be dialled. */
  isDue(endpoint: Endpoint): boolean {
    return this.known.get(formatEndpoint(endpoint))?.isDue ?? true
  }

  /** What the dial of this endpoint would fail with if nothing came any more; undefined while none is under way. */
  silenceOf(endpoint: Endpoint): Failure | undefined {
    return this.known.get(formatEndpoint(endpoint))?.silence
  }

  /** Forgets every other endpoint, and closes connections beyond the few that are kept: those to the first endpoints stay. */
  keep(endpoints: readonly Endpoint[]): void {
    const wanted = new Set(endpoints.map(formatEndpoint))
    let kept = 0
    for (const name of new Set([...wanted, ...this.known.keys()])) {
      const pooled = this.known.get(name)
      if (!pooled) continue
      const { connection } = pooled
      const isWanted = wanted.has(name)
      if (connection?.open && (!isWanted || ++kept > maxKept)) pooled.drop(connection)
      if (!isWanted && !pooled.dialling && pooled.ends.isOver) this.known.delete(name)
    }
    this.context.pace.keep(wanted)
  }

  /** The endpoint was announced again, or its name leads elsewhere: it may be dialled at once. */
  renew(endpoint: Endpoint): void {
    this.context.pace.renew(endpoint)
    this.known.get(formatEndpoint(endpoint))?.ends.succeeded()
  }

  close(): void {
    this.stop.abort()
    this.keep([])
  }
}
