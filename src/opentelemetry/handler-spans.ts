/** The spans of handlers: one for each batch, or each message, with links to where its messages were produced. */

import {
  type Attributes,
  type Link,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { ToHandle } from '../../actors/diagnostics/tracing.ts'
import type { KafkaMessage } from '../../actors/kafkajs/consumer.ts'
import { messageOf } from '../../machines/failure.ts'
import { ofError, ofGroup } from './attributes.ts'

/** An SDK keeps as many links of a span by default. */
const mostLinks = 128

type Headers = NonNullable<KafkaMessage['headers']>

const getter: TextMapGetter<Headers> = {
  keys: (headers) => Object.keys(headers),
  get(headers, name) {
    const value = headers[name]
    return (Array.isArray(value) ? value[0] : value)?.toString()
  },
}

/**
 * Runs the work within a span for these messages. `failure` says what of it failed, where the work does not reject for it. Rejects with what the work
 * rejects with.
 */
export function withinSpan<Result>(
  tracer: Tracer,
  handled: ToHandle,
  work: () => Promise<Result>,
  failure: () => unknown = () => undefined,
): Promise<Result> {
  const { groupId, topic, partition, messages } = handled
  const attributes: Attributes = {
    ...ofGroup(groupId),
    'messaging.destination.name': topic,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.partition.id': String(partition),
    'messaging.batch.message_count': messages.length,
  }
  const [first] = messages
  if (first) attributes['messaging.kafka.offset'] = Number(first.offset)
  const options = { kind: SpanKind.CONSUMER, attributes, links: linksOf(messages) }
  return tracer.startActiveSpan(`process ${topic}`, options, async (span) => {
    const failed = (error: unknown): void => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) })
      span.setAttributes(ofError(error))
    }
    try {
      const result = await work()
      const error = failure()
      if (error !== undefined) failed(error)
      return result
    } catch (error) {
      failed(error)
      throw error
    } finally {
      span.end()
    }
  })
}

/** Where the messages were produced, as their headers say; each place once. */
function linksOf(messages: readonly KafkaMessage[]): Link[] {
  const links = new Map<string, Link>()
  for (const { headers } of messages) {
    if (!headers || links.size >= mostLinks) continue
    const produced = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers, getter))
    if (produced) links.set(`${produced.traceId} ${produced.spanId}`, { context: produced })
  }
  return [...links.values()]
}
