/** Rebalance callbacks: what the user does when partitions are assigned, revoked or lost; one after the other, and each is waited for by a deadline. */

import type { Fact } from '../../machines/fact.ts'
import { type Failure, messageOf } from '../../machines/failure.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { Assignment } from '../delivery/assignment.ts'
import { partitionsIn } from '../delivery/dispatcher.ts'
import { withoutSecrets } from '../security/secrets.ts'
import { deadline } from '../time/deadline.ts'

type Callback = (partitions: readonly TopicPartition[]) => unknown

export type CallbackName = 'onPartitionsAssigned' | 'onPartitionsRevoked' | 'onPartitionsLost'

export interface RebalanceCallbackOptions extends Readonly<Partial<Record<CallbackName, Callback | undefined>>> {
  readonly drainTimeoutMs: number
  readonly rebalanceTimeout: number
  readonly emit: (fact: Fact) => void
}

/** They are the consumer's: one of an assignment is over before that of the next begins, whichever session has it. */
export class RebalanceCallbacks {
  private readonly options: RebalanceCallbackOptions
  private turn: Promise<unknown> = Promise.resolve()

  constructor(options: RebalanceCallbackOptions) {
    this.options = options
  }

  /**
   * Calls it, by `withinMs` where that is less than it may take otherwise. Resolves when it is over, late or failed, with what it threw: a late one goes
   * on, and nobody waits for it any more.
   */
  call(name: CallbackName, assignment: Assignment, withinMs = Number.POSITIVE_INFINITY): Promise<Failure | undefined> {
    const callback = this.options[name]
    if (!callback) return Promise.resolve(undefined)
    const called = this.turn.then(() => this.run(name, callback, assignment, withinMs))
    this.turn = called
    return called
  }

  private async run(
    callback: CallbackName,
    call: Callback,
    { epoch, partitions }: Assignment,
    withinMs: number,
  ): Promise<Failure | undefined> {
    const { drainTimeoutMs, rebalanceTimeout, emit } = this.options
    // Beside it handlers settle and commit before a rebalance, and the group waits for all of that only so long.
    const waitMs = Math.min(withinMs, drainTimeoutMs, rebalanceTimeout * 0.2)
    const fail = (message: string): Failure => {
      const failure: Failure = { kind: 'callback-failed', message: withoutSecrets(`${callback} ${message}`) }
      emit({ type: 'callback.failed', epoch, callback, failure })
      return failure
    }
    const work = new Promise((resolve) => resolve(call(partitionsIn(partitions)))).then(
      () => undefined,
      (error) => fail(`threw: ${messageOf(error)}`),
    )
    return deadline<Failure | undefined>(work, waitMs, () => {
      fail(`did not end within ${Math.round(waitMs)} ms`)
      return undefined
    })
  }
}
