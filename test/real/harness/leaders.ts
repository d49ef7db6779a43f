/** The leaders: moved by election, and the moment from which consuming is possible again. */
import { Reader, request, text } from '../../cluster/broker-request.ts'
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

const ELECT_LEADERS = 43
const ELECTION_NOT_NEEDED = 84

/** Each partition of the topic is led by the next of its replicas from now on, as after `kafka-leader-election.sh`; all brokers go on. */
export async function electNext(cluster: KafkaCluster, topic: string): Promise<void> {
  const [endpoint = ''] = cluster.internal
  const known = (await askMetadata(endpoint)).topics.get(topic) ?? new Map()
  const partitionAssignment = [...known].map(([partition, { leader, replicas }]) => {
    const at = replicas.indexOf(leader) + 1
    return { partition, replicas: [...replicas.slice(at), ...replicas.slice(0, at)] }
  })
  const admin = cluster.kafka().admin()
  await admin.connect()
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] })
  await admin.disconnect()

  const int32 = (value: number) => Buffer.from(Int32Array.of(value).buffer).swap32()
  const partitions = partitionAssignment.map(({ partition }) => int32(partition))
  const body = [int32(1), text(topic), int32(partitions.length), ...partitions, int32(5000)]
  const electing = { apiKey: ELECT_LEADERS, version: 0, body: Buffer.concat(body), deadlineMs: 10_000 }
  const answer = new Reader(await request(endpoint, electing))
  answer.int32() // throttled for
  answer.array(() => {
    answer.text() // topic
    return answer.array(() => {
      const [partition, error, message] = [answer.int32(), answer.int16(), answer.text()]
      if (error === 0 || error === ELECTION_NOT_NEEDED) return
      throw new Error(`The leader of ${topic}/${partition} could not be elected (error ${error}): ${message}`)
    })
  })
  const wanted = partitionAssignment.map(({ partition, replicas }) => [partition, replicas[0] as number] as const)
  await untilLed(cluster, [topic], new Map(wanted))
}
