// The stage of a client's connection: two brokers on loopback that are nodes 1 and 2, a cluster that is told what to say, and requests as KafkaJS writes them.
import { afterEach, beforeEach, vi } from 'vitest'
import { AnnouncedNodes } from '../../../actors/clients/announced-nodes.ts'
import { ClientRoutes, type ClientRoutesOptions } from '../../../actors/clients/client-routes.ts'
import { ClientSequences } from '../../../actors/clients/client-sequences.ts'
import { Leaders } from '../../../actors/clients/leaders.ts'
import { ProducedOrder } from '../../../actors/clients/produced-order.ts'
import { ProducerIds } from '../../../actors/clients/producer-ids.ts'
import { createDial } from '../../../actors/connection/dial.ts'
import { callOf, encodeCall } from '../../../actors/kafkajs/calls.ts'
import { answerHeaderBytes, apiKeyOf, apiKeys } from '../../../actors/protocol/frames.ts'
import type { Fact } from '../../../machines/fact.ts'
import { answerFrame, metadataBody, type TopicBytes } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'
import { FakeCluster } from '../fake-cluster.ts'

export let cluster: FakeCluster
export let brokers: readonly [FakeBroker, FakeBroker]
export let nodes: AnnouncedNodes
export let leaders: Leaders
export let facts: Fact[]
/** What any broker answers to Metadata. */
export let topics: TopicBytes[]
let controllerId: number
const made: ClientRoutes[] = []

export const announced = (nodeId: number) => ({ nodeId, host: `kafka-${nodeId}`, port: 9092 })

beforeEach(async () => {
  cluster = new FakeCluster()
  brokers = [await FakeBroker.listen({ nodeId: 1 }), await FakeBroker.listen({ nodeId: 2 })]
  for (const [index, broker] of brokers.entries()) cluster.book.put(index + 1, broker.endpoint)
  nodes = new AnnouncedNodes()
  for (const nodeId of [1, 2]) nodes.announce(nodeId, { ...announced(nodeId), rack: null })
  leaders = new Leaders(cluster, 'orders-service')
  facts = []
  topics = []
  controllerId = 1
  cluster.answering = async (frame) => {
    if (apiKeyOf(frame) !== apiKeys.metadata) throw new Error('only Metadata is asked of any broker here')
    const body = metadataBody('ours', [announced(controllerId), announced(3 - controllerId)], topics)
    return answerFrame(0, body)
  }
})
afterEach(async () => {
  vi.useRealTimers()
  for (const routes of made.splice(0)) routes.close()
  await Promise.all(brokers.map((broker) => broker.close()))
})

/** From now on the other one is the controller. */
export const setController = (nodeId: number): void => {
  controllerId = nodeId
}

export const setTopics = (now: TopicBytes[]): void => {
  topics = now
}

export function routesWith(options: Partial<ClientRoutesOptions> = {}): ClientRoutes {
  const routes = new ClientRoutes({
    order: new ProducedOrder(2 ** 20),
    producerIds: new ProducerIds(async () => ({ id: 100n, epoch: 0 })),
    sequences: new ClientSequences(),
    ...{ cluster, nodes, leaders, clientId: 'orders-service', holdMs: 1000, requestTimeoutMs: 3000 },
    dial: createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' }),
    emit: (fact) => facts.push(fact),
    versions: async () => answerFrame(0),
    joined: new Set(),
    ...options,
  })
  made.push(routes)
  return routes
}

/** A request as KafkaJS writes it. */
export const request = (name: string, version: number, payload: object): Promise<Buffer> =>
  encodeCall(callOf(name, version, payload), 'orders-service')

/** An answer as KafkaJS reads it. */
export async function read(name: string, version: number, answer: Buffer | undefined): Promise<unknown> {
  if (!answer) throw new Error('there is no answer')
  return callOf(name, version, {}).decode(answer.subarray(answerHeaderBytes))
}
