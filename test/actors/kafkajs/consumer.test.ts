// KafkaJS as relisten opens it, over wires that a test answers: the turns of its fetch loops.
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type KafkaJsConsumer, openKafkaJs } from '../../../actors/kafkajs/consumer.ts'
import { apiKeyOf, apiKeys } from '../../../actors/protocol/frames.ts'
import { findCoordinatorAnswer } from '../../../actors/protocol/group-answers.ts'
import { coordinatorNodeId, nodeAddress, nodeOfName } from '../../../actors/protocol/node-names.ts'
import { apiVersionsAnswer } from '../../../actors/protocol/versions.ts'
import { Wire } from '../../../actors/wire/wire.ts'
import { answerFrame, fetchBody, int16, int32, list, metadataBody, offsetFetchBody, text } from '../bytes.ts'
import { groupAnswers } from '../fake-group.ts'

let kafka: KafkaJsConsumer | undefined
let stopped = false
beforeEach(() => {
  stopped = false
})
afterEach(async () => {
  vi.restoreAllMocks()
  stopped = true
  await kafka?.consumer.disconnect()
})

/** What the cluster is like now, and what KafkaJS does with it. */
interface Scene {
  leader: number
  nodes: number[]
  beforeFetch(nodeId: number): Promise<void>
  mustRejoin?(): boolean
  onFetch(nodeId: number): void
  onMetadata(): void
}

/** A member that has joined alone and owns orders/0. */
async function joined(scene: Scene): Promise<KafkaJsConsumer> {
  const assignment = Buffer.concat([int16(0), list([Buffer.concat([text('orders'), list([int32(0)])])]), int32(0)])
  const metadata = () => {
    const nodes = [...scene.nodes, coordinatorNodeId].map((nodeId) => ({ nodeId, host: `node-${nodeId}`, port: 9092 }))
    return metadataBody('ours', nodes, [{ topic: 'orders', partitions: [{ partition: 0, leader: scene.leader }] }])
  }
  const answers = new Map<number, () => Buffer>([
    [apiKeys.apiVersions, () => apiVersionsAnswer(10).answer()],
    [apiKeys.findCoordinator, () => findCoordinatorAnswer().answer()],
    [apiKeys.metadata, () => answerFrame(0, metadata())],
    [
      apiKeys.joinGroup,
      () =>
        answerFrame(0, int32(0), int16(0), int32(1), text('RoundRobinAssigner'), text('two'), text('one'), list([])),
    ],
    [
      apiKeys.syncGroup,
      () => answerFrame(0, int32(0), int16(0), Buffer.concat([int32(assignment.length), assignment])),
    ],
    [apiKeys.leaveGroup, () => answerFrame(0, groupAnswers.leave('one', 0))],
    [apiKeys.offsetFetch, () => answerFrame(0, offsetFetchBody({ orders: { 0: 7n } }))],
  ])
  const opened = openKafkaJs({
    clientId: 'orders-service',
    groupId: 'orders',
    nodeNames: () => [nodeAddress(1)],
    socketFactory: ({ host, onConnect }) =>
      new Wire({
        onConnect,
        onEnd: () => {},
        answer: async (request) => {
          const answer = answers.get(apiKeyOf(request))
          if (answer) return answer()
          scene.onFetch(nodeOfName(host) ?? -1)
          await new Promise((resolve) => setTimeout(resolve, 5))
          return answerFrame(0, fetchBody(10, { orders: [{ partition: 0 }] }))
        },
      }).socket,
    sessionTimeout: 30_000,
    rebalanceTimeout: 60_000,
    readUncommitted: false,
    rackId: '',
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    beforeFetch: (nodeId) => scene.beforeFetch(nodeId),
    mustRejoin: () => scene.mustRejoin?.() ?? false,
    onMetadata: () => scene.onMetadata(),
  })
  kafka = opened
  await opened.consumer.connect()
  await opened.consumer.subscribe({ topics: ['orders'] })
  return opened
}

test('each round of a fetch loop waits for its turn, and new leaders are told once KafkaJS knows them', async () => {
  const said = new EventEmitter()
  const log: string[] = []
  const note = (what: string) => {
    log.push(what)
    said.emit(what)
  }
  let takeTurn = () => {}
  const scene: Scene = {
    leader: 1,
    nodes: [1, 2],
    onFetch: (nodeId) => note(`fetch from ${nodeId}`),
    beforeFetch: async (nodeId) => {
      note(`turn of ${nodeId}`)
      if (nodeId !== 2 || stopped || scene.leader === 2) return
      await new Promise<void>((resolve) => {
        takeTurn = resolve
      })
    },
    onMetadata: () => note(`leader ${kafka?.leaderOf('orders', 0)}`),
  }
  const { consumer, refreshMetadata } = await joined(scene)
  const [turn, fetched] = [once(said, 'turn of 2'), once(said, 'fetch from 1')]
  await consumer.run({ eachBatch: async () => {} })
  await Promise.all([turn, fetched])
  // Longer than KafkaJS sleeps on a node without partitions.
  for (let round = 0; round < 6; round++) await once(said, 'fetch from 1')
  expect(log.indexOf('turn of 1')).toBeLessThan(log.indexOf('fetch from 1'))
  expect(log.filter((line) => line === 'turn of 2')).toHaveLength(1)
  scene.leader = 2
  const known = once(said, 'leader 2')
  await refreshMetadata()
  await known
  expect(log).not.toContain('fetch from 2')
  const moved = once(said, 'fetch from 2')
  takeTurn()
  await moved
})

test('the next round of a fetch loop ends in a rejoin where it has to, whatever the clock of the day says', async () => {
  let mustRejoin = false
  const { consumer } = await joined({
    ...{ leader: 1, nodes: [1, 2], beforeFetch: async () => {}, onFetch: () => {}, onMetadata: () => {} },
    mustRejoin: () => mustRejoin,
  })
  const joins = new EventEmitter()
  consumer.on(consumer.events.GROUP_JOIN, () => {
    mustRejoin = false
    joins.emit('join')
  })
  const first = once(joins, 'join')
  await consumer.run({ eachBatch: async () => {} })
  await first
  vi.spyOn(Date, 'now').mockReturnValue(0)
  const again = once(joins, 'join')
  mustRejoin = true
  await again
})

test('a list of nodes that changes just before KafkaJS stops begins no fetchers that nobody stops', async () => {
  const said = new EventEmitter()
  let takeTurn = () => {}
  const scene: Scene = {
    leader: 1,
    nodes: [1, 2],
    onFetch: (nodeId) => said.emit(`fetch from ${nodeId}`),
    // Its fetcher ends late, and KafkaJS waits for it before it begins others.
    beforeFetch: (nodeId) =>
      new Promise((resolve) => {
        if (nodeId === 2) takeTurn = resolve
        else resolve()
      }),
    onMetadata: () => {},
  }
  const { consumer, refreshMetadata, endFetchers } = await joined(scene)
  const fetched = once(said, 'fetch from 1')
  await consumer.run({ eachBatch: async () => {} })
  await fetched
  scene.nodes = [1, 2, 3]
  await refreshMetadata()
  // By now the fetcher of node 1 has seen it.
  await new Promise((resolve) => setTimeout(resolve, 50))
  endFetchers()
  const ended = consumer.disconnect()
  takeTurn()
  // A loop without a pause would let nothing come after this.
  await ended
})
