// What brokers are in trouble with beside leaders and commits: errors of single partitions, answers that come late, quotas.

/** Requests whose answers carry an error for each partition. */
export type AskedOf = 'fetch' | 'list offsets' | 'offset fetch' | 'offset commit' | 'metadata'

/** As long as it lasts, these partitions are answered with an error. */
export interface Flaw {
  readonly asked: AskedOf
  readonly partitions: ReadonlySet<number>
  readonly code: number
}

export class Trouble {
  readonly flaws = new Set<Flaw>()
  /** How late a node answers a request of this kind, in milliseconds. */
  lateMs: (nodeId: number, apiKey: number) => number = () => 0
  /** For how long a node throttles whoever sends a request of this kind, in milliseconds. */
  throttleMs: (nodeId: number, apiKey: number) => number = () => 0
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
      return flaw.code
    }
    return 0
  }
}
