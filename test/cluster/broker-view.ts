/**
 * What one broker says about the cluster (Metadata v2) or a group (FindCoordinator v0). KafkaJS's admin
 * asks whichever broker it likes; a cluster is settled only when *every* broker answers the same.
 */
import { Reader, request, text } from './broker-request.ts'

export interface PartitionView {
  readonly error: number
  /** Node id, -1 while there is none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

export interface BrokerView {
  readonly clusterId: string
  readonly controllerId: number
  /** Node id → endpoint, as advertised on the listener that was asked. */
  readonly nodes: ReadonlyMap<number, string>
  /** Topic → partition → view; topics the broker reports an error for are absent. */
  readonly topics: ReadonlyMap<string, ReadonlyMap<number, PartitionView>>
}

/** Asks the broker at this plain endpoint for all nodes and all topics. */
export async function askMetadata(endpoint: string, deadlineMs = 2000): Promise<BrokerView> {
  const allTopics = Buffer.alloc(4)
  allTopics.writeInt32BE(-1)
  return decodeMetadata(await request(endpoint, { apiKey: 3, version: 2, body: allTopics, deadlineMs }))
}

/** Asks the broker at this plain endpoint for the coordinator of a group; resolves with its node id. */
export async function askCoordinator(endpoint: string, group: string, deadlineMs = 2000): Promise<number> {
  const answer = new Reader(await request(endpoint, { apiKey: 10, version: 0, body: text(group), deadlineMs }))
  const error = answer.int16()
  if (error !== 0) throw new Error(`${endpoint} does not know the coordinator of group ${group} (error ${error})`)
  return answer.int32()
}

/** Metadata v2, body only (no correlation id). */
function decodeMetadata(body: Buffer): BrokerView {
  const answer = new Reader(body)
  const nodes = new Map(
    answer.array(() => {
      const nodeId = answer.int32()
      const endpoint = `${answer.text()}:${answer.int32()}`
      answer.text() // rack
      return [nodeId, endpoint] as const
    }),
  )
  const clusterId = answer.text()
  const controllerId = answer.int32()
  const topics = answer.array(() => {
    const error = answer.int16()
    const name = answer.text()
    answer.int8() // is internal
    const partitions = answer.array(() => {
      const failure = answer.int16()
      const partition = answer.int32()
      const leader = answer.int32()
      const replicas = answer.array(() => answer.int32())
      const inSync = answer.array(() => answer.int32())
      return [partition, { error: failure, leader, replicas, inSync }] as const
    })
    return { error, name, partitions: new Map<number, PartitionView>(partitions) }
  })
  const sound = topics.filter((topic) => topic.error === 0)
  return { clusterId, controllerId, nodes, topics: new Map(sound.map((topic) => [topic.name, topic.partitions])) }
}
