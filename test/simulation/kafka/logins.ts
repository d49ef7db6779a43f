// Logins at the simulated brokers: accepted for some time, refused, or cut off.

import { Bytes } from './bytes.ts'
import type { BrokerLine } from './ground.ts'

/** How a node treats logins. */
export type LoginMood = 'refuses' | 'hangs up' | 'hangs up midway' | 'is silent'

export const loginKeys = { handshake: 17, authenticate: 36 } as const
const authenticationFailed = 58
const lifetimeSince = 1

export class Logins {
  readonly moods = new Map<number, LoginMood>()
  /** How long a login is valid, in milliseconds; 0 for ever. */
  validMs = 0
  private readonly until = new WeakMap<BrokerLine, number>()

  /** Whether what was accepted here is over: the broker then takes no request but a new login. */
  isOver(connection: BrokerLine, now: number): boolean {
    return now > (this.until.get(connection) ?? Number.POSITIVE_INFINITY)
  }

  /** The answer; undefined where there is none, as the connection ends or nothing comes. */
  answer(
    nodeId: number,
    apiKey: number,
    version: number,
    connection: BrokerLine,
    now: number,
    reached: (kind: string) => void,
    refused: () => void,
  ): Buffer | undefined {
    const mood = this.moods.get(nodeId)
    const isHandshake = apiKey === loginKeys.handshake
    if (mood === 'hangs up' || (mood === 'hangs up midway' && !isHandshake) || mood === 'is silent') {
      reached(`logins: ${mood}`)
      reached('logins fail')
      if (mood !== 'is silent') connection.reset()
      return undefined
    }
    if (isHandshake) return new Bytes().int16(0).int32(1).string('PLAIN').taken()
    const isRefused = mood === 'refuses'
    if (isRefused) {
      reached('logins: refuses')
      reached('logins fail')
      refused()
    } else if (this.validMs > 0) this.until.set(connection, now + this.validMs)
    const answer = new Bytes().int16(isRefused ? authenticationFailed : 0)
    answer.string(isRefused ? 'Authentication failed' : null).block(Buffer.alloc(0))
    return version < lifetimeSince ? answer.taken() : answer.int64(isRefused ? 0 : this.validMs).taken()
  }
}
