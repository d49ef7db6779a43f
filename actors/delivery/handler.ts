/** A handler: the user's function round one message or batch, with its retries, its deadline and the policy when it gives up. */

import { byTopic, type Fact, type TopicPartition } from '../../machines/fact.ts'
import { messageOf } from '../../machines/failure.ts'
import type { Batch, EachBatchPayload, EachMessagePayload, KafkaMessage } from '../kafkajs/consumer.ts'
import { withoutSecrets } from '../security/secrets.ts'
import type { Lane, Load } from './lane.ts'

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
  /** Marks are committed at most this often, also when a batch handler asks for it more often; in milliseconds. */
  readonly commitIntervalMs: number
  readonly handlerRetries: number
  readonly handlerTimeoutMs: number | undefined
  readonly onHandlerError:
    | 'pause'
    | 'stop'
    | ((context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>)
  readonly emit: (fact: Fact) => void
  readonly pause: (lane: Lane) => () => void
  readonly commit: () => Promise<void>
  /** Lanes with progress the group does not know. */
  readonly uncommitted: () => readonly Lane[]
  /** The handler is past its deadline: others may have its place. */
  readonly onOverdue: (lane: Lane) => void
}

const firstRetryMs = 100
const longestRetryMs = 5000
const sliceMs = 100

export class Handler {
  /** Messages not handed out because this process had handled them already. */
  suppressed = 0
  handled = 0
  private readonly options: HandlerOptions
  private committedAt = performance.now()

  constructor(options: HandlerOptions) {
    this.options = options
  }

  /**
   * Hands the load out from where it stands. `yields` says whether others wait for the place after a slice of time. Resolves with whether
   * it is done; else it was broken off in order, or the partition is paused until somebody decides.
   */
  async run(lane: Lane, load: Load, yields: () => boolean): Promise<boolean> {
    return this.options.eachBatch
      ? this.runBatch(lane, load, this.options.eachBatch)
      : this.runMessages(lane, load, yields)
  }

  private async runMessages(lane: Lane, load: Load, yields: () => boolean): Promise<boolean> {
    const { eachMessage } = this.options
    // Stryker disable next-line ConditionalExpression,BooleanLiteral: the options have either this one or `eachBatch`
    if (!eachMessage) return false
    const { batch, tenure } = load
    const { topic, partition } = lane
    const pause = () => this.options.pause(lane)
    const until = performance.now() + sliceMs
    const { seeks } = lane.progress
    const { messages } = batch
    for (; ; load.next++) {
      const message = messages[load.next]
      if (!message) break
      const offset = BigInt(message.offset)
      if (offset < (lane.progress.mark ?? 0n)) {
        this.suppressed++
        continue
      }
      if (!tenure.open || lane.held || lane.progress.seeks !== seeks) {
        // Stryker disable next-line BooleanLiteral: nobody wants what is left of it any more, and it is taken out either way
        return false
      }
      const outcome = await this.attempt(
        lane,
        load,
        message,
        () => message.offset,
        (signal) => eachMessage({ topic, partition, message, heartbeat, pause, signal }),
      )
      if (!outcome) return false
      this.advance(lane, load, seeks, offset + 1n)
      if (performance.now() > until && yields()) {
        load.next++
        return false
      }
    }
    this.advance(lane, load, seeks, BigInt(batch.lastOffset()) + 1n)
    return true
  }

