/** A viewer: one open page. It is sent what it has not seen; one that reads too slowly is disconnected, and never waited for. */

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { timeLimit } from '../../actors/time/time-limit.ts'
import type { FactLog } from './fact-log.ts'

/** More than this may not wait for it, in bytes. */
const mostQueued = 1_048_576
/** It takes what is queued by then, in milliseconds. */
const patienceMs = 10_000
/** Records in one message. */
const atOnce = 250

/** One message of Server-Sent Events. */
export const message = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** Records as they are sent. */
export const recordsMessage = (log: FactLog, from: number, to: number): string =>
  message('records', { log: log.id, from, records: log.slice(from, to - from) })

export class Viewer {
  private readonly response: ServerResponse
  /** How many records of each log it was sent. */
  private readonly cursors = new Map<FactLog, number>()
  private readonly left = new AbortController()
  private hasCaughtUp = false

  constructor(response: ServerResponse) {
    this.response = response
    response.once('close', () => this.left.abort())
  }

  /** Whether it hears of what happens now. */
  get isLive(): boolean {
    return this.hasCaughtUp && !this.response.destroyed
  }

  /** Sends all that there is so far, as fast as it is read. */
  async catchUp(logs: () => Iterable<FactLog>): Promise<void> {
    for (let isBehind = true; isBehind && !this.response.destroyed; ) {
      isBehind = false
      for (const log of logs()) {
        for (let from = this.cursor(log); from < log.end && !this.response.destroyed; from = this.cursor(log)) {
          isBehind = true
          const to = Math.min(from + atOnce, log.end)
          if (!this.send(this.recordsUpTo(log, to))) await this.drained()
        }
      }
    }
    this.hasCaughtUp = true
  }

  /** The records up to number `to` that it was not sent, and is sent now; `shared` are those from one on, encoded already. */
  recordsUpTo(log: FactLog, to: number, shared?: { readonly from: number; readonly text: string }): string {
    const from = this.cursor(log)
    this.cursors.set(log, to)
    if (from >= to) return ''
    return shared?.from === from ? shared.text : recordsMessage(log, from, to)
  }

  /** Sends a text. False where it is to wait until that is read. */
  send(text: string): boolean {
    const { response } = this
    if (response.destroyed) return true
    const isTaken = response.write(text)
    if (response.writableLength > mostQueued) response.destroy()
    return isTaken
  }

  close(): void {
    this.response.destroy()
  }

  private cursor(log: FactLog): number {
    return Math.max(this.cursors.get(log) ?? 0, log.dropped)
  }

  private async drained(): Promise<void> {
    const limit = timeLimit(patienceMs, this.left.signal)
    await once(this.response, 'drain', { signal: limit.signal }).catch(() => this.close())
    limit.abort()
  }
}
