// OpenTelemetry for consumers: what is observed at a collection, and that it can be ended.
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { noTraffic, type Traffic } from '../../../actors/delivery/traffic.ts'
import { commitChannel, type DialMessage, dialChannel, pollChannel } from '../../../actors/diagnostics/channels.ts'
import { tracing } from '../../../actors/diagnostics/tracing.ts'
import { deferred } from '../../../actors/time/deferred.ts'
import type { Consumer } from '../../../src/consumer.ts'
import { factChannel } from '../../../src/fact-channel.ts'
import type { AnyRecord } from '../../../src/journal/journal.ts'
import { type InstrumentOptions, instrument } from '../../../src/opentelemetry/instrument.ts'
import { metrics } from '../../../src/opentelemetry/metrics.ts'
import { emptyStatus, type Status, viewStatus } from '../../../src/views/status.ts'
import { batchOf } from '../../actors/stage.ts'
import { collecting, type Point } from './collected.ts'

let end = () => {}
afterEach(() => {
  end()
  end = () => {}
})

function instrumented(options: InstrumentOptions = {}) {
  const collected = collecting()
  const { meterProvider, tracerProvider } = collected
  end = instrument({ meterProvider, tracerProvider, ...options })
  return collected
}

/** A consumer with so many partitions, each with a lag of its number, that has had this traffic. */
function consumer(status: Partial<Status> = {}, partitions = 3, traffic: Partial<Traffic> = {}) {
  const over = deferred<void>()
  const subject = {
    ...{ groupId: 'readers', ended: over.promise },
    status: () => ({ ...viewStatus(emptyStatus, 0, { ...noTraffic, ...traffic }), ...status }),
    partitions: () =>
      Array.from({ length: partitions }, (_, partition) => ({
        ...{ topic: 'orders', partition, lag: partition === 0 ? null : partition, paused: partition === 1 },
      })),
  } as unknown as Consumer
  factChannel.publish({
    consumer: subject,
    record: { type: 'start.requested', data: {}, to: 'connecting', plan: null } as AnyRecord,
  })
  return { stop: () => over.resolve(undefined) }
}

const found = (points: ReadonlyMap<string, readonly Point[]>, name: string, attributes: object = {}) =>
  points.get(name)?.find((point) => {
    return Object.entries(attributes).every(([key, value]) => point.attributes[key] === value)
  })?.value

test('consumers of one group are counted together, by state and by health', async () => {
  const { points } = instrumented()
  consumer({ state: 'consuming', ready: true, live: true })
  consumer({ state: 'draining', ready: true, live: true, degraded: true })
  consumer({ state: 'consuming', ready: false, live: false })
  const all = await points()
  const states = ['consuming', 'draining', 'failed'].map((state) =>
    found(all, 'relisten.consumers', { 'relisten.state': state }),
  )
  expect(states).toEqual([2, 1, 0])
  const health = ['live', 'ready', 'degraded'].map((name) => found(all, `relisten.consumers.${name}`))
  expect(health).toEqual([2, 2, 1])
})

test('the lag of a topic is that of its partitions, as far as it is known', async () => {
  const { points } = instrumented()
  consumer({}, 4)
  const all = await points()
  expect(found(all, 'relisten.lag', { 'messaging.destination.name': 'orders' })).toBe(6)
  expect(
    all
      .get('relisten.partition.lag')
      ?.map(({ attributes, value }) => [attributes['messaging.destination.partition.id'], value]),
  ).toEqual([
    ['1', 1],
    ['2', 2],
    ['3', 3],
  ])
  expect(found(all, 'relisten.partitions.assigned')).toBe(4)
  expect(found(all, 'relisten.partitions.paused')).toBe(1)
})

test('the lag of a partition that is assigned no more is 0, as an SDK would go on with the last one', async () => {
  const { points } = instrumented()
  const { stop } = consumer({}, 4)
  expect(found(await points(), 'relisten.lag')).toBe(6)
  stop()
  consumer({}, 2)
  await turn()
  const all = await points()
  expect(found(all, 'relisten.lag')).toBe(1)
  expect(all.get('relisten.partition.lag')?.map(({ value }) => value)).toEqual([1, 0, 0])
})

test.each([
  [200, undefined, 199],
  [201, undefined, 0],
  [201, true, 200],
  [3, false, 0],
])('of %i partitions, with `partitions: %s`, the lag of %i is told', async (count, partitions, told) => {
  const { points } = instrumented(partitions === undefined ? {} : { partitions })
  consumer({}, count)
  const all = await points()
  expect(all.get('relisten.partition.lag') ?? []).toHaveLength(told)
  expect(found(all, 'relisten.lag')).toBe((count * (count - 1)) / 2)
})

test('what consumers have read does not go back when one of them ends', async () => {
  const { points } = instrumented()
  const first = consumer({}, 1, { fetchedMessages: 70, handledMessages: 60, fetchedBytes: 700, bufferedBytes: 10 })
  consumer({}, 1, { fetchedMessages: 7, handledMessages: 6, suppressedMessages: 1, bufferedBytes: 1 })
  const read = async () => {
    const all = await points()
    return ['fetched.messages', 'handled.messages', 'fetched.size', 'rereads.suppressed', 'buffered.size'].map((name) =>
      found(all, `relisten.${name}`),
    )
  }
  expect(await read()).toEqual([77, 66, 700, 1, 11])
  first.stop()
  await turn()
  expect(await read()).toEqual([77, 66, 700, 1, 1])
})

