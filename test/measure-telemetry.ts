/**
 * What telemetry costs: `npm run measure:telemetry` hands messages to a handler that takes 100 µs of processor time, in turns with and without `instrument()`,
 * without an SDK and with one, and prints by how much the processor time of a message grows. Each message has a trace context. The SDK's context
 * manager makes every promise dearer, whoever uses it; so what has an SDK is compared with what has one. Other processes only ever add to a turn:
 * the least of many counts.
 */
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api'
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

const handlerUs = 100
const messages = 2000
const rounds = 16
const traceparent = Buffer.from(`00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`)

/** Turns of this loop that take as long as the handler has to. */
const turns = calibrated()

/** Each mode, the one it is compared with, and what begins it and returns its end. */
const modes: Readonly<Record<string, { readonly against: string; readonly begin: () => () => void }>> = {
  'no SDK': { against: 'no SDK', begin: () => () => {} },
  'no SDK, instrument()': { against: 'no SDK', begin: () => instrument() },
  'an SDK': { against: 'an SDK', begin: () => withSdk() },
  'an SDK, instrument()': { against: 'an SDK', begin: () => withSdk({ handlerSpans: 'batch' }) },
  "an SDK, instrument({ handlerSpans: 'message' })": {
    against: 'an SDK',
    begin: () => withSdk({ handlerSpans: 'message' }),
  },
}

const table = new Table({
  head: ['messages in a batch', 'with', 'processor time of a message', 'more than without instrument()'],
  style: { head: [], border: [] },
})
for (const size of [500, 10, 1]) {
  const least = new Map<string, number>()
  for (let round = 0; round <= rounds; round += 1) {
    // now the one, now the other is first
    const order = round % 2 === 0 ? Object.keys(modes) : Object.keys(modes).reverse()
    for (const mode of order) {
      const end = modes[mode]?.begin()
      const us = await handleAll(size)
      end?.()
      // the first round is for the compiler
      if (round > 0) least.set(mode, Math.min(us, least.get(mode) ?? Number.POSITIVE_INFINITY))
    }
  }
  for (const [mode, { against }] of Object.entries(modes)) {
    const [us, without] = [least.get(mode) ?? Number.NaN, least.get(against) ?? Number.NaN]
    table.push([
      size,
      mode,
      `${us.toFixed(1)} µs`,
      mode === against ? '' : `${((us / without - 1) * 100).toFixed(1)} %`,
    ])
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

function withSdk(options?: InstrumentOptions): () => void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // as any span elsewhere in the process does: from then on Node follows each promise
  context.with(ROOT_CONTEXT, () => {})
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const spans = new InMemorySpanExporter()
  const meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({ exporter: new InMemoryMetricExporter(AggregationTemporality.DELTA) }),
    ],
  })
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(spans)] })
  const end = options && instrument({ ...options, meterProvider, tracerProvider })
  return () => {
    end?.()
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
