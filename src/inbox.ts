/**
 * The inbox of a consumer: each fact in its turn, through the machine where that acts on it, else straight into the journal.
 *
 * Records stand in the order in which facts were told, whoever told them: a task by `sendBack`, the cluster's stream, or anybody else. While the
 * machine works, what it is told waits in its mailbox; a fact that goes past the machine waits for what was told before it.
 */

import type { AnyActor, InspectionEvent } from 'xstate'
import type { Fact } from '../machines/fact.ts'

export interface InboxOptions {
  /** The machine at work; not started yet. */
  readonly actor: AnyActor
  /** The types of facts on which it acts in some state. */
  readonly acting: ReadonlySet<string>
  /** Records a fact. Throws when the journal has failed. */
  readonly note: (fact: Fact) => void
}

/** Makes the function that takes facts. What comes after the machine's end is recorded nowhere. */
export function createInbox({ actor, acting, note }: InboxOptions): (fact: Fact) => void {
  const waiting: { readonly fact: Fact; readonly after: number }[] = []
  // Events the machine was given, beginning with its start, and those that are processed.
  let given = 1
  let processed = 0
  let isNoting = false

  function noteWaiting(): void {
    if (isNoting) return
    isNoting = true
    for (let [next] = waiting; next && next.after <= processed; [next] = waiting) {
      waiting.shift()
      if (actor.getSnapshot().status === 'active') noteOrFail(next.fact)
    }
    isNoting = false
  }

  function noteOrFail(fact: Fact): void {
    try {
      note(fact)
    } catch {
      // The journal has failed: by the same fact the machine fails, and the consumer with it.
      actor.send(fact)
    }
  }

  actor.system.inspect((inspected: InspectionEvent) => {
    if (inspected.actorRef !== actor) return
    if (inspected.type === '@xstate.event' && inspected.event.type !== 'xstate.init') given += 1
    if (inspected.type !== '@xstate.snapshot') return
    processed += 1
    noteWaiting()
  })
  return (fact) => {
    if (acting.has(fact.type)) return actor.send(fact)
    waiting.push({ fact, after: given })
    noteWaiting()
  }
}
