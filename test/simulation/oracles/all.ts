// All oracles, in the order of their invariants.

import * as calls from './calls.ts'
import * as delivery from './delivery.ts'
import * as liveness from './liveness.ts'
import * as manners from './manners.ts'
import type { Oracle } from './oracle.ts'
import * as record from './record.ts'
import * as retries from './retries.ts'
import * as security from './security.ts'
import * as tasks from './tasks.ts'
import * as told from './told.ts'

/** Options of the consumers that oracles judge by. */
interface Judged {
  readonly isBatched?: boolean
  readonly autoCommit?: boolean
  readonly isStatic?: boolean
  readonly maxWaitTimeInMs?: number
  readonly minBytes?: number
  readonly requestTimeoutMs?: number
  readonly rebalanceTimeout?: number
  readonly pollIntervalMs?: number
}

export const allOracles = (
  secrets: readonly string[],
  { isBatched = false, autoCommit = true, isStatic = false, ...timeouts }: Judged = {},
): Oracle[] => [
  delivery.noLoss(),
  delivery.onlyHandledIsCommitted(),
  delivery.inOrder(),
  delivery.twiceOnlyUncommitted(autoCommit),
  delivery.oneOwner(),
  delivery.commitsOnlyRise(),
  record.writeAhead(),
  record.journalIsChain(),
  security.onlyOurCluster(),
  security.noSecret(secrets),
  liveness.recovers(),
  liveness.noSessionLoop(),
  liveness.endsInTime(),
  liveness.noHotLoop(timeouts),
  liveness.silenceIsNoticed(timeouts),
  liveness.heartbeatsGoOn(),
  liveness.leavesNothing(),
  liveness.nothingEscapes(),
  calls.soughtComesNext(autoCommit),
  calls.pausedRests(isBatched),
  retries.failedComesAgain(),
  calls.onlyNamedIsCommitted(autoCommit),
  told.readyIsTrue(timeouts),
  told.lossIsTold(),
  told.noStorm(),
  tasks.noLateResult(),
  manners.asksSparingly(),
  manners.heldIsNotCut(),
  manners.staticStays(isStatic),
]
