/** A member: the membership machine at work, recorded, with the actors that it starts. */

import { createActor, fromCallback, type InspectionEvent } from 'xstate'
import type { Fact, FactData } from '../../machines/fact.ts'
import { type Failure, messageOf } from '../../machines/failure.ts'
import { isRecord, membershipMachine } from '../../machines/membership.ts'
import { type Append, recorded } from '../../machines/recorded.ts'
import { type HeartbeatsOptions, heartbeats } from './heartbeats.ts'
import { type RejoinOptions, rejoin } from './rejoin.ts'

/** What an assignment was. */
export type Revoked = Pick<FactData['partitions.revoked'], 'generation' | 'partitions'>

export interface MemberOptions {
  readonly epoch: number
  readonly emit: (fact: Fact) => void
  /** Records the steps of the machine. */
  readonly append: Append
  readonly inspect?: ((event: InspectionEvent) => void) | undefined
  /**
   * Lets handlers of this generation settle and commits what they did, by a deadline below the rebalance timeout. Resolves with what they were
   * assigned; undefined where nothing was.
   */
  readonly settle: () => Promise<Revoked | undefined>
  /** The group has given our partitions to others. */
  readonly onLost: (failure: Failure) => void
  /** The group turned us away, and waiting does not change it. */
  readonly onRefused: (failure: Failure) => void
}

export type Member = ReturnType<typeof startMember>

export function startMember(options: MemberOptions & HeartbeatsOptions & RejoinOptions) {
  const { epoch, emit, append, inspect, onLost, onRefused } = options
  const record: Append = (step) => {
    if (isRecord(step)) append(step)
  }
  const failed = (error: unknown): void => {
    emit({ type: 'session.failed', epoch, failure: { kind: 'bug', message: messageOf(error) } })
  }
  const settle = fromCallback<Fact>(({ sendBack }) => {
    options.settle().then((revoked = { generation: -1, partitions: {} }) => {
      const { generation, partitions } = revoked
      const fact: Fact = { type: 'partitions.revoked', epoch, generation, partitions }
      // It is told all the same when the member has left or was lost meanwhile.
      if (actor.getSnapshot().status === 'active') sendBack(fact)
      else emit(fact)
    }, failed)
  })
  const actors = { settle, rejoin: rejoin(options), heartbeats: heartbeats(options) }
  const actor = createActor(recorded(membershipMachine.provide({ actors }), record), {
    id: 'membership',
    ...(inspect ? { inspect } : {}),
  })
  actor.subscribe({
    complete: () => {
      const { value, output } = actor.getSnapshot()
      if (output) (value === 'lost' ? onLost : onRefused)(output)
    },
    // Where nothing can be recorded any more, the consumer finds the same by this fact; otherwise another session takes over.
    error: failed,
  })
  return actor.start()
}
