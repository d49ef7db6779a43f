// What operators see of a consumer whose brokers move: metrics, traces and diagnostics channels, and where paused partitions are.
import { trace } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import type {
  ClaimMessage,
  CommitMessage,
  DialMessage,
  FactMessage,
  HandlerMessage,
  PollMessage,
} from '../../src/index.ts'
import { createConsumer } from '../../src/index.ts'
import { metrics } from '../../src/opentelemetry/metrics.ts'
import { instrument } from '../../src/opentelemetry.ts'
import { heard } from '../actors/diagnostics/heard.ts'
import { startFront } from '../cluster/front.ts'
import { childrenOf, collecting, msOf, withContexts } from '../src/opentelemetry/collected.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })

withContexts()

const PRODUCED = `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`

/** Sends so many messages to each of these partitions. */
async function send(topic: string, partitions: readonly number[], count: number): Promise<void> {
  const producer = cluster().kafka().producer()
  await producer.connect()
  const headers = { traceparent: PRODUCED }
  const messages = partitions.flatMap((partition) =>
    Array.from({ length: count }, () => ({ partition, value: 'one', headers })),
  )
  await producer.send({ topic, messages })
  await producer.disconnect()
}

test('a move of all brokers is one trace with its steps, and metrics and channels tell the same', async () => {
  const topic = 'telemetry'
  await cluster().createTopic(topic, { partitions: 6 })
  const all = [0, 1, 2, 3, 4, 5]
  const collected = collecting()
  const end = instrument(collected)
  using facts = heard<FactMessage>('relisten:fact')
  using handlers = heard<HandlerMessage>('relisten:handler')
  using dials = heard<DialMessage>('relisten:dial')
  using polls = heard<PollMessage>('relisten:poll')
  using claims = heard<ClaimMessage>('relisten:claim')
  using commits = heard<CommitMessage>('relisten:commit')
  await using front = await startFront(cluster())
  const active = new Set<string | undefined>()
  const seen: unknown[] = []
  const consumer = createConsumer({
    ...{ brokers: () => front.endpoints(), groupId: topic, topics: [topic], fromBeginning: true, logger: false },
    eachMessage: async () => void active.add(trace.getActiveSpan()?.spanContext().spanId),
  })
  consumer.on('*', (record) => void seen.push(record))
  try {
    await consumer.start()
    await send(topic, all, 5)
    const handled = (count: number) =>
      until(() => (handlers.messages.length >= count ? undefined : `${handlers.messages.length} of ${count} messages`))
    await handled(30)
    await front.move(2)
    await until(() => (consumer.status().lastHandover ? undefined : 'the hand-over'))
    await send(topic, all, 5)
    await handled(60)
    await consumer.commit()
    await until(() => (polls.messages.some(({ reason }) => reason === 'interval') ? undefined : 'a poll in its turn'))

    // the channels
    expect(facts.messages.map(({ record }) => record)).toEqual(expect.arrayContaining(seen))
    expect(new Set(facts.messages.map((message) => message.consumer))).toEqual(new Set([consumer]))
    expect(handlers.messages).toHaveLength(60)
    expect(handlers.messages[0]).toMatchObject({
      groupId: topic,
      topic,
      messages: 1,
      bytes: 3 + 11 + 55,
      error: undefined,
    })
    expect(commits.messages.at(-1)).toMatchObject({ groupId: topic, failure: undefined })
    expect(dials.messages.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['poll', 'first', 'moved']))
    expect(polls.messages.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['start', 'connection-ended']))
    // what the node itself says at its new endpoint is confirmed at once
    expect(claims.messages.length).toBeGreaterThan(0)
    expect(new Set(claims.messages.map(({ nodeId }) => nodeId)).size).toBe(claims.messages.length)
    for (const { nodeId, to } of claims.messages) expect(to).toBe(front.endpoint(nodeId))

    // the trace of the move
    const spans = collected.spans()
    const [root, ...more] = spans.filter(({ name }) => name === 'relisten hand-over')
    expect(more).toEqual([])
    const steps = childrenOf(spans, root)
    const nodesOf = (name: string) =>
      new Set(steps.filter((span) => span.name === name).map((span) => span.attributes['relisten.node.id']))
    expect(nodesOf('accepted')).toEqual(new Set([1, 2, 3]))
    expect(nodesOf('connected')).toEqual(new Set([1, 2, 3]))
    const { lastHandover } = consumer.status()
    expect(root?.attributes).toMatchObject({
      'relisten.cause': 'moved',
      'relisten.gap': (lastHandover?.gapMs ?? -1) / 1000,
    })
    for (const name of ['noticed', 'dial', 'drained', 'proven']) expect(steps.map((span) => span.name)).toContain(name)
    const dial = steps.find((span) => span.name === 'dial' && childrenOf(spans, span).length > 0)
    expect(childrenOf(spans, dial).map(({ name }) => name)).toEqual(['settings', 'connect', 'answer'])
    expect(new Set(steps.map((span) => span.spanContext().traceId))).toEqual(new Set([root?.spanContext().traceId]))
    expect(msOf(root?.startTime ?? [0, 0])).toBe(Math.min(...steps.map((span) => msOf(span.startTime))))

    // the spans of handlers
    const handling = spans.filter(({ name }) => name === `process ${topic}`)
    const ids = new Set(handling.map((span) => span.spanContext().spanId))
    expect(active).toEqual(ids)
    for (const { links } of handling) expect(links.map((link) => link.context.spanId)).toEqual(['b2'.repeat(8)])

    // the metrics
    const points = await collected.points()
    const sum = (name: string) =>
      (points.get(name) ?? []).reduce(
        (total, { value }) => total + (typeof value === 'number' ? value : value.count),
        0,
      )
    for (const name of ['messaging.client.consumed.messages', 'relisten.fetched.messages', 'relisten.handled.messages'])
      expect(sum(name), name).toBe(60)
    expect(sum('relisten.fetched.size')).toBe(60 * 69)
    expect(points.get('relisten.restarts')).toMatchObject([
      { attributes: { 'relisten.kind': 'in-place', 'relisten.cause': 'moved' }, value: 1 },
    ])
    expect(points.get('relisten.handover.gap')).toMatchObject([
      { value: { count: 1, sum: (lastHandover?.gapMs ?? -1) / 1000 } },
    ])
    expect(sum('messaging.client.operation.duration')).toBe(commits.messages.length)
    expect(sum('relisten.polls')).toBe(polls.messages.length)
    expect(sum('relisten.lag')).toBe(0)
    expect(points.get('relisten.partition.lag')).toHaveLength(6)
    expect(sum('relisten.consumers')).toBe(1)
    expect(sum('relisten.consumers.ready')).toBe(1)
    // There is no balancer here.
    const ofConsumers = Object.values(metrics).filter(({ name }) => !name.startsWith('relisten.balancer'))
    const read = ofConsumers.filter(({ kind }) => kind.startsWith('observed'))
    expect(read.map(({ name }) => name).filter((name) => !points.has(name))).toEqual([])
  } finally {
    await consumer.stop()
    end()
  }
})

test('the lag of paused partitions is known, although nothing of them is fetched', async () => {
  const topic = 'paused-lag'
  await cluster().createTopic(topic, { partitions: 3 })
  await using consumer = createConsumer({
    ...{ brokers: cluster().nodeIds.map((id) => cluster().endpoint(id)), groupId: topic, topics: [topic] },
    ...{ fromBeginning: true, logger: false, eachMessage: async () => {} },
  })
  await consumer.start()
  consumer.pause([{ topic, partitions: [0, 1] }])
  await send(topic, [0, 1, 2], 7)
  const lags = () =>
    Object.fromEntries(consumer.partitions().map(({ partition, lag, paused }) => [partition, [lag, paused]]))
  const wanted = { 0: [7, true], 1: [7, true], 2: [0, false] }
  await until(() => {
    const found = JSON.stringify(lags())
    return found === JSON.stringify(wanted) ? undefined : `lags ${JSON.stringify(wanted)}; got ${found}`
  })
})
