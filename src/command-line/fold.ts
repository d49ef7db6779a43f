/** A fold of a journal for its command line: what the machine, the status and the memory were after a record. */

import type { StateValue } from 'xstate'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import { followingMachine } from '../../machines/following.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { machineVersion } from '../../machines/machine-version.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { foldOf } from '../../machines/replay.ts'
import { type BalancerFold, emptyBalancerStatus, reduceBalancerStatus } from '../balancer/balancer-status.ts'
import { emptyFollowStatus, type FollowFold, reduceFollowStatus } from '../follow/follow-status.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { nothingRemembered, type Remembered, remember } from '../journal/recovery.ts'
import { upcast } from '../journal/upcast.ts'
import { emptyStatus, reduceStatus, type Status, viewStatus } from '../views/status.ts'

/** The state after a record. JSON throughout. */
export type StateThen = MomentThen & (ConsumerThen | FollowingThen | BalancingThen)

interface MomentThen {
  readonly record: number
  readonly time: string
  readonly machine: MachineThen
  readonly remembered: Remembered
}

interface ConsumerThen {
  readonly actor: 'consumer'
  /** The membership of the newest session; null before the first. */
  readonly membership: MachineThen | null
  /** What `status()` said then; null when the start of that process is no longer in the journal. */
  readonly status: Status | null
}

interface FollowingThen {
  readonly actor: 'following'
  /** What `followed.status()` said then, but for connections, requests and brokers; null as above. */
  readonly status: FollowFold | null
}

interface BalancingThen {
  readonly actor: 'balancing'
  /** What `balancer.status()` said then; null as above. */
  readonly status: BalancerFold | null
}

interface MachineThen {
  readonly value: StateValue
  readonly status: string
  readonly context: unknown
}

/** The actors of a journal, by the names that records give them. */
export const actors = {
  consumer: 'consumer',
  membership: 'membership',
  following: 'following',
  balancing: 'balancing',
} as const

/**
 * Replays the records. Throws with the number of the record where the machine leads elsewhere than the record says, or that a newer
 * version wrote.
 */
export function stateAfter(records: Iterable<JournalRecord>): StateThen {
  const consumer = foldOf(lifecycleMachine, actors.consumer)
  const membership = foldOf(membershipMachine, actors.membership)
  const following = foldOf(followingMachine, actors.following)
  const balancing = foldOf(balancingMachine, actors.balancing)
  let newest: JournalRecord | undefined
  let hasStarted = false
  let status = emptyStatus
  let followStatus = emptyFollowStatus
  let balancerStatus = emptyBalancerStatus
  let actor: StateThen['actor'] | undefined
  let remembered = nothingRemembered
  try {
    for (const written of records) {
      const record = upcast(written)
      newest = record
      if (Number(record.machineVersion) > Number(machineVersion)) {
        throw new Error(
          `it was written by machine version ${record.machineVersion}, and this is version ${machineVersion}`,
        )
      }
      hasStarted ||= isStart(record)
      if (isRoot(record.actor)) actor = record.actor
      status = reduceStatus(status, record)
      followStatus = reduceFollowStatus(followStatus, record)
      balancerStatus = reduceBalancerStatus(balancerStatus, record)
      remembered = remember(remembered, record)
      // By the version that wrote it, a replay knows whose states these are.
      const { machineVersion: version } = written
      for (const fold of [consumer, membership, following, balancing]) fold.take({ ...record, machineVersion: version })
    }
    const roots = { consumer, following, balancing }
    actor ??= rootNames.find((name) => roots[name].snapshot !== undefined) ?? actors.consumer
    const { snapshot } = roots[actor]
    if (!newest || !snapshot) throw new Error('Nothing to replay: no step of a consumer, of `follow` or of a balancer')
    const { seq, at } = newest
    const moment = { record: seq, time: new Date(at).toISOString(), machine: then(snapshot), remembered }
    if (actor === actors.following) return { ...moment, actor, status: hasStarted ? followStatus : null }
    if (actor === actors.balancing) return { ...moment, actor, status: hasStarted ? balancerStatus : null }
    return {
      ...{ ...moment, actor, membership: membership.snapshot ? then(membership.snapshot) : null },
      status: hasStarted ? viewStatus(status, at) : null,
    }
  } catch (error) {
    throw new Error(`Replay ends at record ${newest?.seq ?? 0}: ${(error as Error).message}`, { cause: error })
  }
}

/** Whether a life of a consumer begins here, of what `follow` returned, or of a balancer. */
export const isStart = ({ actor, type }: JournalRecord): boolean => type === 'actor.started' && isRoot(actor)

const rootNames = [actors.consumer, actors.following, actors.balancing] as const

const isRoot = (actor: string): actor is StateThen['actor'] => rootNames.some((name) => name === actor)

const then = ({ value, status, context }: MachineThen): MachineThen => ({ value, status, context })
