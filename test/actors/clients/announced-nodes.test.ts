import { expect, test } from 'vitest'
import { AnnouncedNodes, bootstrap } from '../../../actors/clients/announced-nodes.ts'
import { answerFrame, int16, int32, metadataBody, text } from '../bytes.ts'
import { read } from './clients-stage.ts'

const at = (nodeId: number, host: string, rack?: string) => ({ nodeId, host, port: 9092, ...(rack && { rack }) })
const seen = async (nodes: AnnouncedNodes, ...brokers: ReturnType<typeof at>[]) => {
  const answer = nodes.inMetadata(answerFrame(0, metadataBody('ours', brokers, [{ topic: 'orders', partitions: [] }])))
  return (await read('Metadata', 6, answer)) as { brokers: unknown[]; clusterId: string; topicMetadata: unknown[] }
}

test('a node keeps the name, port and rack under which it was first announced', async () => {
  const nodes = new AnnouncedNodes()
  expect((await seen(nodes, at(1, 'a', 'r1'), at(2, 'b'))).brokers).toMatchObject([at(1, 'a', 'r1'), at(2, 'b')])
  const moved = await seen(nodes, at(1, 'c', 'r2'), at(2, 'd'))
  expect(moved.brokers).toMatchObject([at(1, 'a', 'r1'), at(2, 'b')])
  expect(moved).toMatchObject({ clusterId: 'ours', topicMetadata: [{ topic: 'orders' }] })
  expect(nodes.nodeAt({ host: 'a', port: 9092 })).toBe(1)
  expect(nodes.nodeAt({ host: 'c', port: 9092 })).toBeUndefined()
})

test('a node that vanished stays listed', async () => {
  const nodes = new AnnouncedNodes()
  await seen(nodes, at(1, 'a'), at(2, 'b'))
  expect((await seen(nodes, at(2, 'b'))).brokers).toMatchObject([at(1, 'a'), at(2, 'b')])
})

test('two nodes never have one name, and none has that of the list of clients', async () => {
  const nodes = new AnnouncedNodes()
  await seen(nodes, at(1, 'a'))
  // node 1 has moved away, and node 2 is at its first place
  const { brokers } = await seen(nodes, at(1, 'z'), at(2, 'a'), at(3, bootstrap.host))
  expect(brokers).toMatchObject([at(1, 'a'), at(2, 'node-2'), at(3, 'node-3')])
  expect(nodes.nodeAt({ host: 'a', port: 9092 })).toBe(1)
  expect(nodes.nodeAt({ host: 'node-2', port: 9092 })).toBe(2)
  expect(nodes.nodeAt(bootstrap)).toBeUndefined()
})

test('a coordinator is named like the node it is, also where its answer is the first to name it', async () => {
  const nodes = new AnnouncedNodes()
  await seen(nodes, at(1, 'a'))
  const answer = (nodeId: number, host: string) =>
    nodes.inCoordinator(answerFrame(0, int32(0), int16(0), text(null), int32(nodeId), text(host), int32(9092)))
  expect(await read('GroupCoordinator', 2, answer(1, 'moved'))).toMatchObject({ coordinator: at(1, 'a') })
  expect(await read('GroupCoordinator', 2, answer(2, 'b'))).toMatchObject({ coordinator: at(2, 'b') })
  expect((await seen(nodes, at(2, 'c'))).brokers).toMatchObject([at(1, 'a'), at(2, 'b')])
})
