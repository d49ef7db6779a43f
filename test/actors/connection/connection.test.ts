// Connections against a broker on loopback: what ends with them, what they remember, and when they wait.
import { afterEach, expect, test } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { createDial } from '../../../actors/connection/dial.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { int32, namedBody, requestFrame } from '../bytes.ts'
import { FakeBroker } from '../fake-broker.ts'

const brokers: FakeBroker[] = []
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

/** A broker that calls itself node 1 and answers `listOffsets` with its own name. */
async function listen(name: string): Promise<FakeBroker> {
  const broker = await FakeBroker.listen()
  broker.answering.set(apiKeys.listOffsets, () => namedBody(name))
  brokers.push(broker)
  return broker
}

const dial = createDial({ security: () => ({}), dialTimeoutMs: 500, clusterId: () => 'ours' })
const question = (): Buffer => requestFrame(apiKeys.listOffsets, 3, 0, int32(-1))
const failureOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => (error instanceof ConnectionError ? error.failure.code : error),
  )

test('a connection that ends rejects what waits on it, and tells each listener once, late ones too', async () => {
  const broker = await listen('one')
  broker.answering.set(apiKeys.listOffsets, () => undefined)
  const connection = await dial(broker.endpoint, { nodeId: 1 })
  const closes: string[] = []
  connection.onClose(() => closes.push('early'))
  connection.onClose(() => closes.push('left'))()
  const asked = failureOf(connection.send(question()))
  await broker.asked(apiKeys.listOffsets)
  broker.reset()
  expect(await asked).toBe('ECONNRESET')
  expect(connection.open).toBe(false)
  expect(await failureOf(connection.send(question()))).toBe('ECONNRESET')
  await new Promise<void>((resolve) => connection.onClose(resolve))
  connection.close()
  expect(closes).toEqual(['early'])
})

test('a connection asks anew where the brokers are, and keeps what it was first told as its identity', async () => {
  const broker = await listen('one')
  const connection = await dial(broker.endpoint, { nodeId: 1 })
  broker.view = { clusterId: 'ours', brokers: [...broker.view.brokers, { nodeId: 2, host: '127.0.0.1', port: 9 }] }
  const before = connection.lastDataAt
  expect((await connection.metadata()).brokers.map(({ nodeId }) => nodeId)).toEqual([1, 2])
  expect(connection.snapshot.brokers.map(({ nodeId }) => nodeId)).toEqual([1])
  expect(connection.lastDataAt).toBeGreaterThanOrEqual(before)
  connection.close()
  await broker.left()
})

test('a broker that throttles gets nothing more over this connection before its time is over, and is not silent until then', async () => {
  const broker = await listen('one')
  const connection = await dial(broker.endpoint, { nodeId: 1 })
  broker.answering.set(apiKeys.heartbeat, () => Buffer.concat([int32(150), int32(0)]))
  await connection.send(requestFrame(apiKeys.heartbeat, 3, 0))
  const throttledAt = performance.now()
  expect(connection.lastDataAt).toBeGreaterThan(throttledAt + 100)
  await connection.send(question())
  expect(performance.now() - throttledAt).toBeGreaterThan(140)
  broker.answering.set(apiKeys.fetch, () => Buffer.concat([int32(60), int32(0)]))
  await connection.send(requestFrame(apiKeys.fetch, 10, 0))
  const fetchedAt = performance.now()
  await connection.send(question())
  expect(performance.now() - fetchedAt).toBeGreaterThan(50)
  const held = connection.send(requestFrame(apiKeys.heartbeat, 3, 0)).then(() => connection.send(question()))
  await broker.asked(apiKeys.heartbeat, 1)
  connection.close()
  expect(await failureOf(held)).toBe('ECONNRESET')
  expect(broker.requests.filter(({ apiKey }) => apiKey === apiKeys.listOffsets)).toHaveLength(2)
})

test('a failure that is kept holds on to nothing that was at work when it was made', async () => {
  const { stackTraceLimit } = Error
  const kept: ConnectionError[] = []
  const fail = (large: Buffer) => {
    kept.push(new ConnectionError({ kind: 'dial-failed', message: `after ${large.length} bytes` }))
  }
  fail(Buffer.alloc(1000))
  expect(kept[0]?.stack).not.toContain('\n')
  expect(Error.stackTraceLimit).toBe(stackTraceLimit)
})
