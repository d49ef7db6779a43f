/** Questions that any broker can answer: put to one after another, and again while nobody answers. */

import type { Endpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { onSilence } from '../connection/silence.ts'
import { apiKeyOf } from '../protocol/frames.ts'
import { sleep } from '../time/sleep.ts'
import { following } from '../time/time-limit.ts'
import type { EndpointPool } from './endpoint-pool.ts'
import { createHedge } from './hedge.ts'

export interface QuestionsOptions {
  readonly pool: EndpointPool
  /** Whom to ask, in order. */
  readonly order: () => readonly Endpoint[]
  /** Resolves when the cluster has shown that it answers. */
  readonly newerAnswer: (signal: AbortSignal) => Promise<unknown>
  readonly closing: AbortSignal
}

/** A question fails after this time without a byte, in milliseconds; later where the brokers are far. */
const timeoutMs = 2000
/** The next broker is asked after this time without a byte, in milliseconds, or after a failure. */
const hedgeMs = 250
/** A question ends by then, in milliseconds, however many bytes keep coming. */
const longestMs = 30_000
const againMs = 20
/** While the next try has to wait, the deadline of a question is checked this often, in milliseconds. */
const lookMs = 100

export class Questions {
  private readonly options: QuestionsOptions
  /** By kind of request: unanswered ones in a row, whoever asked. */
  private readonly streaks = new Map<number, Streak>()

  constructor(options: QuestionsOptions) {
    this.options = options
  }

  /** The first answer. Rejects with a ConnectionError after 2 s without a byte, more where the brokers are far. */
  async ask(frame: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const { closing, pool } = this.options
    const asked: Endpoint[] = []
    const since = performance.now()
    const limit = following(signal, closing)
    const silence = {
      forMs: Math.max(timeoutMs, 2 * pool.lateMs),
      heardAt: () => Math.max(since, pool.heardAt(asked)),
      atMostMs: longestMs,
    }
    const end = onSilence(silence, () => limit.abort(new ConnectionError(unanswered)))
    try {
      return await this.askUntil(frame, asked, limit.signal)
    } finally {
      end()
      limit.abort()
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
      // Questions that ran side by side count as one failure. Where nobody could be asked, the pace of dials is enough.
      if (!wasSent) await sleep(againMs)
      else if (streak.waitMs === 0) streak.failed(bounds.question)
      await this.options.newerAnswer(limit).catch(() => {})
    }
    throw limit.reason
  }

  private async askOnce(frame: Buffer, asked: Endpoint[], limit: AbortSignal) {
    const { pool, order } = this.options
    let wasSent = false
    const attempt = async (endpoint: Endpoint) => {
      asked.push(endpoint)
      const connection = await pool.at(endpoint).connect()
      wasSent = true
      // Each connection writes its own correlation id into the frame.
      return connection.send(Buffer.from(frame))
    }
    const hedge = createHedge(attempt, {
      afterMs: Math.max(hedgeMs, pool.lateMs),
      deadlineMs: longestMs,
      heardAt: () => pool.heardAt(asked),
      isHeavy: true,
      signal: limit,
    })
    hedge.add(order())
    hedge.close()
    const answer = await hedge.answer.catch(() => undefined)
    return { answer, wasSent }
  }
}

const unanswered: Failure = {
  kind: 'unreachable',
  message: `No broker answered within ${timeoutMs} ms. The request can be sent again; see cluster.unreachable for why.`,
}
