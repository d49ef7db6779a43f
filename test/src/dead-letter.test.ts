// Dead letters: what is sent, when the message is skipped, and what becomes of it while the topic for them is away.
import type { Producer } from 'kafkajs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepSecret } from '../../actors/security/secrets.ts'
import { type DeadLetterProducer, deadLetter } from '../../src/dead-letter.ts'
import { resolveOptions } from '../../src/options/options.ts'
import { batchIn, Stage, settled, staged, topic } from '../actors/stage.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

type Sent = Parameters<DeadLetterProducer['send']>[0]

/** A producer whose first sends fail. */
function producer(failures = 0) {
  const sends: Sent[] = []
  let calls = 0
  const send = async (record: Sent) => {
    if (calls++ < failures) throw new Error('the topic for dead letters is away')
    sends.push(record)
  }
  return { send, sends, calls: () => calls }
}

const letters = ({ sends }: { sends: Sent[] }) =>
  sends.flatMap(({ messages }) => messages.map(({ value }) => `${value}`))

test("KafkaJS's producer fits", () => {
  const fits = (of: Producer) => deadLetter({ producer: of, topic: 'orders.dead' })
  expect(fits({ send: async () => [] } as unknown as Producer).maxAttempts).toBe(6)
})

test('a message becomes a dead letter after its attempts, and is skipped once that was acknowledged', async () => {
  let acknowledge = () => {}
  const sends: Sent[] = []
  const send = (record: Sent) => {
    sends.push(record)
    return new Promise<void>((resolve) => {
      acknowledge = resolve
    })
  }
  const stage = await staged({
    handlerRetries: 1,
    onHandlerError: deadLetter({ producer: { send }, topic: 'orders.dead' }),
  })
  await stage.handlers.at('0/0').throw('no')
  expect(sends).toEqual([])
  await vi.advanceTimersByTimeAsync(125)
  await stage.handlers.at('0/0').throw('no')
  expect(sends).toMatchObject([{ topic: 'orders.dead', acks: -1, messages: [{ value: Buffer.from('0/0') }] }])
  expect([stage.handlers.log, stage.queue(0).progress.mark]).toEqual([['0/0', '0/0'], 0n])
  acknowledge()
  await settled()
  expect([stage.handlers.log.at(-1), stage.queue(0).progress.mark]).toEqual(['0/1', 1n])
  expect(stage.factsOf('handler.gave-up')).toMatchObject([{ offset: '0', decision: 'skip' }])
})

test('while the topic for dead letters is away the send is repeated, and the handler is not called', async () => {
  const away = producer(12)
  const stage = await staged({ onHandlerError: deadLetter({ producer: away, topic: 'orders.dead' }) })
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(200_000)
  expect([letters(away), stage.handlers.log]).toEqual([['0/0'], ['0/0', '0/1']])
  expect(stage.factsOf('policy.failed')).toHaveLength(12)
  expect(stage.factsOf('policy.failed')[0]?.failure.message).toBe(
    'onHandlerError failed: the topic for dead letters is away',
  )
  // Nobody has to look for it.
  expect(stage.factsOf('partition.degraded')).toMatchObject([{ offset: '0', attempts: 1 }])
  expect(stage.factsOf('partition.recovered')).toHaveLength(1)
})

test('a rebalance ends the wait for the topic for dead letters at once', async () => {
  const away = producer(Number.POSITIVE_INFINITY)
  const stage = await staged({ onHandlerError: deadLetter({ producer: away, topic: 'orders.dead' }) })
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(10_000)
  const startedAt = performance.now()
  expect(await stage.dispatcher.close(10_000)).toBe(false)
  expect([performance.now() - startedAt, vi.getTimerCount()]).toEqual([0, 0])
})

test('a dead letter that is acknowledged after the assignment has ended is not handled again here', async () => {
  let acknowledge = () => {}
  const send = () =>
    new Promise<void>((resolve) => {
      acknowledge = resolve
    })
  const stage = await staged({ onHandlerError: deadLetter({ producer: { send }, topic: 'orders.dead' }) })
  await stage.handlers.at('0/0').throw('no')
  const closed = stage.dispatcher.close(1000)
  acknowledge()
  await closed
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
})

test('all that is left of a batch becomes dead letters, one message per send, and none that was acknowledged again', async () => {
  const calls: string[] = []
  let isAway = true
  const send = async ({ messages }: Sent) => {
    for (const { value } of messages) {
      calls.push(`${value}`)
      if (isAway && `${value}` === '0/2') throw new Error('away')
    }
  }
  const stage = await staged({
    batches: true,
    onHandlerError: deadLetter({ producer: { send }, topic: 'orders.dead' }),
  })
  batchIn(stage, '0/0').resolveOffset('0')
  await stage.handlers.at('0/0').throw('no')
  expect([calls, stage.queue(0).progress.mark]).toEqual([['0/1', '0/2'], 1n])
  isAway = false
  await vi.advanceTimersByTimeAsync(250)
  expect([calls, stage.queue(0).progress.mark]).toEqual([['0/1', '0/2', '0/2'], 3n])
  expect(stage.handlers.log).toEqual(['0/0'])
})

