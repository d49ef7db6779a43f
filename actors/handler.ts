/** A handler: the user's function round one message or batch, with its retries, its deadline and the policy when it gives up. */

import type { Fact, TopicPartition } from '../machines/fact.ts'
import { messageOf } from '../machines/failure.ts'
import type { Batch, EachBatchPayload, EachMessagePayload, KafkaMessage } from './kafka.ts'
import type { Lane, Load } from './lane.ts'
import { withoutSecrets } from './secrets.ts'

/** What `onHandlerError` may decide about a message or batch that failed `handlerRetries` times more. */
export type HandlerDecision = 'pause' | 'stop' | 'skip' | 'retry'

/** What `onHandlerError` is told. For `eachBatch`, `offset` is the first one that was not resolved. */
export interface HandlerErrorContext extends TopicPartition {
  readonly offset: string
  readonly error: unknown
  readonly attempts: number
  /** The message; undefined with `eachBatch`. */
  readonly message: KafkaMessage | undefined
  readonly signal: AbortSignal
}

export interface HandlerOptions {
  readonly eachMessage?: ((payload: EachMessagePayload & { signal: AbortSignal }) => Promise<void>) | undefined
  readonly eachBatch?: ((payload: EachBatchPayload & { signal: AbortSignal }) => Promise<void>) | undefined
  readonly handlerRetries: number
  readonly handlerTimeoutMs: number | undefined
  readonly onHandlerError:
    | 'pause'
    | 'stop'
    | ((context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>)
  readonly emit: (fact: Fact) => void
  readonly pause: (lane: Lane) => () => void
  readonly commit: () => Promise<void>
  /** The handler is past its deadline: others may have its place. */
  readonly onOverdue: (lane: Lane) => void
}

/** How a run over a load ended: to its end, broken off in order, or to be left alone until somebody decides. */
export type Outcome = 'done' | 'broken-off' | 'given-up'

const firstRetryMs = 100
const longestRetryMs = 5000
const sliceMs = 100

export class Handler {
  /** Messages not handed out because this process had handled them already. */
  suppressed = 0
  handled = 0
  private readonly options: HandlerOptions

  constructor(options: HandlerOptions) {
    this.options = options
  }

  /** Hands the load out from where it stands. `yields` says whether others wait for the place after a slice of time. */
  async run(lane: Lane, load: Load, yields: () => boolean): Promise<Outcome> {
    return this.options.eachBatch
      ? this.runBatch(lane, load, this.options.eachBatch)
      : this.runMessages(lane, load, yields)
  }

  private async runMessages(lane: Lane, load: Load, yields: () => boolean): Promise<Outcome> {
    const { eachMessage } = this.options
    if (!eachMessage) return 'given-up'
    const { batch, tenure } = load
    const { topic, partition } = lane
    const pause = () => this.options.pause(lane)
    const until = performance.now() + sliceMs
    const { seeks } = lane.progress
    const messages = batch.messages
    for (; load.next < messages.length; load.next++) {
      const message = messages[load.next]
      if (!message) break
      const offset = BigInt(message.offset)
      if (lane.progress.mark !== undefined && offset < lane.progress.mark) {
        this.suppressed++
        continue
      }
      if (!tenure.open || lane.held || lane.progress.seeks !== seeks) return 'broken-off'
      const outcome = await this.attempt(
        lane,
        load,
        message,
        () => message.offset,
        (signal) => eachMessage({ topic, partition, message, heartbeat, pause, signal }),
      )
      if (outcome === 'given-up') return outcome
      this.advance(lane, load, seeks, offset + 1n)
      if (performance.now() > until && yields()) {
        load.next++
        return 'broken-off'
      }
    }
    this.advance(lane, load, seeks, BigInt(batch.lastOffset()) + 1n)
    return 'done'
  }

  private async runBatch(
    lane: Lane,
    load: Load,
    eachBatch: NonNullable<HandlerOptions['eachBatch']>,
  ): Promise<Outcome> {
    const { batch, tenure } = load
    const { seeks } = lane.progress
    const whole = BigInt(batch.lastOffset()) + 1n
    const left = () => messagesFrom(batch.messages, lane.progress.mark ?? 0n)
    const brokenOff = () => !tenure.open || lane.progress.seeks !== seeks
    // Counted once: what is left out later was handled from this very batch.
    if (load.next === 0) this.suppressed += batch.messages.length - left().length
    load.next = batch.messages.length
    while (!brokenOff() && !lane.held && left().length > 0) {
      let resolved = lane.progress.mark ?? 0n
      const resolve = (offset: bigint) => {
        if (offset <= resolved) return
        resolved = offset
        this.advance(lane, load, seeks, offset)
      }
      // Read anew for each attempt: what an earlier one resolved is not handed out again.
      const payload = (signal: AbortSignal, messages = left()): EachBatchPayload & { signal: AbortSignal } => ({
        batch: view(batch, messages),
        resolveOffset: (offset) => {
          const next = BigInt(offset) + 1n
          resolve(offset === batch.messages.at(-1)?.offset ? whole : next)
        },
        heartbeat,
        pause: () => this.options.pause(lane),
        commitOffsetsIfNecessary: async () => this.options.commit(),
        uncommittedOffsets: () => ({
          topics: [{ topic: lane.topic, partitions: [{ partition: lane.partition, offset: String(resolved) }] }],
        }),
        isRunning: () => tenure.open,
        isStale: () => lane.progress.seeks !== seeks,
        signal,
      })
      const next = () => left()[0]?.offset
      const outcome = await this.attempt(lane, load, undefined, next, (signal) => eachBatch(payload(signal)))
      if (outcome === 'given-up') return outcome
      // Broken off, only what was resolved counts; a normal return has handled the batch.
      if (brokenOff() && outcome !== 'skipped') return 'broken-off'
      resolve(whole)
    }
    if (brokenOff() || lane.held) return 'broken-off'
    this.advance(lane, load, seeks, whole)
    return 'done'
  }

