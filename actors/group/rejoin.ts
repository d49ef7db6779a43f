/** A rejoin: KafkaJS is told to join again, as an actor that the membership machine starts, and ends when KafkaJS does. */

import { fromCallback } from 'xstate'
import type { Fact } from '../../machines/fact.ts'

export interface RejoinOptions {
  /** Ends KafkaJS's long polls: the next round of its fetch loops ends in a rejoin. */
  readonly interruptPolls: () => void
  /** KafkaJS did not join in time. */
  readonly onLate: (message: string) => void
}

/** How long KafkaJS may take to rejoin after it was told to, in milliseconds. */
const rejoinWithinMs = 5000

/** KafkaJS hears of the rebalance in the next round of a fetch loop, which follows the end of its long polls. */
export const rejoin = ({ interruptPolls, onLate }: RejoinOptions) =>
  fromCallback<Fact>(() => {
    interruptPolls()
    const deadline = setTimeout(
      () => onLate(`KafkaJS was told to rejoin and did not within ${rejoinWithinMs} ms`),
      rejoinWithinMs,
    )
    return () => clearTimeout(deadline)
  })
