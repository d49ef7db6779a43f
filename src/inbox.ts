/** The inbox of a consumer: each fact in its turn, through the machine where that acts on it, else straight into the journal. */

import type { Fact } from '../machines/fact.ts'

export interface InboxOptions {
  /** The types of facts on which the machine acts in some state. */
  readonly acting: ReadonlySet<string>
  readonly isActive: () => boolean
  readonly send: (fact: Fact) => void
  readonly note: (fact: Fact) => void
}

/** Makes the function that takes facts. One that comes while another is being taken waits for its end. */
export function createInbox({ acting, isActive, send, note }: InboxOptions): (fact: Fact) => void {
  const waiting: Fact[] = []
  let isTaking = false
  const take = (fact: Fact): void => {
    if (acting.has(fact.type)) {
      send(fact)
      return
    }
    // What comes after the end is nobody's any more.
    if (!isActive()) return
    try {
      note(fact)
    } catch {
      // The journal has failed: by the same fact the machine fails, and the consumer with it.
      send(fact)
    }
  }
  return (fact) => {
    waiting.push(fact)
    if (isTaking) return
    isTaking = true
    for (let next = waiting.shift(); next; next = waiting.shift()) take(next)
    isTaking = false
  }
}
