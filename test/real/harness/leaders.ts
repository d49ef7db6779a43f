/** The leaders: waits for the moment from which consuming is possible again. */
import { askMetadata } from '../../cluster/broker-view.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { until } from './until.ts'

/**
 * Resolves with the time at which one broker lists all brokers and a leader for every partition of these topics; with `wanted`
 * (partition → node id) those leaders.
 */
export async function untilLed(
  cluster: KafkaCluster,
  topics: readonly string[],
  wanted: ReadonlyMap<number, number> = new Map(),
): Promise<number> {
  let at = 0
  const missingAt = async (endpoint: string): Promise<string | undefined> => {
    const { nodes, topics: known } = await askMetadata(endpoint, 500)
    if (nodes.size < cluster.nodeIds.length) return `brokers: only ${[...nodes.keys()].join(', ')} at ${endpoint}`
    for (const topic of topics) {
      for (const [partition, { leader }] of known.get(topic) ?? [[-1, { leader: -1 }] as const]) {
        const right = wanted.get(partition) ?? leader
        if (leader < 0 || leader !== right) return `the leader of ${topic}/${partition}, now ${leader}`
      }
    }
    at = Date.now()
    return undefined
  }
  await until(
    async () => {
      const missing = await Promise.all(
        cluster.internal.map((endpoint) => missingAt(endpoint).catch((error: Error) => error.message)),
      )
      return missing.includes(undefined) ? undefined : missing.join('; ')
    },
    { deadlineMs: 60_000 },
  )
  return at
}
