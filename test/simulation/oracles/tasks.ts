// The tasks of the lifecycle: what one reports reaches the machine while its state is active, and not later.

import type { Oracle } from './oracle.ts'

/** What only the end of a task produces, and the state whose task it is. */
export const endedIn: Readonly<Record<string, string>> = {
  'drain.completed': 'draining',
  'rebuild.proven': 'rebuilding',
  'rebuild.unproven': 'rebuilding',
  'backoff.elapsed': 'retrying',
  'stop.completed': 'stopping',
}

/** The names of a state at the top level of the machine; a journal writes one with states inside it as an object. */
export const topOf = (state: unknown): string =>
  typeof state === 'object' && state !== null ? (Object.keys(state)[0] ?? '') : String(state)

/** C21: no late result: whoever sends a fact is at work for the state that is active, and the end of a task is recorded in its state. */
export function noLateResult(): Oracle {
  return {
    id: 'C21',
    see(sighting) {
      if (sighting.type === 'sent' && !sighting.isAtWork)
        return `${sighting.life} hears ${sighting.fact} from ${sighting.task}, whose state was left`
      if (sighting.type !== 'fact') return undefined
      const { life, fact, from } = sighting
      const state = endedIn[fact]
      if (state === undefined || from === undefined || topOf(from) === state) return undefined
      return `${life} hears ${fact} while it is ${topOf(from)}`
    },
  }
}
