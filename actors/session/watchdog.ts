/**
 * The watchdog of one session: finds partitions that make no progress although nothing holds them, and names what to do.
 * First the leader's connection is dialled anew, then the session counts as silent and has to be replaced.
 * What a new session would not help is only reported: a leader that is unknown, out of reach or slow, or that answers with an error.
 */

import { byTopic, type Fact } from '../../machines/fact.ts'
import type { HandOut } from '../delivery/hand-out.ts'
import type { Lane } from '../delivery/lane.ts'
import { fetchErrorName } from '../protocol/answers.ts'
import { standstillSince } from '../time/event-loop.ts'
import type { Session } from './session.ts'

export interface WatchdogOptions {
  readonly session: Session
  readonly handOut: HandOut
  readonly emit: (fact: Fact) => void
  /** How long a broker may hold a fetch, in milliseconds. */
  readonly maxWaitMs: number
}

/** Without progress for so long, beside what a fetch may take, a partition is stalled, and its connection dialled anew; in milliseconds. */
const stalledAfterMs = 3000
/** Stalled for so long although its leader answers, the session counts as silent; in milliseconds. */
const silentAfterMs = 7000
const lookEachMs = 500
/** While something is stalled, leaders are looked up this often, in milliseconds. */
const refreshEachMs = 2000
/** A fetch that has waited this much longer than a broker may hold it is unanswered, in milliseconds. */
const unansweredAfterMs = 1000
/** Bytes of an answer that keep coming count as progress for so long; in milliseconds. */
const longestAnswerMs = 300_000
/** A node that has taken long for an answer may take as long for the next one, up to this; in milliseconds. */
const mostTookMs = 60_000
const unknownTopicOrPartition = 3
/** No node: there is no link to it and no record of it. */
const nobody = -1

/** Why a lane does not move. */
interface Cause {
  readonly reason: string
  /** The reason is told with the time. */
  readonly isTimed?: boolean
  /** A new connection or a new session may help. */
  readonly isOurs?: boolean
}

