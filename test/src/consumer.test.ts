// The façade without a cluster behind it: wrong calls, starts that fail, stops at odd moments, facts as events.
import { afterEach, expect, test } from 'vitest'
import type { Consumer } from '../../src/consumer.ts'
import { RelistenError } from '../../src/error.ts'
import { fileJournal } from '../../src/journal/file-journal.ts'
import type { FactRecord } from '../../src/journal/journal.ts'
import { renamed } from '../../src/journal/upcast.ts'
import { createConsumer } from '../../src/lifecycle-consumer.ts'
import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import { FakeBroker } from '../actors/fake-broker.ts'
import { newPath, opened } from './journal/journal-files.ts'

const brokers: FakeBroker[] = []
afterEach(() => Promise.all(brokers.splice(0).map((broker) => broker.close())))

async function listen(): Promise<FakeBroker> {
  const broker = await FakeBroker.listen()
  brokers.push(broker)
  return broker
}

/** A place where nobody listens: a broker was there a moment ago. */
async function nowhere(): Promise<string> {
  const broker = await FakeBroker.listen()
  const place = `127.0.0.1:${broker.port}`
  await broker.close()
  return place
}

const consumerWith = (options: Partial<ConsumerOptions> & Pick<ConsumerOptions, 'brokers'>) =>
  createConsumer({
    groupId: 'orders',
    topics: ['orders'],
    eachMessage: async () => {},
    rebuildTimeoutMs: 100,
    stopTimeoutMs: 2000,
    pollIntervalMs: 100,
    logger: false,
    ...options,
  } as ConsumerOptions)

/** The first fact: from here on there is something to stop. */
const begun = (consumer: Consumer) =>
  new Promise<void>((resolve) => void consumer.on('start.requested', () => resolve()))

const errorOf = async (work: Promise<unknown>): Promise<RelistenError> => {
  const error = await work.then(
    () => expect.unreachable('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(RelistenError)
  return error as RelistenError
}

test('wrong options throw before anything happens', () => {
  expect(() => consumerWith({ brokers: [] })).toThrow(/Expected `brokers` to have 1 to 64 entries/)
})

test('nothing is connected before the start', async () => {
  const broker = await listen()
  const consumer = consumerWith({ brokers: [`127.0.0.1:${broker.port}`] })
  expect(consumer.status().state).toBe('idle')
  consumer.pause([{ topic: 'orders', partitions: [0] }])
  consumer.resume([{ topic: 'orders' }])
  await consumer.commit()
  await consumer.stop()
  expect(broker.connections).toBe(0)
})

test('a stop before the start ends it: the same promise each time, stopped, and no start after it', async () => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  const events = consumer.events()
  const stopped = consumer.stop()
  expect(consumer.stop()).toBe(stopped)
  await stopped
  expect(consumer.status()).toMatchObject({
    state: 'stopped',
    ready: false,
    reason: expect.stringContaining('stopped'),
  })
  expect(await consumer.start()).toBe('stopped')
  expect(await events.next()).toEqual({ value: undefined, done: true })
  await consumer.ended
})

test.each([
  ['a stop before the start', false, {}],
  ['a stop right behind the start', true, {}],
  ['a stop right behind the start, with settings that hang,', true, () => new Promise<never>(() => {})],
])('%s closes the journal, also at the end of its scope', async (_, isStarted, kafka) => {
  const path = newPath()
  for (const end of ['stop', Symbol.asyncDispose] as const) {
    const consumer = consumerWith({ brokers: [await nowhere()], journal: fileJournal(path), kafka })
    const started = isStarted ? consumer.start() : undefined
    await consumer[end]()
    opened(path, (journal) => expect([...journal.read()]).toEqual([]))
    expect(await started).toBe(isStarted ? 'stopped' : undefined)
  }
})

test('a stop while it connects ends the start without an error', async () => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  const started = consumer.start()
  await begun(consumer)
  await consumer.stop()
  expect(await started).toBe('stopped')
  await consumer.ended
  expect(consumer.status()).toMatchObject({ state: 'stopped', ready: false })
})

test('a stop right behind the start leaves nothing behind', async () => {
  const broker = await listen()
  const consumer = consumerWith({ brokers: [`127.0.0.1:${broker.port}`] })
  const started = consumer.start()
  await consumer.stop()
  expect(await started).toBe('stopped')
  expect(await consumer.events().next()).toEqual({ value: undefined, done: true })
  expect(broker.connections).toBe(0)
})

