/** Questions: requests that any broker can answer, put to one after another, and again while nobody answers. */

import type { Endpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { onSilence } from '../connection/silence.ts'
import { apiKeyOf } from '../protocol/frames.ts'
import { sleep } from '../time/sleep.ts'
import type { Candidates } from './endpoint-pool.ts'
import { createHedge } from './hedge.ts'

export interface QuestionsOptions {
  readonly candidates: Candidates
  /** Whom to ask, in order. */
  readonly order: () => readonly Endpoint[]
  /** Resolves when the cluster has shown that it answers. */
  readonly newerAnswer: (signal: AbortSignal) => Promise<unknown>
  readonly closing: AbortSignal
}

/** So long without a byte ends a question, in milliseconds, longer where the brokers are far. */
const timeoutMs = 2000
/** The next broker is asked after so long without a byte, or a failure. */
const hedgeMs = 250
/** However many bytes come, a question ends by then, in milliseconds. */
const longestMs = 30_000
const againMs = 20
/** Who waits for the next try looks so often whether its own time is over. */
const lookMs = 100

export class Questions {
  private readonly options: QuestionsOptions
  /** By kind of request: those in a row that brokers were asked and did not answer, whoever asked. */
  private readonly streaks = new Map<number, Streak>()

  constructor(options: QuestionsOptions) {
    this.options = options
  }

  /** The first answer. Rejects with a ConnectionError after 2 s without a byte, more where the brokers are far. */
  async ask(frame: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const { closing, candidates } = this.options
    const asked: Endpoint[] = []
    const since = performance.now()
    const limit = new AbortController()
    const unasked = () => limit.abort(signal?.reason)
    const close = () => limit.abort(closing.reason)
    const silence = {
      forMs: Math.max(timeoutMs, 2 * candidates.lateMs),
      heardAt: () => Math.max(since, candidates.heardAt(asked)),
      atMostMs: longestMs,
    }
    const end = onSilence(silence, () => limit.abort(new ConnectionError(unanswered)))
    signal?.addEventListener('abort', unasked, { once: true })
    closing.addEventListener('abort', close, { once: true })
    if (signal?.aborted) unasked()
    if (closing.aborted) close()
    try {
      return await this.askUntil(frame, asked, limit.signal)
    } finally {
      end()
      signal?.removeEventListener('abort', unasked)
      closing.removeEventListener('abort', close)
    }
  }

  private async askUntil(frame: Buffer, asked: Endpoint[], limit: AbortSignal): Promise<Buffer> {
    const kind = apiKeyOf(frame)
    const streak = this.streaks.get(kind) ?? new Streak()
    this.streaks.set(kind, streak)
    while (!limit.aborted) {
      if (streak.waitMs > 0) {
        await sleep(Math.min(streak.waitMs, lookMs))
        continue
      }
      const { answer, wasSent } = await this.askOnce(frame, asked, limit)
      if (answer) {
        streak.succeeded()
        return answer
      }
      if (limit.aborted) break
      // Who asked at the same time has failed with it. Where nobody could be asked, the pace of dials is enough.
      if (!wasSent) await sleep(againMs)
      else if (streak.waitMs === 0) streak.failed(bounds.question)
      await this.options.newerAnswer(limit).catch(() => {})
    }
    throw limit.reason
  }

  private async askOnce(
    frame: Buffer,
    asked: Endpoint[],
    limit: AbortSignal,
  ): Promise<{ answer: Buffer | undefined; wasSent: boolean }> {
    const { candidates, order } = this.options
    let wasSent = false
    const attempt = async (endpoint: Endpoint) => {
      asked.push(endpoint)
      const line = await candidates.connect(endpoint)
      wasSent = true
      // Each connection writes its own correlation id into the frame.
      return line.send(Buffer.from(frame))
    }
    const hedge = createHedge(attempt, {
      afterMs: Math.max(hedgeMs, candidates.lateMs),
      deadlineMs: longestMs,
      heardAt: () => candidates.heardAt(asked),
      isHeavy: true,
      signal: limit,
    })
    hedge.add(order())
    hedge.seal()
    const answer = await hedge.answer.catch(() => undefined)
    return { answer, wasSent }
  }
}

const unanswered: Failure = {
  kind: 'unreachable',
  message: `No broker answered within ${timeoutMs} ms. The request can be sent again; see cluster.unreachable for why.`,
}
