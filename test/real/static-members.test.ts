import { expect, test } from 'vitest'
import { type AnyRecord, createConsumer } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })

test('static members that commit by themselves restart without a rebalance while brokers move; of two with one id the older ends', async () => {
  await using front = await startFront(cluster())
  const topic = 'static-members'
  const groupId = 'static members'
  await cluster().createTopic(topic, { partitions: 4 })
  const producer = cluster().kafka().producer()
  await producer.connect()
  const write = (count: number) =>
    producer.send({
      topic,
      messages: Array.from({ length: count }, (_, index) => ({ partition: index % 4, value: `${index}` })),
    })
  /** Per partition the offsets that came, whoever they came to. */
  const handled = new Map<number, number[]>()
  const facts: (Pick<AnyRecord, 'type'> & { readonly member: string })[] = []
  const log: string[] = []
  const member = async (groupInstanceId: string) => {
    const consumer = createConsumer({
      ...{ brokers: () => front.endpoints(), groupId, groupInstanceId, topics: [topic] },
      ...{ autoCommit: false, fromBeginning: true, sessionTimeout: 10_000 },
      onPartitionsAssigned: (partitions) => void log.push(`${groupInstanceId} has ${partitions.length}`),
      eachMessage: async ({ partition, message: { offset } }) => {
        handled.set(partition, [...(handled.get(partition) ?? []), Number(offset)])
        await consumer.commit([{ topic, partition, offset: `${Number(offset) + 1}`, metadata: groupInstanceId }])
      },
    })
    consumer.on('*', ({ type }) => facts.push({ type, member: groupInstanceId }))
    await within(30_000, 'the start', consumer.start())
    return consumer
  }
  const all = (count: number) =>
    until(() => {
      const sum = [...handled.values()].reduce((total, { length }) => total + length, 0)
      return sum === count ? undefined : `${count} messages, got ${sum}`
    })
  const first = await member('pod-0')
  const second = await member('pod-1')
  await until(() => (second.status().assignment[topic]?.length === 2 ? undefined : 'two partitions for each'))
  await until(() => (first.status().assignment[topic]?.length === 2 ? undefined : 'two partitions for each'))
  await write(200)
  await all(200)
  const { generation } = second.status()
  const from = facts.length
  await first.stop()
  await write(200)
  await front.move(setAfter(front), { close: 'rst' })
  const third = await member('pod-0')
  await all(400)
  expect([third.status().generation, second.status().generation]).toEqual([generation, generation])
  expect(facts.slice(from).filter(({ type }) => type === 'group.rebalancing')).toEqual([])
  // Another process with the same id: it has the place at once, and the older one ends.
  const ended = new Promise<AnyRecord>((resolve) => void third.on('stop.completed', resolve))
  const superseded = new Promise<AnyRecord>((resolve) => void third.on('member.superseded', resolve))
  const fourth = await member('pod-0')
  expect((await within(10_000, 'the end of the older', superseded)).data).toMatchObject({
    failure: { code: 'FENCED_INSTANCE_ID' },
  })
  await within(20_000, 'its stop', ended)
  await write(200)
  await all(600)
  expect([third.status().state, fourth.status().generation]).toEqual(['failed', generation])
  expect(facts.slice(from).filter(({ type }) => type === 'group.rebalancing')).toEqual([])
  const admin = cluster().kafka().admin()
  await admin.connect()
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
  await admin.disconnect()
  await producer.disconnect()
  await Promise.all([second.stop(), fourth.stop()])
  expect(committed?.partitions.map(({ offset }) => offset)).toEqual(['150', '150', '150', '150'])
  expect(new Set(committed?.partitions.map(({ metadata }) => metadata))).toEqual(new Set(['pod-0', 'pod-1']))
  for (const offsets of handled.values()) expect(offsets).toEqual(Array.from({ length: 150 }, (_, index) => index))
  expect(log.slice(0, 2)).toEqual(['pod-0 has 4', expect.stringMatching(/has 2/)])
})