  private advance(lane: Lane, load: Load, seeks: number, mark: bigint): void {
    if (lane.progress.seeks !== seeks || (lane.progress.mark !== undefined && mark <= lane.progress.mark)) return
    lane.progress.mark = mark
    lane.movedAt = performance.now()
    this.handled++
    // A stale result never commits, but this process knows now that the message is handled.
    const { generation, over } = load.tenure
    if (over) {
      const { topic, partition } = lane
      this.options.emit({ type: 'result.fenced', topic, partition, generation, offset: String(mark - 1n) })
    }
  }

  /**
   * Calls the user's function until it succeeds, the tenure ends, or the policy decides. `next` is the first offset that is
   * not handled; undefined when none is left, and then an error comes too late to matter.
   */
  private async attempt(
    lane: Lane,
    load: Load,
    message: KafkaMessage | undefined,
    next: () => string | undefined,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<'handled' | 'skipped' | 'given-up'> {
    const { emit, handlerRetries, onHandlerError } = this.options
    const { topic, partition } = lane
    let offset = next() ?? '0'
    for (let attempt = 1; ; attempt++) {
      try {
        await this.timed(lane, load, offset, work)
        return 'handled'
      } catch (error) {
        const left = next()
        offset = left ?? offset
        const failure = { kind: 'handler-failed', message: withoutSecrets(messageOf(error)) } as const
        emit({ type: 'handler.failed', topic, partition, offset, attempt, failure })
        if (left === undefined) return 'handled'
        if (!load.tenure.open) return 'given-up'
        if (attempt > handlerRetries) {
          const context = { topic, partition, offset, error, attempts: attempt, message, signal: load.tenure.signal }
          const decision = typeof onHandlerError === 'string' ? onHandlerError : await decide(onHandlerError, context)
          if (decision !== 'retry') {
            emit({ type: 'handler.gave-up', topic, partition, offset, decision })
            if (decision === 'skip') return 'skipped'
            lane.pausedBy.add('handler')
            return 'given-up'
          }
        }
        // Also when a policy says retry: without a pause, a handler that throws at once would keep the event loop for itself.
        const waitMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
        await aborted(load.tenure.signal, waitMs)
        if (!load.tenure.open) return 'given-up'
      }
    }
  }

  private async timed(
    lane: Lane,
    load: Load,
    offset: string,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { handlerTimeoutMs, emit, onOverdue } = this.options
    lane.movedAt = performance.now()
    if (handlerTimeoutMs === undefined) return work(load.tenure.signal)
    const deadline = new AbortController()
    const { topic, partition } = lane
    const timer = setTimeout(() => {
      emit({ type: 'handler.timed-out', topic, partition, offset, afterMs: handlerTimeoutMs })
      emit({
        type: 'partition.stalled',
        topic,
        partition,
        reason: `its handler has been at work for ${handlerTimeoutMs} ms`,
      })
      deadline.abort(new Error(`the handler is past its handlerTimeoutMs of ${handlerTimeoutMs} ms`))
      onOverdue(lane)
    }, handlerTimeoutMs)
    try {
      await work(AbortSignal.any([load.tenure.signal, deadline.signal]))
    } finally {
      clearTimeout(timer)
      if (deadline.signal.aborted) emit({ type: 'partition.resumed', topic, partition })
    }
  }
}

/** Heartbeats go out by themselves while a handler runs; KafkaJS's payload has the function all the same. */
const heartbeat = async (): Promise<void> => {}

async function decide(
  onHandlerError: (context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>,
  context: HandlerErrorContext,
): Promise<HandlerDecision> {
  try {
    const decision = await onHandlerError(context)
    return ['pause', 'stop', 'skip', 'retry'].includes(decision) ? decision : 'pause'
  } catch {
    // A policy that fails has not decided anything: the message must not be lost.
    return 'pause'
  }
}

/** Where none or all of them are handled, only the first and the last are looked at. */
function messagesFrom(messages: KafkaMessage[], mark: bigint): KafkaMessage[] {
  const isLeft = (message: KafkaMessage | undefined) => message !== undefined && BigInt(message.offset) >= mark
  if (isLeft(messages[0])) return messages
  return isLeft(messages.at(-1)) ? messages.slice(messages.findIndex(isLeft)) : []
}

/** The batch with fewer messages in front, as a handler sees it after a part was handled. */
const view = (batch: Batch, messages: KafkaMessage[]): Batch =>
  messages.length === batch.messages.length
    ? batch
    : Object.create(batch, { messages: { value: messages }, firstOffset: { value: () => messages[0]?.offset ?? null } })

const aborted = (signal: AbortSignal, waitMs: number): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, waitMs)
    signal.addEventListener('abort', done)
  })
