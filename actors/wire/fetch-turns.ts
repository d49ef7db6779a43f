/**
 * Fetch turns. KafkaJS runs a loop per node: it looks at what there is to fetch from the node, and fetches it. Where there is nothing, it would
 * sleep for as long as a fetch may wait, and a new leader would wait for the end of that. So the loop of such a node waits for its turn here.
 */

import { Condition } from '../time/condition.ts'

export class FetchTurns {
  private readonly maxWaitMs: number
  private readonly signal: AbortSignal
  /** Nodes that were asked for nothing in their last turn: they lead nothing that is read, or all of it is paused. */
  private readonly unfetched = new Set<number>()
  private readonly changed = new Condition()

  /** `maxWaitMs`: the longest wait for a turn, in milliseconds. `signal`: nobody waits any more. */
  constructor(maxWaitMs: number, signal: AbortSignal) {
    this.maxWaitMs = maxWaitMs
    this.signal = signal
  }

  /** Resolves when KafkaJS should see what there is to fetch from this node: at once, unless there was nothing the last time. */
  async awaitTurn(nodeId: number): Promise<void> {
    if (this.unfetched.has(nodeId)) await this.changed.wait(this.maxWaitMs, this.signal)
    this.unfetched.add(nodeId)
  }

  /** There is something to fetch from this node. */
  noteFetch(nodeId: number): void {
    this.unfetched.delete(nodeId)
  }

  /** It is every node's turn: leaders are known anew, or reading goes on. */
  wakeup(): void {
    this.unfetched.clear()
    this.changed.wakeup()
  }
}
