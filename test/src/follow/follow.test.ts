// `follow` as far as no broker is needed: what KafkaJS gets, what is recorded and told, and how it ends. Where a client connects, the source of its brokers names none.
import { once } from 'node:events'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, expect, test, vi } from 'vitest'
import { followingMachine } from '../../../machines/following.ts'
import { foldOf } from '../../../machines/replay.ts'
import { RelistenError } from '../../../src/error.ts'
import { type FollowedConfig, follow } from '../../../src/follow/follow.ts'
import type { FollowConfig, FollowOptions } from '../../../src/follow/follow-options.ts'
import type { AnyRecord, Journal } from '../../../src/journal/journal.ts'
import { memoryJournal } from '../../../src/journal/memory-journal.ts'

const open: FollowedConfig[] = []
/** XState tells a machine's misuse there. */
const warned = vi.spyOn(console, 'warn')
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ followed }) => followed.close()))
  expect(warned.mock.calls).toEqual([])
})

/** Followed without a log, by a source that never says where a broker is. */
function following(options: FollowOptions = {}, config: Partial<FollowConfig> = {}): FollowedConfig {
  const brokers = () => new Promise<never>(() => {})
  const followed = follow({ brokers, ...config }, { logger: false, ...options })
  open.push(followed)
  return followed
}

/** A connection that a client opens to the broker in its list. */
function connect({ socketFactory, brokers }: FollowedConfig) {
  const [host = '', port] = (brokers[0] ?? '').split(':')
  return new Promise<ReturnType<typeof socketFactory>>((resolve) => {
    const socket = socketFactory({ host, port: Number(port), ssl: {}, onConnect: () => resolve(socket) })
  })
}

const typesIn = (journal: Journal): string[] => [...journal.read()].map(({ type }) => type)

/** A journal that fails from this record on. */
function failingAt(seq: number): Journal {
  const journal = memoryJournal()
  const append: Journal['append'] = (record, expectedSeq) => {
    if (record.seq >= seq) throw new Error('the disk is full')
    journal.append(record, expectedSeq)
  }
  return { append, read: (from) => journal.read(from), close: () => {} }
}

test('KafkaJS gets a made-up broker, no TLS and no login, and everything else as it was', () => {
  const retry = { retries: 3 }
  const logCreator = () => () => {}
  const ssl = { ca: '-----BEGIN CERTIFICATE-----' }
  const sasl = { mechanism: 'scram-sha-512', username: 'u', password: 'p' } as const
  const given = { clientId: 'orders', retry, logCreator, logLevel: logLevel.ERROR, requestTimeout: 9000, ssl, sasl }
  const { followed, socketFactory, ...rest } = following({}, given)
  const { ssl: _, sasl: __, ...kept } = given
  expect(rest).toEqual({ ...kept, brokers: ['relisten:9092'] })
  expect(rest.retry).toBe(retry)
  expect([typeof socketFactory, followed.status().state]).toEqual(['function', 'resting'])
})

test('it has no key with `undefined`, which would override what others set', () => {
  const config = following({}, { clientId: undefined, requestTimeout: undefined, ssl: undefined } as never)
  expect(Object.keys(config).toSorted()).toEqual(['brokers', 'followed', 'socketFactory'])
})

test('what it is given stays as it is, frozen or not', () => {
  const given = Object.freeze({
    ...{ clientId: 'orders', brokers: Object.freeze(['127.0.0.1:1']), ssl: Object.freeze({}) },
    sasl: Object.freeze({ mechanism: 'plain', username: 'u', password: 'p' }),
  })
  const before = JSON.stringify(given)
  const options: FollowOptions = Object.freeze({ logger: false })
  open.push(follow(given as FollowConfig, options))
  expect(JSON.stringify(given)).toBe(before)
})

test('any number of Kafkas are made of it', () => {
  const config = following()
  for (const kafka of [new Kafka(config), new Kafka(config), new Kafka({ ...config, clientId: 'other' })])
    expect(kafka.admin()).toBeDefined()
})

test('before a client connects nothing is asked', () => {
  const brokers = vi.fn(async () => ['127.0.0.1:1'])
  const { followed } = following({}, { brokers })
  expect(followed.status()).toMatchObject({
    state: 'resting',
    connections: 0,
    waiting: 0,
    brokers: [],
    clusterId: null,
  })
  expect(typesIn(followed.journal)).toEqual(['actor.started'])
  expect(brokers).not.toHaveBeenCalled()
})

test('the brokers are looked for from the first connection on until the last has ended', async () => {
  const brokers = vi.fn(() => new Promise<never>(() => {}))
  const config = following({}, { brokers })
  const { followed } = config
  const [one, other] = [await connect(config), await connect(config)]
  await expect.poll(() => brokers.mock.calls.length).toBe(1)
  expect(followed.status()).toMatchObject({ state: 'reaching', connections: 2 })
  one.end()
  expect(followed.status()).toMatchObject({ state: 'reaching', connections: 1 })
  other.end()
  expect(followed.status()).toMatchObject({ state: 'resting', connections: 0 })
  const third = await connect(config)
  await expect.poll(() => brokers.mock.calls.length).toBe(2)
  third.end()
  expect(typesIn(followed.journal)).toEqual([
    'actor.started',
    ...['wires.opened', 'wires.closed', 'wires.opened', 'wires.closed'],
  ])
})

test('its journal replays to where it is', async () => {
  const config = following()
  await connect(config)
  await config.followed.close()
  const fold = foldOf(followingMachine, 'following')
  for (const record of config.followed.journal.read()) fold.take(record)
  expect(fold.snapshot).toMatchObject({ value: 'closed', status: 'done', output: null })
})

