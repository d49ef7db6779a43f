// `relisten tail` on real brokers: what it prints, from where to where, through a move, and what it leaves behind.
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import type { Seen } from '../cluster/front-address.ts'
import { relisten, startRelisten } from '../src/doctor/examined.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

/** Kafka's number of a fetch. */
const FETCH = 1

const cluster = sharedCluster({ bindFixed: true })

/** Made by the topic's name, with these values, in one partition. */
async function topicWith(topic: string, ...values: (string | Buffer)[]): Promise<void> {
  await cluster().createTopic(topic, { partitions: 1 })
  await send(topic, ...values)
}

async function send(topic: string, ...values: (string | Buffer)[]): Promise<void> {
  const producer = cluster().kafka().producer()
  await producer.connect()
  const messages = values.map((value, index) => ({ key: `key ${index}`, value, headers: { of: 'a test' } }))
  await producer.send({ topic, messages })
  await producer.disconnect()
}

async function withAdmin<Result>(
  work: (admin: ReturnType<ReturnType<ReturnType<typeof cluster>['kafka']>['admin']>) => Promise<Result>,
) {
  const admin = cluster().kafka().admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

const groups = () => withAdmin(async (admin) => (await admin.listGroups()).groups.map(({ groupId }) => groupId))

test('a topic is printed from its beginning to its end, with key, value and headers; no group is left', async () => {
  await using front = await startFront(cluster())
  await topicWith('tail-whole', 'one', 'two\nlines')
  const { code, out, error } = await relisten(
    ...['tail', '--brokers', front.endpoint(1), '--topic', 'tail-whole', '--from', 'beginning', '--until', 'end'],
  )
  expect({ code, error }).toEqual({ code: 0, error: [] })
  expect(out).toEqual([
    expect.stringMatching(/^tail-whole\/0 {2}0 {2}\d{4}-\S+Z {2}key 0 {2}one {2}of=a test$/),
    expect.stringMatching(/^tail-whole\/0 {2}1 {2}\d{4}-\S+Z {2}key 1 {2}two\\nlines {2}of=a test$/),
  ])
  expect((await groups()).filter((groupId) => groupId.startsWith('relisten-tail-'))).toEqual([])
})

test.each([
  [
    ['--from', '-2', '--until', 'end'],
    [2, 3],
  ],
  [
    ['--from', '1', '--until', '3'],
    [1, 2],
  ],
  [
    ['--from', '1h', '--until', 'end'],
    [0, 1, 2, 3],
  ],
  [['--from', '2020-01-01T00:00Z', '--until', '2020-01-02T00:00Z'], []],
])('with %j it prints that part of a topic', async (range, offsets) => {
  await using front = await startFront(cluster())
  const topic = `tail-range-${range.join('').replace(/\W/g, '')}`
  await topicWith(topic, 'zero', 'one', Buffer.from([0xff, 0]), 'three')
  const { code, out } = await relisten('tail', '--json', '--brokers', front.endpoint(1), '--topic', topic, ...range)
  const printed = out.map((line) => JSON.parse(line))
  expect([code, printed.map(({ offset }) => Number(offset))]).toEqual([0, offsets])
  for (const { offset, value } of printed) if (offset === '2') expect(value).toEqual({ base64: '/wA=' })
})

test('it follows a topic through a move of all brokers, and ends when it is interrupted', async () => {
  let fetchedAt = ''
  const tap = ({ kind, apiKey, host }: Seen) => {
    if (kind === 'request' && apiKey === FETCH) fetchedAt = host
  }
  await using front = await startFront(cluster(), { tap })
  const topic = 'tail-move'
  await topicWith(topic, 'before it began')
  const running = startRelisten('tail', '--json', '--brokers', front.endpoint(1), '--topic', topic)
  const values = () => running.out.map((line) => JSON.parse(line).value)
  const printed = (value: string) => until(() => (values().includes(value) ? undefined : `the message "${value}"`))
  // What is sent before it has joined comes as well: it begins where the log ended when it was started.
  await until(async () => ((await groups()).some((one) => one.startsWith('relisten-tail-')) ? undefined : 'its group'))
  await send(topic, 'before the move')
  await printed('before the move')
  // the one address it was given stays until the move is seen
  await front.open(2)
  front.advertise(2)
  await until(() => (fetchedAt.startsWith('127.0.2.') ? undefined : 'a fetch at a new address'))
  await front.close(1, 'fin')
  await send(topic, 'after the move')
  await printed('after the move')
  running.interrupt()
  expect(await within(20_000, 'the tail', running.ended)).toBe(0)
  expect(values()).toEqual(['before the move', 'after the move'])
  expect((await groups()).filter((groupId) => groupId.startsWith('relisten-tail-'))).toEqual([])
})

test('a group with members is refused without --join; with it, or without members, it is read and nothing is committed', async () => {
  await using front = await startFront(cluster())
  const topic = 'tail-group'
  await topicWith(topic, 'one')
  const member = cluster().kafka().consumer({ groupId: topic })
  await member.connect()
  await member.subscribe({ topic })
  const joined = new Promise((resolve) => member.on(member.events.GROUP_JOIN, resolve))
  await member.run({ eachMessage: async () => {} })
  await within(20_000, 'the join of a member', joined)
  const args = [
    'tail',
    '--brokers',
    front.endpoint(1),
    '--topic',
    topic,
    '--group',
    topic,
    '--from',
    'beginning',
    '--until',
    'end',
  ]
  const refused = await relisten(...args)
  expect([refused.code, refused.out]).toEqual([1, []])
  expect(refused.error.join()).toMatch(/^Group tail-group has 1 members, .*`--join`/)

  const rebalanced = new Promise((resolve) => member.on(member.events.REBALANCING, resolve))
  const joining = relisten(...args, '--join')
  await within(20_000, 'the rebalance that a join brings', rebalanced)
  expect((await joining).code).toBe(0)

  await member.disconnect()
  const read = await relisten(...args)
  expect([read.code, read.out.length]).toEqual([0, 1])
  expect(await groups()).toContain(topic)
  const [committed] = await withAdmin((admin) => admin.fetchOffsets({ groupId: topic, topics: [topic] }))
  expect(committed?.partitions.map(({ offset }) => offset)).toEqual(['-1'])
})

test('a topic that is not there, and brokers that are not, are told in a sentence', async () => {
  await using front = await startFront(cluster())
  const missing = await relisten('tail', '--brokers', front.endpoint(1), '--topic', 'tail-missing')
  expect([missing.code, missing.error.join()]).toEqual([
    1,
    expect.stringContaining('the cluster has no topic tail-missing'),
  ])
  const away = await relisten('tail', '--brokers', '127.0.0.1:1', '--topic', 'tail-missing')
  expect([away.code, away.error.join()]).toEqual([1, expect.stringContaining('ECONNREFUSED')])
})
