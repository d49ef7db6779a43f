/** The heartbeats of a member: one after each interval, as an actor that the membership machine starts and stops. */

import { fromCallback } from 'xstate'
import type { Fact } from '../../machines/fact.ts'

export interface HeartbeatsOptions {
  /** In milliseconds. Each wait is up to a tenth shorter, so that the members of a group do not beat in step. */
  readonly intervalMs: number
  /** Sends one; may reject. */
  readonly beat: () => Promise<unknown>
}

/** The next heartbeat follows one interval after the answer to the one before. */
export const heartbeats = ({ intervalMs, beat }: HeartbeatsOptions) =>
  fromCallback<Fact>(() => {
    let timer: NodeJS.Timeout | undefined
    let isOver = false
    const next = (): void => {
      timer = setTimeout(
        async () => {
          // Out of reach, or not understood: the next beat asks again, and a member that was forgotten meanwhile is told so.
          await beat().catch(() => {})
          if (!isOver) next()
        },
        intervalMs * (0.9 + Math.random() * 0.1),
      )
    }
    next()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  })