  private async runBatch(
    lane: Lane,
    load: Load,
    eachBatch: NonNullable<HandlerOptions['eachBatch']>,
  ): Promise<boolean> {
    const { batch, tenure } = load
    const { seeks } = lane.progress
    const whole = BigInt(batch.lastOffset()) + 1n
    const left = () => messagesFrom(batch.messages, lane.progress.mark ?? 0n)
    const brokenOff = () => !tenure.open || lane.progress.seeks !== seeks
    // Counted once: what is left out later was handled from this very batch.
    if (load.next === 0) this.suppressed += batch.messages.length - left().length
    load.next = batch.messages.length
    /** Nothing beyond the batch: the mark steps over nothing that was not handed out. */
    const resolve = (mark: bigint) => {
      // Stryker disable next-line EqualityOperator: where both are the same it makes no difference which is taken
      this.advance(lane, load, seeks, mark < whole ? mark : whole)
    }
    const outcome = await this.attempt(
      lane,
      load,
      undefined,
      () => left()[0]?.offset,
      async (signal) => {
        let isToldOfEnd = false
        let isToldOfSignal = false
        const tell = (isBrokenOff: boolean) => {
          isToldOfEnd ||= isBrokenOff
          return isBrokenOff
        }
        const payload: EachBatchPayload = {
          // Read anew for each attempt: what an earlier one resolved is not handed out again.
          batch: view(batch, left()),
          resolveOffset: (offset) => {
            // Stryker disable next-line OptionalChaining: a batch that is handed out has messages
            resolve(String(offset) === batch.messages.at(-1)?.offset ? whole : BigInt(offset) + 1n)
          },
          heartbeat,
          pause: () => this.options.pause(lane),
          commitOffsetsIfNecessary: (offsets) => this.commitIfNecessary(lane, resolve, offsets),
          uncommittedOffsets: () => marksOf(this.options.uncommitted()),
          isRunning: () => !tell(!tenure.open),
          isStale: () => tell(lane.progress.seeks !== seeks),
        }
        const signalled = Object.defineProperty(payload, 'signal', {
          enumerable: true,
          get: () => {
            isToldOfSignal = true
            return signal
          },
        }) as EachBatchPayload & { signal: AbortSignal }
        await eachBatch(signalled)
        // A normal return has handled the batch, unless the handler knew that it had to end: then only what was resolved counts.
        const isTold = isToldOfEnd || (isToldOfSignal && signal.aborted)
        if (!isTold) resolve(whole)
        else if (!brokenOff() && left().length > 0)
          throw new Error('the batch handler returned at its signal, before the end')
      },
    )
    if (outcome === 'skipped') resolve(whole)
    if (brokenOff() || left().length > 0) return false
    this.advance(lane, load, seeks, whole)
    return true
  }

  /**
   * What `commitOffsetsIfNecessary` of KafkaJS does: without offsets it commits what is due, with them at once. An offset of this partition
   * is the next one to handle, so it resolves what lies before it; marks of others are committed as they are.
   */
  private async commitIfNecessary(
    { topic, partition }: Lane,
    resolve: (mark: bigint) => void,
    offsets?: Parameters<EachBatchPayload['commitOffsetsIfNecessary']>[0],
  ): Promise<void> {
    const own = offsets?.topics
      ?.find((each) => each.topic === topic)
      ?.partitions.find((each) => each.partition === partition)
    if (own) resolve(BigInt(own.offset))
    const now = performance.now()
    if (!offsets && now - this.committedAt < this.options.commitIntervalMs) return
    this.committedAt = now
    await this.options.commit()
  }