class PaymentError extends Error {}

/** What Spring's DeadLetterPublishingRecoverer (spring-kafka 3.3.4) wrote for this record. */
const spring = {
  'kafka_dlt-original-topic': '6f7264657273',
  'kafka_dlt-original-partition': '00000102',
  'kafka_dlt-original-offset': '0000000123456789',
  'kafka_dlt-original-timestamp': '0000019365c48c7b',
  'kafka_dlt-exception-message': '6e6f742070616964',
}

test('key, value and headers are as they were, and headers say where it came from and why, for us and for Spring', async () => {
  const { sends, send } = producer()
  const message = {
    ...{ key: Buffer.from('key'), value: Buffer.from('value'), offset: '4886718345', timestamp: '1732579200123' },
    ...{ attributes: 0, headers: { trace: Buffer.from('abc'), many: [Buffer.from('1'), Buffer.from('2')] } },
  }
  const policy = deadLetter({ producer: { send }, topic: 'orders.dead' })
  const { signal } = new AbortController()
  const about = { topic: 'orders', partition: 258, offset: message.offset, attempts: 6, message, messages: [message] }
  expect(await policy({ ...about, error: new PaymentError('not paid'), signal })).toBe('skip')
  const [letter] = sends[0]?.messages ?? []
  expect(letter).toMatchObject({ key: Buffer.from('key'), value: Buffer.from('value') })
  const headers = letter?.headers ?? {}
  expect(headers).toMatchObject(message.headers)
  expect(headers).toMatchObject({
    'relisten-original-topic': 'orders',
    'relisten-original-partition': '258',
    'relisten-original-offset': '4886718345',
    'relisten-original-timestamp': '1732579200123',
    'relisten-error-class': 'PaymentError',
    'relisten-error-message': 'not paid',
    'relisten-attempts': '6',
    'kafka_dlt-exception-fqcn': 'PaymentError',
  })
  for (const [name, hex] of Object.entries(spring))
    expect(Buffer.from(headers[name] as Buffer | string).toString('hex'), name).toBe(hex)
})

test('a message without key and value stays so', async () => {
  const { sends, send } = producer()
  const message = { key: null, value: null, offset: '0', timestamp: '0', attributes: 0, headers: {} }
  const about = { topic: 'orders', partition: 0, offset: '0', attempts: 1, message, messages: [message] }
  const { signal } = new AbortController()
  await deadLetter({ producer: { send }, topic: 'orders.dead' })({ ...about, error: undefined, signal })
  expect(sends[0]?.messages).toMatchObject([{ key: null, value: null }])
})

test('no secret leaves with a dead letter', async () => {
  keepSecret('sesame-5512')
  const { sends, send } = producer()
  const stage = new Stage({ onHandlerError: deadLetter({ producer: { send }, topic: 'orders.dead' }) })
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  await stage.handlers.at('0/0').throw('no login with sesame-5512')
  expect(sends).toHaveLength(1)
  expect(JSON.stringify(sends)).not.toContain('sesame-5512')
})

const least = { brokers: ['b1:9092'], groupId: 'g', topics: [topic], eachMessage: async () => {} }

test('maxAttempts takes the place of handlerRetries, and both together are refused', () => {
  const onHandlerError = deadLetter({ producer: producer(), topic: 'orders.dead', maxAttempts: 3 })
  expect(resolveOptions({ ...least, onHandlerError }).handlerRetries).toBe(2)
  expect(resolveOptions({ ...least, onHandlerError: async () => 'skip' }).handlerRetries).toBe(5)
  expect(() => resolveOptions({ ...least, onHandlerError, handlerRetries: 2 })).toThrow(
    'Expected `handlerRetries` to be left out, as `maxAttempts` of `deadLetter` says how often the handler is called',
  )
})

test.each([
  [{ producer: undefined }, 'Expected `producer` of `deadLetter` to have a function `send`'],
  [{ topic: '' }, 'Expected `topic` of `deadLetter` to be a non-empty string'],
  [{ maxAttempts: 0 }, 'Expected `maxAttempts` of `deadLetter` to be a whole number of at least 1, got `0`'],
  [{ maxAttempts: '3' }, 'got `3`'],
])('%o is refused with what to write instead', (more, message) => {
  const options = { producer: producer(), topic: 'orders.dead', ...more } as never
  expect(() => deadLetter(options)).toThrow(message)
  expect(() => deadLetter(options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
})
