// How a start and a life end: by a signal, by a time limit, by a failure, by a stop. Nobody is surprised by a rejection that was not asked for.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import type { Consumer } from '../../src/consumer.ts'
import type { RelistenError } from '../../src/error.ts'
import { memoryJournal } from '../../src/journal/memory-journal.ts'
import { createConsumer } from '../../src/lifecycle-consumer.ts'
import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import { FakeBroker } from '../actors/fake-broker.ts'
import { reducedTo } from './told.ts'

const brokers: FakeBroker[] = []
afterEach(() => Promise.all(brokers.splice(0).map((broker) => broker.close())))

/** A broker that takes connections and never answers. */
async function silent(): Promise<FakeBroker> {
  const broker = await FakeBroker.listen()
  brokers.push(broker)
  broker.silence()
  return broker
}

const consumerAt = (broker: FakeBroker, options: Partial<ConsumerOptions> = {}): Consumer =>
  createConsumer({
    ...{ brokers: [`127.0.0.1:${broker.port}`], groupId: 'orders', topics: ['orders'], eachMessage: async () => {} },
    ...{ rebuildTimeoutMs: 200, dialTimeoutMs: 200, stopTimeoutMs: 1000, drainTimeoutMs: 0, logger: false, ...options },
  } as ConsumerOptions)

const errorOf = (promise: Promise<unknown>): Promise<RelistenError> =>
  promise.then(
    () => expect.unreachable('it did not fail'),
    (error) => error,
  )

test('a signal that aborts while it connects stops it, and the start says so', async () => {
  const broker = await silent()
  const consumer = consumerAt(broker)
  const { signal, ...controller } = abortable()
  const started = consumer.start({ signal })
  await expect.poll(() => broker.connections).toBeGreaterThan(0)
  controller.abort()
  expect(await started).toBe('stopped')
  await consumer.ended
  expect(consumer.status().state).toBe('stopped')
  await broker.left()
})

test('a signal that has aborted before starts nothing', async () => {
  const broker = await silent()
  expect(await consumerAt(broker).start({ signal: AbortSignal.abort() })).toBe('stopped')
  expect(broker.connections).toBe(0)
})

test('a start that takes too long rejects with what hinders it, once nothing is left behind', async () => {
  const broker = await silent()
  const { facts, logger } = reducedTo('consumer.failed')
  const consumer = consumerAt(broker, { logger })
  const error = await errorOf(consumer.start({ timeoutMs: 1500 }))
  expect(error).toMatchObject({ code: 'dial-failed', failure: { code: 'ANSWER_TIMEOUT' } })
  expect(error.message).toMatch(/not joined within 1500 ms.*says nothing.*Next step: /)
  expect(await errorOf(consumer.ended)).toBe(error)
  expect(consumer.status()).toMatchObject({ state: 'failed', reason: expect.stringContaining('within 1500 ms') })
  expect(facts).toMatchObject([{ failure: error.failure }])
  await consumer.stop()
  await broker.left()
})

test('a start that takes too long before its settings are there fails as well', async () => {
  const broker = await silent()
  const consumer = consumerAt(broker, { kafka: () => new Promise(() => {}) })
  expect((await errorOf(consumer.start({ timeoutMs: 50 }))).code).toBe('join-timed-out')
  expect(consumer.status().state).toBe('failed')
  expect(broker.connections).toBe(0)
})

test.each([
  [{ timeoutMs: 0 }, '`timeoutMs`'],
  [{ timeoutMs: '5s' }, '`timeoutMs`'],
  [{ signal: new AbortController() }, '`signal`'],
])('a start with %o is a wrong call, and begins nothing', async (options, name) => {
  const broker = await silent()
  const consumer = consumerAt(broker)
  expect(() => consumer.start(options as never)).toThrow(expect.objectContaining({ code: 'invalid-call' }))
  expect(() => consumer.start(options as never)).toThrow(name)
  expect(consumer.status().state).toBe('idle')
})

test('a journal that fails ends it with its own fact, as nothing can be recorded behind it', async () => {
  const broker = await silent()
  const { facts, lines, logger } = reducedTo('journal.failed')
  const journal = { ...memoryJournal(), append: () => broken('the disk is full') }
  const consumer = consumerAt(broker, { journal, logger })
  expect((await errorOf(consumer.start())).message).toContain('the disk is full')
  expect((await errorOf(consumer.ended)).code).toBe('journal-failed')
  expect(facts).toMatchObject([{ failure: { kind: 'journal-failed' }, policy: 'stop-intake' }])
  expect(lines[0]).toContain('the consumer ends')
})

test('a process whose consumer ends by a failure says so and ends as the user wants', async () => {
  const [unwatched, awaited] = await Promise.all([lifeOf('started'), lifeOf('ended')])
  // Nobody waited for the end, so its rejection is nobody's: the line on standard error is there all the same.
  expect(unwatched).toMatchObject({ code: 0, stderr: expect.stringContaining('stops permanently') })
  expect(awaited).toMatchObject({ code: 1, stderr: expect.stringContaining('RelistenError') })
}, 60_000)

const broken = (message: string): never => {
  throw new Error(message)
}

function abortable() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

/** A process that starts a consumer which fails, and waits for this. */
async function lifeOf(awaits: 'started' | 'ended'): Promise<{ code: number; stderr: string }> {
  const main = fileURLToPath(new URL('./failing-life-main.ts', import.meta.url))
  const options = { timeout: 50_000 }
  return promisify(execFile)(process.execPath, ['--import', 'tsx', main, awaits], options).then(
    ({ stderr }) => ({ code: 0, stderr }),
    ({ code, stderr }) => ({ code, stderr }),
  )
}
