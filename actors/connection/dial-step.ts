/** The steps of a dial: what it is at, and what it means that the peer is silent there, or closes. */

import type { Failure } from '../../machines/failure.ts'

/** In order. `settings`: the option `kafka` is asked · `answer`: the peer was asked who it is. */
export type DialStep = 'settings' | 'lookup' | 'connect' | 'tls' | 'login' | 'answer'

type Ending = Pick<Failure, 'kind' | 'message' | 'code'>

const silences: Record<DialStep, readonly [code: string, what: string]> = {
  settings: ['SETTINGS_TIMEOUT', 'the option `kafka` has given no settings'],
  lookup: ['LOOKUP_TIMEOUT', 'its name was not resolved'],
  connect: ['ETIMEDOUT', 'it does not take the connection, there was no answer'],
  tls: ['TLS_TIMEOUT', 'it takes the connection and says nothing in the TLS handshake'],
  login: ['LOGIN_TIMEOUT', 'it takes the connection and does not go on with the login'],
  answer: ['ANSWER_TIMEOUT', 'it takes the connection and says nothing, there was no answer'],
}

/** What a dial fails with that was silent in this step for so long, in milliseconds. */
export function silentIn(step: DialStep, forMs: number): Ending {
  const [code, what] = silences[step]
  return { kind: step === 'settings' ? 'settings-failed' : 'dial-failed', message: `${what} within ${forMs} ms`, code }
}

/** Whether a dial ended as the peer, or the way to it, was silent. */
export const isSilence = ({ code }: Failure): boolean => Object.values(silences).some(([silent]) => silent === code)

/** What a dial fails with that the peer ended in this step, beside what the system says of it; undefined where that is all there is to say. */
export function closedIn(step: DialStep): Ending | undefined {
  if (step === 'tls')
    return { kind: 'dial-failed', message: 'it closed the connection in the TLS handshake', code: 'TLS_CLOSED' }
  if (step === 'answer')
    return { kind: 'dial-failed', message: 'it closed the connection without an answer', code: 'CLOSED_UNANSWERED' }
  return undefined
}