/** Starts watching; the function it returns ends it. */
export function watch({ session, handOut, emit, maxWaitMs }: WatchdogOptions): () => void {
  const { fetched: record, routes } = session
  let startedAt = performance.now()
  /** Since when a new connection or session would help: a leader that comes back into reach has its time. And whether it was dialled anew. */
  const stalled = new Map<Lane, { oursSince: number | undefined; redialled: boolean }>()
  /** When something held a lane last. */
  const heldAt = new Map<Lane, number>()
  /** Since when a look has found more to read each time: after a long silence the first message has only just come. */
  const unreadSince = new Map<Lane, number>()
  let { tenure } = handOut
  let refreshedAt = 0

  /** For how long a lane could have moved and has not, beyond what is no stall; and what for. */
  const examine = (lane: Lane, now: number) => {
    const fetched = record.of(lane)
    const leader = session.reader.leaderOf(lane)
    // A replica in one's rack may be read instead, and then nothing is fetched from the leader.
    const nodeId = leader !== undefined && routes.fetchLink(leader) ? leader : (fetched?.nodeId ?? leader ?? nobody)
    const link = routes.fetchLink(nodeId)
    const askedAt = record.askedAt(nodeId) ?? Number.POSITIVE_INFINITY
    const isUnanswered = now - askedAt > maxWaitMs + unansweredAfterMs && (fetched?.at ?? 0) <= askedAt
    const isArriving = isUnanswered && now - askedAt < longestAnswerMs
    const isUnread =
      fetched !== undefined &&
      // Stryker disable next-line ConditionalExpression: no end is beyond a mark that is not there
      lane.progress.mark !== undefined &&
      fetched.end > lane.progress.mark
    if (!isUnread) unreadSince.delete(lane)
    else if (!unreadSince.has(lane)) unreadSince.set(lane, now)
    const since = Math.max(
      ...[startedAt, record.beganAt, heldAt.get(lane) ?? 0],
      isUnread ? Math.max(lane.movedAt, unreadSince.get(lane) ?? 0) : (fetched?.at ?? 0),
      record.throttledUntil(nodeId),
      isArriving ? (link?.heardAt ?? 0) : 0,
    )
    const quietMs = now - since - standstillSince(since)
    const fetchMs = Math.max(maxWaitMs, Math.min(mostTookMs, record.tookMs(nodeId)))
    const cause = (): Cause => {
      const { errorCode = 0, nodeId: answering } = fetched ?? {}
      const error = `node ${answering} answers its fetches with ${fetchErrorName(errorCode)}`
      if (errorCode === unknownTopicOrPartition) return { reason: `its topic or the partition is gone: ${error}` }
      if (leader === undefined) return { reason: 'it has no leader' }
      if (link?.current === false) return { reason: `its leader, node ${nodeId}, is out of reach` }
      if (errorCode !== 0) return { reason: error, isOurs: answering !== leader }
      // A link whose node is slow judges that by itself.
      if (isUnanswered || link?.slow)
        return { reason: `its leader, node ${nodeId}, has not answered a fetch`, isTimed: true }
      return { reason: 'no progress', isTimed: true, isOurs: true }
    }
    return { quietMs, patienceMs: stalledAfterMs + fetchMs, cause, nodeId, link }
  }

  const look = (): void => {
    const now = performance.now()
    // A stall of another tenure was forgotten with its partitions. One that is not in force any more is closed.
    if (!tenure?.open || !session.membership.joined) {
      for (const known of [stalled, heldAt, unreadSince]) known.clear()
      tenure = handOut.tenure
    }
    // In the middle of a rebalance.
    if (!tenure?.open || !session.membership.joined) return
    const resumed: Lane[] = []
    const found = new Map<string, { readonly lanes: Lane[]; readonly isTimed: boolean; longestMs: number }>()
    for (const lane of handOut.assigned()) {
      const known = stalled.get(lane)
      const isHeld = lane.busy || lane.pausedBy.size > 0 || lane.depth > 0
      if (isHeld) heldAt.set(lane, now)
      const state = isHeld ? undefined : examine(lane, now)
      if (!state || state.quietMs < state.patienceMs) {
        if (stalled.delete(lane)) resumed.push(lane)
        continue
      }
      const { quietMs, patienceMs, nodeId, link } = state
      const { reason, isTimed = false, isOurs = false } = state.cause()
      if (known) known.oursSince = isOurs ? (known.oursSince ?? now) : undefined
      const oursMs = now - (known?.oursSince ?? now)
      if (!known) {
        stalled.set(lane, { oursSince: isOurs ? now - quietMs : undefined, redialled: false })
        const group = found.get(reason) ?? { lanes: [], isTimed, longestMs: 0 }
        group.lanes.push(lane)
        group.longestMs = Math.max(group.longestMs, quietMs)
        found.set(reason, group)
      } else if (!known.redialled && oursMs >= patienceMs) {
        known.redialled = true
        link?.drop()
      } else if (oursMs > patienceMs + silentAfterMs) {
        stalled.clear()
        startedAt = now
        const message = `${lane.topic}/${lane.partition} has made no progress for ${Math.round(quietMs)} ms although node ${nodeId} answers`
        emit({ type: 'session.stalled', epoch: session.epoch, failure: { kind: 'session-silent', message } })
        return
      }
    }
    if (resumed.length > 0) emit({ type: 'partition.resumed', partitions: byTopic(resumed) })
    for (const [reason, { lanes, isTimed, longestMs }] of found) {
      const told = isTimed ? `${reason} for ${Math.round(longestMs)} ms` : reason
      emit({ type: 'partition.stalled', partitions: byTopic(lanes), reason: told })
    }
    if (stalled.size > 0 && now - refreshedAt >= refreshEachMs) {
      refreshedAt = now
      session.refreshLeaders()
    }
  }

  let turn: NodeJS.Immediate | undefined
  // After a loop that stood still timers come first: nothing is judged before what waits in the kernel was read.
  const timer = setInterval(() => {
    turn = setImmediate(look)
  }, lookEachMs)
  return () => {
    clearInterval(timer)
    clearImmediate(turn)
  }
}
