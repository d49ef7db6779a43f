/** What every row of the costs is measured with. */
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'

export interface CostRun {
  /** Started with `bindFixed`, with no front before it. */
  readonly cluster: KafkaCluster
  /** Fewer messages, fewer turns, shorter times. */
  readonly quick: boolean
  /** A line of progress. */
  readonly say: (line: string) => void
}
