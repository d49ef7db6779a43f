/** A task: the work of one state of the lifecycle, as an XState actor that sends its facts back to the machine. */

import { fromCallback } from 'xstate'
import type { Fact } from '../../machines/fact.ts'
import { messageOf } from '../../machines/failure.ts'
import type { TaskInput } from '../../machines/lifecycle.ts'

export type Task = ReturnType<typeof fromCallback<Fact, TaskInput>>
export type { TaskInput }

export interface TaskScope {
  /** Tells the machine a fact. Once the task's state was left, XState drops it. */
  readonly sendBack: (fact: Fact) => void
  /** Aborts when the state is left: nothing more may be begun. */
  readonly signal: AbortSignal
}

/** Makes the actor. Work that rejects is a bug, unless its state was left: `signal.throwIfAborted()` is how it ends early. */
export function task(work: (input: TaskInput, scope: TaskScope) => Promise<void>): Task {
  return fromCallback<Fact, TaskInput>(({ input, sendBack: send, self }) => {
    const left = new AbortController()
    // A machine that has failed, as by a journal that can't append, leaves its children running, and XState warns of what they tell it.
    const sendBack = (fact: Fact) => {
      if (self._parent?.getSnapshot().status === 'active') send(fact)
    }
    work(input, { sendBack, signal: left.signal }).catch((error: unknown) => {
      const failure = { kind: 'bug', message: messageOf(error) } as const
      sendBack({ type: 'session.failed', epoch: input.epoch, failure })
    })
    return () => left.abort()
  })
}

/** Whole milliseconds since an instant of `performance.now()`: the clock of the day may be set back meanwhile. */
export const since = (startedAt: number): number => Math.round(performance.now() - startedAt)
