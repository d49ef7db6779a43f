/**
 * What telemetry costs: `npm run measure:telemetry` hands messages to a handler that takes 100 µs of processor time, in turns without telemetry, with
 * `instrument()` and no SDK, and with an SDK for metrics and spans, and prints by how much the processor time of a message grows. Each message has a trace context.
 */
import { context, propagation } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, BatchSpanProcessor, InMemorySpanExporter } from '@opentelemetry/sdk-trace-base'
import Table from 'cli-table3'
import { Assignment } from '../actors/delivery/assignment.ts'
import { Dispatcher } from '../actors/delivery/dispatcher.ts'
import { acquireProgress } from '../actors/delivery/progress.ts'
import { type InstrumentOptions, instrument } from '../src/opentelemetry/instrument.ts'
import { batchOf, topic } from './actors/stage.ts'
import { median } from './bench/costs/median.ts'

const handlerUs = 100
const messages = 2000
const rounds = 9
const traceparent = Buffer.from(`00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`)

/** Turns of this loop that take as long as the handler has to. */
const turns = calibrated()

const modes: Readonly<Record<string, () => (() => void) | undefined>> = {
  'no telemetry': () => undefined,
  'instrument(), no SDK': () => instrument(),
  'an SDK, a span per batch': () => withSdk({ handlerSpans: 'batch' }),
  'an SDK, a span per message': () => withSdk({ handlerSpans: 'message' }),
}

const table = new Table({
  head: ['messages in a batch', 'telemetry', 'processor time of a message', 'against none'],
  style: { head: [], border: [] },
})
for (const size of [500, 10, 1]) {
  const took = new Map(Object.keys(modes).map((mode) => [mode, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    // now the one, now the other is first
    const order = round % 2 === 0 ? Object.keys(modes) : Object.keys(modes).reverse()
    for (const mode of order) {
      const end = modes[mode]?.()
      const us = await handleAll(size)
      end?.()
      // the first round is for the compiler
      if (round > 0) took.get(mode)?.push(us)
    }
  }
  const [none = []] = took.values()
  for (const [mode, all] of took) {
    const ratios = all.map((us, round) => us / (none[round] ?? Number.NaN))
    table.push([size, mode, `${median(all).toFixed(1)} µs`, `${((median(ratios) - 1) * 100).toFixed(1)} %`])
  }
}
console.log(table.toString())

/** Hands out all messages in batches of this size; the processor time that one took, in microseconds. */
async function handleAll(size: number): Promise<number> {
  const progress = acquireProgress(`measured ${Math.random()}`)
  let handled = 0
  let finish = () => {}
  const all = new Promise<void>((resolve) => {
    finish = resolve
  })
  const dispatcher = new Dispatcher({
    ...{ groupId: 'measured', autoCommit: true, commitIntervalMs: 1000, concurrency: 1, progress },
    ...{ handlerRetries: 0, handlerTimeoutMs: undefined, onHandlerError: 'stop', maxBufferedBytes: 1e9 },
    emit: () => {},
    commit: async () => {},
    eachMessage: async () => {
      work(turns)
      handled += 1
      if (handled === messages) finish()
    },
  })
  const assignment = new Assignment(1, 1, { [topic]: [0] })
  const reader = { pause() {}, resume() {}, seek() {} }
  dispatcher.begin(assignment, reader)
  const queue = dispatcher.queueOf({ topic, partition: 0 })
  queue.progress.resetTo(0n, -1)
  queue.open = true
  const batches = Array.from({ length: messages / size }, (_, index) => {
    const offsets = Array.from({ length: size }, (_, at) => index * size + at)
    const batch = batchOf(0, offsets)
    for (const message of batch.messages) message.headers = { traceparent }
    return batch
  })
  const before = process.cpuUsage()
  for (const batch of batches) void dispatcher.offer(batch, BigInt(batch.firstOffset() ?? 0), assignment)
  await all
  const { user, system } = process.cpuUsage(before)
  progress.release()
  return (user + system) / messages
}

function withSdk(options: InstrumentOptions): () => void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const spans = new InMemorySpanExporter()
  const meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({ exporter: new InMemoryMetricExporter(AggregationTemporality.DELTA) }),
    ],
  })
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(spans)] })
  const end = instrument({ ...options, meterProvider, tracerProvider })
  return () => {
    end()
    void meterProvider.shutdown()
    void tracerProvider.shutdown()
    context.disable()
    propagation.disable()
  }
}

function work(count: number): number {
  let sum = 0
  for (let turn = 0; turn < count; turn += 1) sum += Math.sqrt(turn)
  return sum
}

function calibrated(): number {
  work(1e7)
  const count = 1e7
  const took = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage()
    work(count)
    const { user, system } = process.cpuUsage(before)
    return user + system
  })
  return Math.round((count * handlerUs) / Math.min(...took))
}
