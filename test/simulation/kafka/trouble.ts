// What brokers are in trouble with beside leaders and commits: errors of single partitions, answers that come late, quotas.

/** Requests whose answers carry an error for each partition. */
export type AskedOf = 'fetch' | 'list offsets' | 'offset fetch' | 'offset commit' | 'metadata' | 'produce'

/** As long as it lasts, these partitions are answered with an error. */
export interface Flaw {
  readonly asked: AskedOf
  readonly partitions: ReadonlySet<number>
  readonly code: number
  /** What is told where it takes effect, beside the kind of request. */
  readonly proof?: string
}

export class Trouble {
  readonly flaws = new Set<Flaw>()
  /** How late a node answers a request of this kind, in milliseconds. */
  lateMs: (nodeId: number, apiKey: number) => number = () => 0
  /** For how long a node throttles whoever sends a request of this kind, in milliseconds. */
  throttleMs: (nodeId: number, apiKey: number) => number = () => 0
  /** A node's connection ends when it is sent a Produce: before it is taken, or in place of the answer. */
  cutOf: (nodeId: number) => 'request' | 'answer' | undefined = () => undefined
  /** How long a Produce lies at a node before it is taken, in milliseconds, whether its client waits for it or has gone. */
  queuedMs: (nodeId: number) => number = () => 0
  private readonly reached: (kind: string) => void

  constructor(reached: (kind: string) => void) {
    this.reached = reached
  }

  /** The error this partition is answered with; 0 for none. */
  errorOf(asked: AskedOf, partition: number): number {
    for (const flaw of this.flaws) {
      if (flaw.asked !== asked || !flaw.partitions.has(partition)) continue
      this.reached(`errors in answers to ${asked}`)
      this.reached('errors of partitions')
      if (flaw.proof !== undefined) this.reached(flaw.proof)
      return flaw.code
    }
    return 0
  }
}
