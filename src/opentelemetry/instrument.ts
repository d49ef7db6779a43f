/** OpenTelemetry for the consumers of this process. */

import type { Channel } from 'node:diagnostics_channel'
import { diag, type MeterProvider, metrics as meters, type TracerProvider, trace } from '@opentelemetry/api'
import {
  claimChannel,
  commitChannel,
  type DialMessage,
  dialChannel,
  pollChannel,
} from '../../actors/diagnostics/channels.ts'
import { tracing } from '../../actors/diagnostics/tracing.ts'
import { balancerFactChannel } from '../balancer/balancer-channel.ts'
import { version } from '../command-line/version.cjs'
import type { Consumer } from '../consumer.ts'
import { callError } from '../error.ts'
import { factChannel } from '../fact-channel.ts'
import { ofError, ofGroup, ofProcess, system } from './attributes.ts'
import { BalancerMetrics } from './balancer-metrics.ts'
import { measureFact } from './fact-metrics.ts'
import { HandOverSpans, Signs } from './hand-over-spans.ts'
import { withinSpan } from './handler-spans.ts'
import { createInstruments } from './instruments.ts'
import { Observation } from './observation.ts'

export interface InstrumentOptions {
  /**
   * What measures.
   * @defaultValue the provider that is registered with the API
   */
  readonly meterProvider?: MeterProvider
  /**
   * What traces.
   * @defaultValue the provider that is registered with the API
   */
  readonly tracerProvider?: TracerProvider
  /**
   * The spans of handlers: one for each batch, one for each message, or none. With `eachBatch` the first two are the same.
   * @defaultValue `batch`
   */
  readonly handlerSpans?: 'batch' | 'message' | 'none'
  /**
   * Whether the lag is measured for each partition as well.
   * @defaultValue while at most 200 of a group are assigned in this process
   */
  readonly partitions?: boolean
}

/**
 * Measures all consumers and balancers of this process, and traces consumers: docs/metrics.md says what. Call it once, before consumers are made, when the SDK is registered;
 * without an SDK nothing is measured. Returns what ends it. Throws a RelistenError with code `invalid-call` where it is at work already.
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  if (isAtWork) throw callError('OpenTelemetry is instrumented already', 'call `instrument` once per process.')
  isAtWork = true
  const { handlerSpans = 'batch' } = options
  const meter = (options.meterProvider ?? meters.getMeterProvider()).getMeter('relisten', version())
  const tracer = (options.tracerProvider ?? trace.getTracerProvider()).getTracer('relisten', version())
  const instruments = createInstruments(meter)
  const { write, observed } = instruments
  const observation = new Observation({ observed, partitions: options.partitions })
  const balancers = new BalancerMetrics(instruments)
  const signs = new Signs()
  const moves = new Map<Consumer, HandOverSpans>()
  const follow = (consumer: Consumer): HandOverSpans => {
    const known = moves.get(consumer)
    if (known) return known
    observation.follow(consumer)
    const spans = new HandOverSpans(tracer, consumer.groupId, signs)
    moves.set(consumer, spans)
    const end = () => {
      spans.close()
      moves.delete(consumer)
    }
    consumer.ended.then(end, end)
    return spans
  }
  const ends = [
    listen(factChannel, ({ consumer, record }) => {
      follow(consumer).follow(record)
      measureFact(instruments, consumer.groupId, record, () => consumer.status())
    }),
    listen(balancerFactChannel, (message) => balancers.note(message)),
    listen(claimChannel, (claim) => signs.reported(claim)),
    listen(dialChannel, (dialled) => {
      signs.dialled(dialled)
      for (const spans of moves.values()) spans.dialled(dialled)
      const { reason = 'unknown', tookMs, failure } = dialled
      if (isWanted(dialled))
        write('dials', tookMs / 1000, {
          ...system,
          'relisten.reason': reason,
          ...(failure && { 'error.type': failure.kind }),
        })
    }),
    listen(pollChannel, ({ clusterId, reason, failure }) => {
      const result = failure ? 'unanswered' : 'answered'
      write('polls', 1, { ...system, 'relisten.result': result, 'relisten.reason': reason })
      if (!failure && clusterId !== undefined) observation.polled(clusterId)
    }),
    listen(commitChannel, ({ groupId, tookMs, failure }) => {
      const error = failure ? { 'error.type': failure.kind } : {}
      write('operation', tookMs / 1000, { ...ofGroup(groupId), 'messaging.operation.name': 'commit', ...error })
    }),
  ]
  const batches = [...observed.values()]
  meter.addBatchObservableCallback(observation.observe, batches)
  meter.addBatchObservableCallback(balancers.observe, batches)
  tracing.aroundBatch = (batch, work, outcome) => {
    const startedAt = performance.now()
    const measured = async () => {
      const result = await work()
      const { messages, error } = outcome()
      const about = ofProcess(batch.groupId, batch.topic)
      const told = error === undefined ? about : { ...about, ...ofError(error) }
      observation.consumed(told, messages)
      write('process', (performance.now() - startedAt) / 1000, told)
      return result
    }
    if (handlerSpans !== 'batch') return measured()
    return withinSpan(tracer, batch, measured, () => outcome().error)
  }
  if (handlerSpans === 'message') tracing.aroundCall = (call, work) => withinSpan(tracer, call, work)
  return () => {
    for (const end of ends) end()
    meter.removeBatchObservableCallback(observation.observe, batches)
    meter.removeBatchObservableCallback(balancers.observe, batches)
    observation.close()
    tracing.aroundBatch = undefined
    tracing.aroundCall = undefined
    isAtWork = false
  }
}

let isAtWork = false

/** What was taken over from the poller was dialled before, and what nobody wants any more, or has to wait, is no attempt. */
const isWanted = ({ steps, failure }: DialMessage): boolean =>
  failure ? failure.code !== 'ABORT_ERR' && failure.code !== 'TOO_SOON' : steps.length > 0

function listen<Message>(channel: Channel<unknown, Message>, onMessage: (message: Message) => void): () => void {
  const listener = (message: unknown) => {
    try {
      onMessage(message as Message)
    } catch (error) {
      // Thrown further, it would end the process.
      diag.error('relisten: a measurement failed', error)
    }
  }
  channel.subscribe(listener)
  return () => channel.unsubscribe(listener)
}
