import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })

test('records that retention took while a partition was paused are reported, and reading goes on at the first that is left', async () => {
  await using front = await startFront(cluster())
  const scenario = 'offsets out of range'
  const brokers = () => front.endpoints()
  await using run = await startRun({ scenario, cluster: cluster(), client: relistenMember, brokers, members: 1 })
  const { topic, workload, ledger } = run
  const [member] = run.members
  member?.consumer.pause([{ topic, partitions: [0] }])
  const before = ledger.handOuts(0).at(-1)?.offset ?? 0
  await run.pass(1500, [0])
  await workload.stop()
  const admin = cluster().kafka().admin()
  await admin.connect()
  const high = Number((await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)?.high)
  const start = high - 5
  expect(start).toBeGreaterThan(before + 10)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(start) }] })
  await admin.disconnect()
  member?.consumer.resume([{ topic, partitions: [0] }])
  const fact = await member?.fact('offsets.lost', ({ data }) => data.partition === 0)
  expect(fact?.data).toMatchObject({ topic, partition: 0, to: String(start) })
  const last = () => ledger.handOuts(0).at(-1)?.offset
  await until(() => (last() === high - 1 ? undefined : `offset ${high - 1} of partition 0, got ${last()}`))
  const offsets = ledger.handOuts(0).map(({ offset }) => offset)
  const kept = Number(fact?.data.from)
  expect(offsets.filter((offset) => offset < kept).length).toBe(kept)
  expect(offsets.filter((offset) => offset >= kept)).toEqual([0, 1, 2, 3, 4].map((index) => start + index))
})

test('committed and aborted transactions are read as they should be, and their control records are committed past', async () => {
  await using front = await startFront(cluster())
  const scenario = 'transactions'
  const brokers = () => front.endpoints()
  const options = { scenario, cluster: cluster(), client: relistenMember, brokers, members: 1, stream: false }
  await using run = await startRun(options)
  const { topic, groupId, ledger } = run
  const kafka = cluster().kafka()
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: `writer of ${topic}` })
  await producer.connect()
  for (const [value, isKept] of [
    ['1', true],
    ['2', false],
    ['3', true],
    ['4', false],
  ] as const) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ partition: 0, value }] })
    await (isKept ? transaction.commit() : transaction.abort())
  }
  await producer.disconnect()
  const admin = kafka.admin()
  await admin.connect()
  const committed = async () => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return found?.partitions.find(({ partition }) => partition === 0)?.offset
  }
  // each transaction is a message and a control record; the last one is written some time after its transaction has ended
  await until(async () => ((await committed()) === '8' ? undefined : `a commit of 8, got ${await committed()}`))
  await admin.disconnect()
  expect(ledger.handOuts(0).map(({ offset }) => offset)).toEqual([0, 4])
})
