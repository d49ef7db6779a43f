// What the doctor finds on real brokers that have just that wrong: addresses, advertised listeners, distances, group, topics and offsets.
import { expect, test } from 'vitest'
import { Reader, request, text } from '../cluster/broker-request.ts'
import { type Front, startFront } from '../cluster/front.ts'
import { createFrontIdentity } from '../cluster/front-identity.ts'
import { examined, found, relisten, resolving, whatOf } from '../src/doctor/examined.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const JOIN_GROUP = 11
const DESCRIBE_GROUPS = 15
const SESSION_MS = 10_000

const cluster = sharedCluster({ bindFixed: true })

test('a cluster that works has nothing to be found, and the command ends with 0', async () => {
  await using front = await startFront(cluster())
  await cluster().createTopic('doctor-well')
  const { code, out } = await relisten(
    ...['doctor', '--brokers', front.endpoint(1), '--group', 'doctor-well', '--topic', 'doctor-well'],
  )
  expect([code, out.at(-1)]).toEqual([0, 'Nothing was found.'])
  for (const nodeId of [1, 2, 3])
    expect(out.find((line) => line.startsWith(`node ${nodeId} `))).toMatch(new RegExp(`${front.endpoint(nodeId)}.*ok$`))
  expect(out).toContain('topic doctor-well: 6 partitions, 6 without a committed offset')
})

test('an advertised address that leads to nobody is found, and the command ends with 1', async () => {
  await using front = await startFront(cluster())
  await front.close(1, 'rst', [2])
  const { code, out } = await relisten('doctor', '--json', '--brokers', front.endpoint(1))
  const report = JSON.parse(out.join('\n'))
  expect([code, found(report)]).toEqual([1, ['leads-to-nobody']])
  expect(report.findings[0]).toMatchObject({
    severity: 'problem',
    what: expect.stringContaining(`node 2 advertises ${front.endpoint(2)}: connect ECONNREFUSED`),
    likelyCause: expect.stringContaining('`advertised.listeners`'),
    nextStep: expect.stringContaining('correct `advertised.listeners`'),
  })
})

test('an advertised address that takes connections and says nothing is found', async () => {
  await using front = await startFront(cluster())
  await front.close(1, 'silent', [2])
  const seen = await examined({ brokers: [front.endpoint(1)], dialTimeoutMs: 200 })
  expect(found(seen)).toEqual(['leads-to-nobody'])
  expect(whatOf(seen, 'leads-to-nobody')).toContain('says nothing')
})

test('an address in `brokers` that fails is found beside one that works', async () => {
  await using front = await startFront(cluster())
  const seen = await examined({ brokers: ['127.0.0.1:1', front.endpoint(1)] })
  expect(found(seen)).toEqual(['address-failed'])
  expect(whatOf(seen, 'address-failed')).toContain('127.0.0.1:1: connect ECONNREFUSED')
})

test('where no address leads to a broker, each is named with its cause', async () => {
  const seen = await examined({ brokers: ['127.0.0.1:1', 'nowhere.lan:9092'], lookup: resolving({}) })
  expect(found(seen)).toEqual(['address-failed', 'address-failed', 'no-broker-answers'])
  expect(seen.findings[1]?.nextStep).toContain('getent hosts')
})

test('a name that is advertised and not known here is found', async () => {
  await using front = await startFront(cluster())
  front.names(true)
  const { 'node2.lan': _unknown, ...known } = addresses(front)
  const seen = await examined({ brokers: [front.endpoint(1)], lookup: resolving(known) })
  expect(found(seen)).toEqual(['name-unknown'])
  expect(whatOf(seen, 'name-unknown')).toContain('node 2 advertises node2.lan')
})

test('an address that leads to another broker of the cluster is found, and so is one that two brokers share', async () => {
  await using front = await startFront(cluster())
  front.names(true)
  const lookup = resolving({ ...addresses(front), 'node2.lan': front.address(3) })
  const seen = await examined({ brokers: [front.endpoint(1)], lookup })
  expect(found(seen)).toEqual(['leads-elsewhere', 'same-address'])
  expect(whatOf(seen, 'leads-elsewhere')).toBe(`node 2 advertises ${front.endpoint(2)}, where node 3 is`)
  expect(whatOf(seen, 'same-address')).toContain(`nodes 2 and 3 are both under ${front.address(3)}`)
})

test('an address that leads to another listener of the brokers is found', async () => {
  await using front = await startFront(cluster())
  await using other = await startFront(cluster())
  front.names(true)
  const lookup = resolving({ ...addresses(front), 'node2.lan': other.address(2) })
  const seen = await examined({ brokers: [front.endpoint(1)], lookup })
  expect(found(seen)).toEqual(['leads-elsewhere'])
  expect(whatOf(seen, 'leads-elsewhere')).toContain(`says that node 2 is at ${other.endpoint(2)}`)
})

test('an address that leads to a listener of another security protocol is found', async () => {
  const identity = await createFrontIdentity(cluster().nodeIds)
  await using front = await startFront(cluster())
  await using other = await startFront(cluster(), { tls: identity.tls })
  front.names(true)
  const lookup = resolving({ ...addresses(front), 'node2.lan': other.address(2) })
  const seen = await examined({ brokers: [front.endpoint(1)], lookup })
  expect(found(seen)).toEqual(['another-protocol'])
  expect(whatOf(seen, 'another-protocol')).toContain('speaks SSL; the brokers that answered speak PLAINTEXT')
})

test('addresses of two listeners in `brokers` are found', async () => {
  await using front = await startFront(cluster())
  const seen = await examined({ brokers: [front.endpoint(1), ...cluster().internal] })
  expect(found(seen)).toEqual(['two-listeners'])
  expect(whatOf(seen, 'two-listeners')).toContain(`node 2 at ${cluster().internal[1]}`)
})

