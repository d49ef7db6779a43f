// What OpenTelemetry's SDK has collected of metrics and spans.
import { context, propagation } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll } from 'vitest'

class Reader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

/** A value of a metric, of a histogram its count and sum. */
export interface Point {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly value: number | { readonly count: number; readonly sum: number }
}

/** Providers whose metrics and spans a test reads. */
export function collecting() {
  const reader = new Reader()
  const exporter = new InMemorySpanExporter()
  const meterProvider = new MeterProvider({ readers: [reader] })
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    // by default an SDK drops links that are too many
    spanLimits: { linkCountLimit: 1000 },
  })
  const collect = async () => {
    const { resourceMetrics, errors } = await reader.collect()
    if (errors.length > 0) throw errors[0]
    return resourceMetrics
  }
  return {
    meterProvider,
    tracerProvider,
    /** What the SDK exports. */
    collect,
    /** The values by the names of metrics. */
    async points(): Promise<ReadonlyMap<string, readonly Point[]>> {
      const metrics = (await collect()).scopeMetrics.flatMap((scope) => scope.metrics)
      const pointOf = ({ attributes, value }: { attributes: object; value: unknown }) => {
        const { count, sum } = value as { count: number; sum: number }
        return { attributes, value: typeof value === 'number' ? value : { count, sum } } as Point
      }
      return new Map(metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints.map(pointOf)]))
    },
    /** Those that have ended, in that order. */
    spans: (): readonly ReadableSpan[] => exporter.getFinishedSpans(),
  }
}

/** A time of a span, in milliseconds since 1970. */
export const msOf = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1000 + nanoseconds / 1e6

/** The spans below this one, in the order in which they began. */
export const childrenOf = (spans: readonly ReadableSpan[], parent: ReadableSpan | undefined): ReadableSpan[] =>
  spans
    .filter(({ parentSpanContext }) => parent && parentSpanContext?.spanId === parent.spanContext().spanId)
    .toSorted((one, other) => msOf(one.startTime) - msOf(other.startTime))

/** In the tests of this file spans are active within what they are around, and trace contexts are read from headers. */
export function withContexts(): void {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  })
  afterAll(() => {
    context.disable()
    propagation.disable()
  })
}
