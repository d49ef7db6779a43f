// What simulated brokers stand on: a clock, and lines to their clients. The simulation has its own; the benchmark serves the same brokers over real sockets.

/** Something a clock was told to do later. */
export type Planned = object

export interface BrokerClock {
  /** Milliseconds. */
  readonly now: number
  plan(delayMs: number, work: () => void): Planned
  cancel(planned: Planned): void
}

/** One client's connection, as a broker has it. */
export interface BrokerLine {
  /** Whose it is. */
  readonly life: { readonly name: string }
  /** `host:port` that was dialled. */
  readonly place: string
  /** When commits were written, as far as the server has not seen them. */
  readonly commitsSentAt: number[]
  send(bytes: Buffer): void
  /** Ends it in order. */
  finish(): void
  /** Tears it. */
  reset(): void
}

/** Who accepts connections at an endpoint. */
export interface BrokerListener {
  accept(line: BrokerLine): { readonly isForeign: boolean; receive(bytes: Buffer): void; closed(): void }
}

export interface Ground {
  readonly clock: BrokerClock
  /** Who listens where. */
  readonly listeners: { set(place: string, listener: BrokerListener): unknown }
}