test('closed before any client, it is closed at once, and twice is as once', async () => {
  const { followed } = following()
  const first = followed.close()
  expect(followed.close({ timeoutMs: 60_000 })).toBe(first)
  await first
  expect(followed.status().state).toBe('closed')
  await followed.close()
  expect(typesIn(followed.journal)).toEqual(['actor.started', 'stop.requested', 'stop.completed'])
})

test('its end ends its connections with an error, and who connects later is refused', async () => {
  const config = following()
  const socket = await connect(config)
  const failed = once(socket, 'error')
  await config.followed.close()
  expect((await failed)[0]).toMatchObject({ message: expect.stringContaining('closed') })
  expect(config.followed.status()).toMatchObject({ state: 'closed', connections: 0 })
  const { socketFactory } = config
  const late = socketFactory({ host: 'relisten', port: 9092, ssl: {}, onConnect: () => {} })
  expect((await once(late, 'error'))[0]).toBeInstanceOf(Error)
  expect(config.followed.status().connections).toBe(0)
})

test.each([-1, 1.5, Number.NaN, 2 ** 31, '5'])('a timeoutMs of %s is refused, and nothing is closed', (timeoutMs) => {
  const { followed } = following()
  expect(() => followed.close({ timeoutMs: timeoutMs as number })).toThrow(RelistenError)
  expect(followed.status().state).toBe('resting')
})

test('a listener hears of each fact once it is recorded, until it is removed', async () => {
  const config = following()
  const heard: AnyRecord[] = []
  const opened: number[] = []
  const remove = config.followed.on('wires.opened', ({ seq }) => opened.push(seq))
  config.followed.on('*', (record) => {
    expect([...config.followed.journal.read()].at(-1)).toEqual(record)
    heard.push(record)
  })
  const socket = await connect(config)
  socket.end()
  remove()
  ;(await connect(config)).end()
  expect(heard.map(({ type }) => type)).toEqual(['wires.opened', 'wires.closed', 'wires.opened', 'wires.closed'])
  expect(opened).toEqual([2])
})

test('there is no fact of a wrong name, and no listener that is none', () => {
  const { followed } = following()
  expect(() => followed.on('wires.open' as never, () => {})).toThrow('listen to `wires.opened`')
  expect(() => followed.on('wires.opened', 'log' as never)).toThrow('Expected a function as the listener')
})

test('a listener that throws, or rejects, harms nobody and is told to the log', async () => {
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const config = following({ logger })
  const heard: string[] = []
  config.followed.on('wires.opened', () => {
    throw new Error('no room')
  })
  config.followed.on('wires.opened', async () => Promise.reject(new Error('no time')))
  config.followed.on('*', ({ type }) => heard.push(type))
  await connect(config)
  await expect
    .poll(() => logger.error.mock.calls.map(([, line]) => line))
    .toEqual(['A listener of wires.opened threw: no room', 'A listener of wires.opened threw: no time'])
  expect([heard, config.followed.status().state]).toEqual([['wires.opened'], 'reaching'])
})

test('events are iterated until it is closed, also by who comes later', async () => {
  const { followed } = following()
  const events = followed.events()
  void followed.close()
  const types: string[] = []
  for await (const { type } of events) types.push(type)
  expect(types).toEqual(['stop.requested', 'stop.completed'])
  expect(await followed.events().next()).toEqual({ value: undefined, done: true })
})

test('a journal that fails leaves it at work with `degrade`', async () => {
  const config = following({ journal: failingAt(2), onJournalError: 'degrade' })
  await connect(config)
  expect(config.followed.status()).toMatchObject({
    ...{ state: 'reaching', connections: 1, journal: 'degraded' },
    lastFailure: { kind: 'journal-failed', message: expect.stringContaining('the disk is full') },
  })
  expect(typesIn(config.followed.journal)).toEqual(['journal.failed', 'wires.opened'])
})

test('a journal that fails ends it with `stop-intake`: no connection begins, and nobody looks for brokers', async () => {
  const brokers = vi.fn(() => new Promise<never>(() => {}))
  const config = following({ journal: failingAt(2) }, { brokers })
  const told: string[] = []
  config.followed.on('*', ({ type }) => told.push(type))
  expect(() => config.socketFactory({ host: 'relisten', port: 9092, ssl: {}, onConnect: () => {} })).toThrow('closed')
  await config.followed.close()
  expect(config.followed.status()).toMatchObject({ state: 'closed', connections: 0, journal: 'failed' })
  expect(told).toEqual(['journal.failed'])
  expect(brokers).not.toHaveBeenCalled()
})

test('a journal that fails later ends the connections that there are', async () => {
  const config = following({ journal: failingAt(3) })
  const { followed } = config
  const socket = await connect(config)
  const failed = once(socket, 'error')
  await followed.close()
  expect((await failed)[0]).toBeInstanceOf(Error)
  expect(followed.status()).toMatchObject({ state: 'closed', connections: 0, journal: 'failed' })
})

test('a journal that fails with its first record leaves it closed', async () => {
  const { followed } = following({ journal: failingAt(1) })
  expect(followed.status()).toMatchObject({ state: 'closed', journal: 'failed' })
  await followed.close()
})

test('an observer of XState’s inspection is given its machine', async () => {
  const types = new Set<string>()
  const config = following({ inspect: { next: ({ type }) => types.add(type) } })
  await connect(config)
  expect([...types]).toEqual(expect.arrayContaining(['@xstate.actor', '@xstate.event', '@xstate.snapshot']))
})