test('a start is one start, however often it is called', async () => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  const started = consumer.start()
  expect(consumer.start()).toBe(started)
  await consumer.stop()
  expect(await started).toBe('stopped')
})

test('a spent budget ends the start with what happened, the likely cause and the next step', async () => {
  const place = await nowhere()
  const consumer = consumerWith({ brokers: [place], retryBudget: 0 })
  const error = await errorOf(consumer.start())
  expect(error).toMatchObject({ code: 'unreachable', failure: { kind: 'unreachable' } })
  expect(error.message).toMatch(/^No broker answered.*Likely cause: .*Next step: /)
  expect(consumer.status().state).toBe('failed')
  expect(await errorOf(consumer.ended)).toBe(error)
  await consumer.stop()
})

test('settings that fail are told by the attempts, not thrown out of the start', async () => {
  const broker = await listen()
  const consumer = consumerWith({
    brokers: [`127.0.0.1:${broker.port}`],
    kafka: () => Promise.reject(new Error('the vault is sealed')),
    rebuildTimeoutMs: 1500,
    retryBudget: 0,
  })
  const error = await errorOf(consumer.start())
  expect(error.message).toMatch(/the vault is sealed/)
  expect(broker.received).toBe(0)
  await consumer.stop()
})

test('settings that fail are waited for like a source, whatever the number of attempts, and are no wrong password', async () => {
  const broker = await listen()
  let isSealed = true
  const consumer = consumerWith({
    brokers: [`127.0.0.1:${broker.port}`],
    kafka: async () => {
      if (isSealed) throw new Error('the vault is sealed')
      return {}
    },
    rebuildTimeoutMs: 100,
    dialTimeoutMs: 100,
  })
  const attempts: FactRecord[] = []
  consumer.on('session.failed', (record) => attempts.push(record))
  const reached = new Promise((resolve) => void consumer.on('cluster.reached', resolve))
  const started = consumer.start()
  // A refused login ends it after three.
  await expect.poll(() => attempts.length, { timeout: 8000 }).toBeGreaterThan(4)
  expect(attempts.at(-1)?.data).toMatchObject({ failure: { kind: 'settings-failed', code: 'NO_SETTINGS' } })
  isSealed = false
  await reached
  await consumer.stop()
  expect(await started).toBe('stopped')
}, 20_000)

test('another cluster at the address is refused with its fact; nothing but the questions who it is and what it speaks goes there', async () => {
  const broker = await listen()
  broker.view = { ...broker.view, clusterId: 'theirs' }
  const consumer = consumerWith({ brokers: [`127.0.0.1:${broker.port}`], clusterId: 'ours' })
  const refused = new Promise<FactRecord>((resolve) => void consumer.on('cluster.refused', resolve))
  const started = consumer.start()
  expect((await refused).data).toMatchObject({ expected: 'ours', got: 'theirs' })
  expect(consumer.status().ready).toBe(false)
  await consumer.stop()
  await started
  expect(new Set(broker.requests.map(({ apiKey }) => apiKey))).toEqual(new Set([3, 18]))
  await broker.left()
})

test.each(['', '-1', '1.5', 'latest'])('a seek to %o is a wrong call', async (offset) => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  expect(() => consumer.seek({ topic: 'orders', partition: 0, offset })).toThrow(
    /Expected `offset` of `seek` to be a decimal string/,
  )
})

test.each<[string, (consumer: Consumer) => unknown, string]>([
  ['pause without a list', (consumer) => consumer.pause({ topic: 'orders' } as never), 'Expected a list of topics'],
  ['pause of a name', (consumer) => consumer.pause('orders' as never), 'Expected a list of topics'],
  ['pause of a list of names', (consumer) => consumer.pause(['orders'] as never), 'Expected `topic` of `pause`'],
  [
    'resume of a number',
    (consumer) => consumer.resume([{ topic: 'o', partitions: 0 as never }]),
    '`partitions` of `resume`',
  ],
  ['seek without a topic', (consumer) => consumer.seek({ offset: '5' } as never), 'Expected `topic` of `seek`'],
  [
    'seek without a partition',
    (consumer) => consumer.seek({ topic: 'o', offset: '5' } as never),
    '`partition` of `seek`',
  ],
  ['run', (consumer) => (consumer as never as { run(): void }).run(), 'call `start()`'],
  ['subscribe', (consumer) => (consumer as never as { subscribe(): void }).subscribe(), 'pass `topics`'],
  ['connect', (consumer) => (consumer as never as { connect(): void }).connect(), 'call `start()`'],
])('%s is a wrong call that says what to write', async (_, call, message) => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  expect(() => call(consumer)).toThrow(expect.objectContaining({ code: 'invalid-call' }))
  expect(() => call(consumer)).toThrow(message)
})