test('dials, polls and commits are measured; what was taken over, or was not wanted any more, is no dial', async () => {
  const { points } = instrumented()
  const dial = { endpoint: 'a:1', nodeId: 1, reason: 'moved', tookMs: 40, steps: [], failure: undefined } as const
  const steps = [{ step: 'connect', tookMs: 40 }]
  const failure = { kind: 'dial-failed', message: 'no', code: 'ECONNREFUSED' } as const
  const messages: DialMessage[] = [
    { ...dial, steps },
    { ...dial, failure },
    dial,
    { ...dial, failure: { ...failure, code: 'ABORT_ERR' } },
    { ...dial, failure: { ...failure, code: 'TOO_SOON' } },
  ]
  for (const message of messages) dialChannel.publish(message)
  const { stop } = consumer()
  pollChannel.publish({ clusterId: 'ours', reason: 'interval', asked: [], tookMs: 3, failure: undefined })
  pollChannel.publish({ clusterId: 'ours', reason: 'silent', asked: [], tookMs: 3, failure })
  commitChannel.publish({ groupId: 'readers', partitions: 3, tookMs: 20, failure: undefined })
  const all = await points()
  expect(all.get('relisten.dial.duration')?.map(({ attributes, value }) => [attributes['error.type'], value])).toEqual([
    [undefined, { count: 1, sum: 0.04 }],
    ['dial-failed', { count: 1, sum: 0.04 }],
  ])
  expect(found(all, 'relisten.polls', { 'relisten.result': 'answered', 'relisten.reason': 'interval' })).toBe(1)
  expect(found(all, 'relisten.polls', { 'relisten.result': 'unanswered', 'relisten.reason': 'silent' })).toBe(1)
  expect(found(all, 'relisten.poll.age', { 'relisten.cluster.id': 'ours' })).toBeLessThan(10)
  expect(found(all, 'messaging.client.operation.duration', { 'messaging.operation.name': 'commit' })).toEqual({
    ...{ count: 1, sum: 0.02 },
  })
  expect(found(all, 'relisten.event_loop.delay')).toEqual(expect.any(Number))
  // nobody polls any more
  stop()
  await turn()
  expect(found(await points(), 'relisten.poll.age')).toBe(0)
})

const batch = { groupId: 'readers', topic: 'orders', partition: 0, messages: batchOf(0, [5, 6]).messages }

test.each([
  ['batch', ['process orders']],
  ['message', ['process orders', 'process orders']],
  ['none', []],
] as const)(
  'with `handlerSpans: %s` a batch of two messages is measured once, and traced as %j',
  async (handlerSpans, names) => {
    const { points, spans } = instrumented({ handlerSpans })
    const outcome = () => ({ messages: 2, error: undefined })
    const call = async () => {}
    const each = async () => {
      for (const message of batch.messages)
        await (tracing.aroundCall?.({ ...batch, messages: [message] }, call) ?? call())
      return 'done'
    }
    expect(await tracing.aroundBatch?.(batch, each, outcome)).toBe('done')
    const all = await points()
    const about = { 'messaging.destination.name': 'orders', 'messaging.operation.name': 'process' }
    expect(found(all, 'messaging.client.consumed.messages', about)).toBe(2)
    expect(found(all, 'messaging.process.duration', about)).toMatchObject({ count: 1 })
    expect(spans().map(({ name }) => name)).toEqual(names)
  },
)

test('it is called once per process, and what it returns ends it', async () => {
  const { points } = instrumented()
  expect(() => instrument()).toThrow(/instrumented already.*once per process/)
  consumer()
  end()
  expect(tracing).toEqual({})
  for (const { hasSubscribers } of [factChannel, dialChannel, pollChannel, commitChannel])
    expect(hasSubscribers).toBe(false)
  expect((await points()).has('relisten.consumers')).toBe(false)
  // it may be called again
  instrumented()
  expect(factChannel.hasSubscribers).toBe(true)
})

test('a measurement that fails ends neither the process nor the others', async () => {
  const { points } = instrumented()
  commitChannel.publish(undefined as never)
  consumer({ state: 'consuming' })
  expect(found(await points(), 'relisten.consumers', { 'relisten.state': 'consuming' })).toBe(1)
})

test('names, units and attributes of the table are those of OpenTelemetry', () => {
  const table = Object.values(metrics)
  expect(new Set(table.map(({ name }) => name)).size).toBe(table.length)
  for (const { name, unit, kind, attributes, description } of table) {
    expect(name).toMatch(/^(messaging|relisten)(\.[a-z_]+)+$/)
    expect(unit).toMatch(/^(1|s|By|\{[a-z]+\})$/)
    if (kind === 'histogram') expect(unit).toBe('s')
    expect(attributes.filter((each) => !/^(messaging|relisten|error)(\.[a-z_]+)+$/.test(each))).toEqual([])
    expect(description).toMatch(/\.$/)
  }
})