test('an address that `allowEndpoint` refuses is found, and not connected to', async () => {
  await using front = await startFront(cluster())
  const seen = await examined({
    brokers: [front.endpoint(1)],
    allowEndpoint: ({ host }) => host !== front.address(2),
  })
  expect(found(seen)).toEqual(['not-allowed'])
  expect(seen.brokers[1]?.listener).toBeUndefined()
})

test('brokers too far for the timeout are found, and so are those that are close to it', async () => {
  await using front = await startFront(cluster())
  front.distance({ roundTripMs: 300 }, [2])
  front.distance({ roundTripMs: 120 }, [3])
  const seen = await examined({ brokers: [front.endpoint(1)], dialTimeoutMs: 400 })
  expect(found(seen)).toEqual(['timeout-short', 'timeout-close'])
  expect(whatOf(seen, 'timeout-short')).toMatch(/^node 2 .* and 400 ms are allowed$/)
  expect(whatOf(seen, 'timeout-close')).toMatch(/^node 3 /)
  expect(seen.brokers[1]?.roundTripMs).toBeGreaterThan(290)
})

test('a topic that is not there is found', async () => {
  await using front = await startFront(cluster())
  const seen = await examined({ brokers: [front.endpoint(1)], topics: ['doctor-missing'] })
  expect(found(seen)).toEqual(['topic-missing'])
})

test('committed offsets that the log no longer has, or never had, are found', async () => {
  await using front = await startFront(cluster())
  const topic = 'doctor-offsets'
  await cluster().createTopic(topic, { partitions: 2 })
  const producer = cluster().kafka().producer()
  const admin = cluster().kafka().admin()
  await Promise.all([producer.connect(), admin.connect()])
  const messages = Array.from({ length: 10 }, (_, index) => ({ value: 'one', partition: index % 2 }))
  await producer.send({ topic, messages })
  const partitions = [
    { partition: 0, offset: '1' },
    { partition: 1, offset: '99' },
  ]
  await admin.setOffsets({ groupId: topic, topic, partitions })
  await Promise.all([producer.disconnect(), admin.disconnect()])
  await cluster().deleteRecords(topic, 0, 3)
  const seen = await examined({ brokers: [front.endpoint(1)], groupId: topic, topics: [topic] })
  expect(found(seen)).toEqual(['offset-below-log', 'offset-above-log'])
  expect(whatOf(seen, 'offset-below-log')).toBe(`${topic}/0: offset 1 is committed, and its log begins at 3`)
  expect(whatOf(seen, 'offset-above-log')).toBe(`${topic}/1: offset 99 is committed, and its log ends at 5`)
  expect(seen.topics[0]?.partitions[0]).toMatchObject({ partition: 0, start: '3', end: '5', committed: '1' })
})

test('a coordinator that can’t be reached is found', async () => {
  await using front = await startFront(cluster())
  const groupId = 'doctor-coordinator'
  const coordinator = await cluster().coordinatorOf(groupId)
  await front.close(1, 'rst', [coordinator])
  const [other = 1] = cluster().nodeIds.filter((nodeId) => nodeId !== coordinator)
  const seen = await examined({ brokers: [front.endpoint(other)], groupId })
  expect(found(seen)).toEqual(['leads-to-nobody', 'coordinator-missing'])
  expect(whatOf(seen, 'coordinator-missing')).toContain(`coordinated by node ${coordinator}`)
})

test.each([
  ['that is no group of consumers', 'connect', 'group-of-others', 'is used as "connect"'],
  ['that does not end its rebalance', 'consumer', 'group-rebalancing', 'is in CompletingRebalance'],
])('a group %s is found', async (_, protocolType, code, what) => {
  await using front = await startFront(cluster())
  const groupId = `doctor-${code}`
  await join(groupId, protocolType)
  const seen = await examined({ brokers: [front.endpoint(1)], groupId })
  expect(found(seen)).toContain(code)
  expect(whatOf(seen, code)).toContain(what)
  expect(seen.group?.members).toHaveLength(1)
})

test('a broker that leaves a question unanswered is found', async () => {
  await using front = await startFront(cluster())
  front.drop([DESCRIBE_GROUPS])
  const seen = await examined({ brokers: [front.endpoint(1)], groupId: 'doctor-silence' })
  expect(found(seen)).toEqual(['unanswered'])
})

const addresses = (front: Front) =>
  Object.fromEntries(cluster().nodeIds.map((nodeId) => [`node${nodeId}.lan`, front.address(nodeId)]))

/** Joins a group and never asks what it was given (JoinGroup v2). */
async function join(groupId: string, protocolType: string): Promise<void> {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return bytes
  }
  const protocols = [number(1), text('any'), number(0)]
  const member = [text(groupId), number(SESSION_MS), number(SESSION_MS), text(''), text(protocolType), ...protocols]
  const body = Buffer.concat(member)
  // a coordinator that has just become one turns members away at first
  await until(async () => {
    const endpoint = cluster().internal[(await cluster().coordinatorOf(groupId)) - 1] ?? ''
    const answer = new Reader(await request(endpoint, { apiKey: JOIN_GROUP, version: 2, body, deadlineMs: 10_000 }))
    answer.int32() // throttle time
    const error = answer.int16()
    return error === 0 ? undefined : `the member of ${groupId}, which was refused with error ${error}`
  })
  // a coordinator tells of a member once that is written to its log
  const admin = cluster().kafka().admin()
  await admin.connect()
  await until(async () => {
    const [group] = (await admin.describeGroups([groupId])).groups
    return group?.members.length === 1 ? undefined : `the member of ${groupId}, which is ${group?.state}`
  })
  await admin.disconnect()
}