test.each([
  5,
  [null],
  [{ topic: 'orders', partition: 0 }],
  [{ topic: 'orders', partition: 0, offset: 5 }],
  [{ topic: 'orders', partition: -1, offset: '5' }],
  [{ topic: 'orders', partition: 0, offset: '-1' }],
  [{ topic: 'orders', partition: 0, offset: '5', metadata: 7 }],
])('a commit of %o is a wrong call', async (offsets) => {
  const consumer = consumerWith({ brokers: ['127.0.0.1:9'] })
  await expect(consumer.commit(offsets as never)).rejects.toMatchObject({ name: 'RelistenError', code: 'invalid-call' })
  await consumer.stop()
})

test('a commit of what is not assigned says so', async () => {
  const consumer = consumerWith({ brokers: ['127.0.0.1:9'], autoCommit: false })
  await expect(consumer.commit([{ topic: 'orders', partition: 0, offset: '5' }])).rejects.toMatchObject({
    name: 'RelistenError',
    code: 'not-assigned',
    message: expect.stringContaining('Offset 5 of orders/0 is not committed'),
  })
  await expect(consumer.commit()).resolves.toBeUndefined()
  await consumer.stop()
})

test.each([...renamed])('to listen to %s is a wrong call that names %s', async (earlier, name) => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  expect(() => consumer.on(earlier as typeof name, () => {})).toThrow(
    expect.objectContaining({ code: 'invalid-call', what: `The fact \`${earlier}\` is called \`${name}\` now` }),
  )
})

test.each([
  ['cluster.moovd', () => {}, 'listen to `cluster.moved`'],
  ['cluster.moved', 5, 'pass a function'],
])('to listen to %s with %o is a wrong call', async (type, listener, next) => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  expect(() => consumer.on(type as '*', listener as never)).toThrow(next)
})

test('events are the facts from the moment they are asked for, and end with the consumer', async () => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  const events = consumer.events()
  const started = consumer.start()
  await begun(consumer)
  expect((await events.next()).value).toMatchObject({ seq: 1, type: 'actor.started', to: 'idle' })
  expect((await events.next()).value).toMatchObject({ type: 'start.requested', from: 'idle', to: 'connecting' })
  await consumer.stop()
  await started
  const rest: string[] = []
  for await (const { type } of events) rest.push(type)
  expect(rest).toEqual(expect.arrayContaining(['stop.requested', 'stop.completed']))
})

test('events that nobody wants any more can be left', async () => {
  const consumer = consumerWith({ brokers: [await nowhere()] })
  const started = consumer.start()
  for await (const { type } of consumer.events()) if (type !== 'start.requested') break
  await consumer.stop()
  await started
})

test('a listener that throws harms neither the consumer nor the other listeners, and one that left hears nothing', async () => {
  const lines: string[] = []
  const note = (_fields: object, line: string) => void lines.push(line)
  const logger = { debug: note, info: note, warn: note, error: note }
  const consumer = consumerWith({ brokers: [await nowhere()], logger })
  const heard: string[] = []
  consumer.on('*', () => {
    throw new Error('a listener')
  })
  consumer.on('start.requested', async () => {
    throw new Error('a late listener')
  })
  consumer.on('start.requested', () => void heard.push('one type'))
  consumer.on('*', ({ type }) => void heard.push(type))
  consumer.on('*', () => void heard.push('left'))()
  const started = consumer.start()
  await begun(consumer)
  await consumer.stop()
  await started
  expect(heard).toEqual(expect.arrayContaining(['one type', 'start.requested', 'stop.completed']))
  expect(heard).not.toContain('left')
  expect(lines).toContain('A listener of stop.completed threw: a listener')
  expect(lines).toContain('A listener of start.requested threw: a late listener')
})

test('leaving its scope stops it', async () => {
  let status = (): string => ''
  {
    await using consumer = consumerWith({ brokers: [await nowhere()] })
    status = () => consumer.status().state
    consumer.start().catch(() => {})
    await begun(consumer)
  }
  expect(status()).toBe('stopped')
})
