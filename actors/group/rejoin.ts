/** A rejoin: KafkaJS is told to join again, as an actor that the membership machine starts, and ends when KafkaJS does. */

import { fromCallback } from 'xstate'
import type { Fact } from '../../machines/fact.ts'

export interface RejoinOptions {
  /** Ends KafkaJS's long polls, so that it asks at once whether it has to rejoin. */
  readonly interruptPolls: () => void
  /** KafkaJS did not join in time. */
  readonly onLate: (message: string) => void
}

/** How long KafkaJS may take to rejoin after it was told to, in milliseconds. */
const rejoinWithinMs = 5000

/** KafkaJS hears of the rebalance at its next heartbeat, which follows the end of its long polls. */
export const rejoin = ({ interruptPolls, onLate }: RejoinOptions) =>
  fromCallback<Fact>(() => {
    interruptPolls()
    const deadline = setTimeout(
      () => onLate(`KafkaJS was told to rejoin and did not within ${rejoinWithinMs} ms`),
      rejoinWithinMs,
    )
    return () => clearTimeout(deadline)
  })