  private advance(lane: Lane, load: Load, seeks: number, mark: bigint): void {
    if (!lane.progress.advance(load.from, mark, seeks)) return
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
   * Calls the user's function until it succeeds, the tenure ends, the partition is paused or sought elsewhere, or the policy
   * decides. `next` is the first offset that is not handled; undefined when none is left, and then an error comes too late to matter.
   * Resolves with undefined where what is left of it was neither handled nor skipped.
   */
  private async attempt(
    lane: Lane,
    load: Load,
    message: KafkaMessage | undefined,
    next: () => string | undefined,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<'handled' | 'skipped' | undefined> {
    const { emit, handlerRetries, onHandlerError } = this.options
    const { topic, partition } = lane
    const { seeks } = lane.progress
    const goesOn = () => load.tenure.open && lane.progress.seeks === seeks
    let offset = next()
    for (let attempt = 1; offset !== undefined; attempt++) {
      try {
        await this.timed(lane, load, offset, work)
        return 'handled'
      } catch (error) {
        const left = next()
        const failure = { kind: 'handler-failed', message: withoutSecrets(messageOf(error)) } as const
        emit({ type: 'handler.failed', topic, partition, offset: left ?? offset, attempt, failure })
        if (left === undefined || !goesOn()) return undefined
        offset = left
        // A handler that pauses its partition and throws wants the message again when it is resumed, and not before.
        if (attempt > handlerRetries && !lane.held) {
          const context = { topic, partition, offset, error, attempts: attempt, message, signal: load.tenure.signal }
          const decision = typeof onHandlerError === 'string' ? onHandlerError : await decide(onHandlerError, context)
          if (decision !== 'retry') {
            emit({ type: 'handler.gave-up', topic, partition, offset, decision })
            if (decision === 'skip') return 'skipped'
            lane.pausedBy.add('handler')
            return undefined
          }
        }
        // Also when a policy says retry: without a pause, a handler that throws at once would keep the event loop for itself.
        const waitMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
        await aborted(load.tenure.closing, waitMs)
        if (!goesOn() || lane.held) return undefined
      }
    }
    return undefined
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
    const { signal } = load.tenure
    // Not AbortSignal.any: on Node 20 the tenure's signal would remember each of these for as long as it lives.
    const either = new AbortController()
    const follow = () => either.abort(signal.reason)
    signal.addEventListener('abort', follow)
    let isLate = false
    const { topic, partition } = lane
    const overdue = () => {
      isLate = true
      emit({ type: 'handler.timed-out', topic, partition, offset, afterMs: handlerTimeoutMs })
      emit({
        type: 'partition.stalled',
        partitions: byTopic([lane]),
        reason: `its handler has been at work for ${handlerTimeoutMs} ms`,
      })
      either.abort(new Error(`the handler is past its handlerTimeoutMs of ${handlerTimeoutMs} ms`))
      onOverdue(lane)
    }
    let turn: NodeJS.Immediate | undefined
    const timer = setTimeout(() => {
      // Where another handler held up the loop, what this one waits for may have come already, and is read first.
      turn = setImmediate(overdue)
    }, handlerTimeoutMs)
    try {
      await work(either.signal)
    } finally {
      clearTimeout(timer)
      clearImmediate(turn)
      signal.removeEventListener('abort', follow)
      if (isLate) emit({ type: 'partition.resumed', partitions: byTopic([lane]) })
    }
  }
}

/** Heartbeats go out by themselves while a handler runs; KafkaJS's payload has the function all the same. */
const heartbeat = async (): Promise<void> => {}

/** Marks in the form KafkaJS gives them. */
function marksOf(lanes: readonly Lane[]): ReturnType<EachBatchPayload['uncommittedOffsets']> {
  const topics = [...new Set(lanes.map(({ topic }) => topic))].map((topic) => {
    const own = lanes.filter((lane) => lane.topic === topic)
    return {
      topic,
      partitions: own.map(({ partition, progress }) => ({ partition, offset: `${progress.uncommitted}` })),
    }
  })
  return { topics }
}

async function decide(
  onHandlerError: (context: HandlerErrorContext) => HandlerDecision | Promise<HandlerDecision>,
  context: HandlerErrorContext,
): Promise<HandlerDecision> {
  try {
    const decision = await onHandlerError(context)
    return ['stop', 'skip', 'retry'].includes(decision) ? decision : 'pause'
  } catch {
    // A policy that fails has not decided anything: the message must not be lost.
    return 'pause'
  }
}

/** Where all of them are handled, only the last is looked at. */
function messagesFrom(messages: KafkaMessage[], mark: bigint): KafkaMessage[] {
  const isLeft = (message: KafkaMessage | undefined) => message !== undefined && BigInt(message.offset) >= mark
  return isLeft(messages.at(-1)) ? messages.slice(messages.findIndex(isLeft)) : []
}

/** The batch with fewer messages in front, as a handler sees it after a part was handled. */
const view = (batch: Batch, messages: KafkaMessage[]): Batch =>
  messages.length === batch.messages.length
    ? batch
    : // Stryker disable next-line OptionalChaining: a batch that is handed out has messages
      Object.create(batch, { messages: { value: messages }, firstOffset: { value: () => messages[0]?.offset ?? null } })

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
