// Spans around handlers.
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import type { ToHandle } from '../../../actors/diagnostics/tracing.ts'
import type { KafkaMessage } from '../../../actors/kafkajs/consumer.ts'
import { withinSpan } from '../../../src/opentelemetry/handler-spans.ts'
import { batchOf } from '../../actors/stage.ts'
import { collecting, withContexts } from './collected.ts'

withContexts()

/** Messages that were produced in these spans, by the first byte of their ids; 0 for none. */
const handled = (...producers: number[]): ToHandle => {
  const { messages } = batchOf(
    2,
    producers.map((_, index) => index + 5),
  )
  const headersOf = (producer: number): NonNullable<KafkaMessage['headers']> => {
    const id = producer.toString(16).padStart(2, '0')
    return producer === 0 ? {} : { traceparent: Buffer.from(`00-${id.repeat(16)}-${id.repeat(8)}-01`) }
  }
  const headed = messages.map((message, index) => ({ ...message, headers: headersOf(producers[index] ?? 0) }))
  return { groupId: 'readers', topic: 'orders', partition: 2, messages: headed as KafkaMessage[] }
}

test('a span says whose messages it is about, and links to each place that produced some, once', async () => {
  const { tracerProvider, spans } = collecting()
  await withinSpan(tracerProvider.getTracer('test'), handled(1, 2, 0, 1), async () => {})
  const [span] = spans()
  expect(span).toMatchObject({
    name: 'process orders',
    kind: SpanKind.CONSUMER,
    attributes: {
      'messaging.system': 'kafka',
      'messaging.consumer.group.name': 'readers',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': '2',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.batch.message_count': 4,
      'messaging.kafka.offset': 5,
    },
    status: { code: SpanStatusCode.UNSET },
  })
  expect(span?.links.map((link) => link.context.spanId)).toEqual(['01'.repeat(8), '02'.repeat(8)])
})

test('there are 128 links at most', async () => {
  const { tracerProvider, spans } = collecting()
  const many = handled(...Array.from({ length: 200 }, (_, index) => index + 1))
  await withinSpan(tracerProvider.getTracer('test'), many, async () => {})
  expect(spans()[0]?.links).toHaveLength(128)
})

test('headers that are no trace context are no link, and harm nothing', async () => {
  const { tracerProvider, spans } = collecting()
  const odd = handled(1)
  const [message] = odd.messages
  const headers = [{ traceparent: Buffer.from('nonsense') }, { traceparent: [] }, { traceparent: undefined }]
  const messages = headers.map((each) => ({ ...message, headers: each })) as unknown as ToHandle['messages']
  await withinSpan(tracerProvider.getTracer('test'), { ...odd, messages }, async () => {})
  expect(spans()[0]?.links).toEqual([])
})

test('what the work does is within the span', async () => {
  const { tracerProvider, spans } = collecting()
  const tracer = tracerProvider.getTracer('test')
  const active = await withinSpan(tracer, handled(1), async () => {
    await Promise.resolve()
    return trace.getActiveSpan()?.spanContext().spanId
  })
  expect(active).toBe(spans()[0]?.spanContext().spanId)
  expect(trace.getActiveSpan()).toBeUndefined()
})

test('work that throws, and work that says it has failed, make it an error', async () => {
  const { tracerProvider, spans } = collecting()
  const tracer = tracerProvider.getTracer('test')
  const away = new TypeError('away')
  await expect(withinSpan(tracer, handled(1), () => Promise.reject(away))).rejects.toBe(away)
  expect(
    await withinSpan(
      tracer,
      handled(1),
      async () => 'rest',
      () => away,
    ),
  ).toBe('rest')
  const failed = { status: { code: SpanStatusCode.ERROR, message: 'away' }, attributes: { 'error.type': 'TypeError' } }
  expect(spans()).toMatchObject([failed, failed])
})
