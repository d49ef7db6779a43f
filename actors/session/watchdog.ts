/**
 * The watchdog of one session: finds partitions that make no progress although nothing holds them, and names what to do.
 * First the leader's connection is dialled anew, then the session counts as silent and has to be replaced.
 * What a new session would not help is only reported: a leader that is unknown, out of reach or slow, or that answers with an error.
 */

import type { Fact } from '../../machines/fact.ts'
import { byTopic, type TopicPartition } from '../../machines/topic-partition.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import { fetchErrorName } from '../protocol/fetch-answers.ts'
import { standstillSince } from '../time/event-loop.ts'
import type { Link } from '../wire/link.ts'
import type { FetchRecord } from './fetch-record.ts'

/** What the watchdog looks at. */
export interface WatchedSession {
  readonly epoch: number
  readonly fetched: FetchRecord
  readonly runner: { leaderOf(partition: TopicPartition): number | undefined }
  readonly routes: {
    readonly links: { fetchLink(nodeId: number): Pick<Link, 'current' | 'heardAt' | 'slow' | 'drop'> | undefined }
  }
  readonly membership: { readonly joined: boolean }
  refreshLeaders(): void
}

export interface WatchdogOptions {
  readonly session: WatchedSession
  readonly dispatcher: Dispatcher
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

/** Why a queue does not move. */
interface Cause {
  readonly reason: string
  /** The reason is told with the time. */
  readonly isTimed?: boolean
  /** A new connection or a new session may help. */
  readonly isOurs?: boolean
  /** It is out of reach, as in an outage or a move that may soon be over. */
  readonly isAway?: boolean
}

/** Starts watching; the function it returns ends it. */
export function watch({ session, dispatcher, emit, maxWaitMs }: WatchdogOptions): () => void {
  const {
    fetched: record,
    routes: { links },
  } = session
  let startedAt = performance.now()
  /** Since when a new connection or session would help: a leader that comes back into reach has its time. And whether it was dialled anew. */
  const stalled = new Map<PartitionQueue, { oursSince: number | undefined; redialled: boolean }>()
  /** When something held a queue last. */
  const heldAt = new Map<PartitionQueue, number>()
  /** Since when a look has found more to read each time: after a long silence the first message has only just come. */
  const unreadSince = new Map<PartitionQueue, number>()
  let { assignment } = dispatcher
  let refreshedAt = 0

  /** For how long a queue could have moved and has not, beyond what is no stall; and what for. */
  const examine = (queue: PartitionQueue, now: number) => {
    const fetched = record.of(queue)
    const leader = session.runner.leaderOf(queue)
    // A replica in one's rack may be read instead, and then nothing is fetched from the leader.
    const nodeId = leader !== undefined && links.fetchLink(leader) ? leader : (fetched?.nodeId ?? leader ?? nobody)
    const link = links.fetchLink(nodeId)
    const askedAt = record.askedAt(nodeId) ?? Number.POSITIVE_INFINITY
    const isUnanswered = now - askedAt > maxWaitMs + unansweredAfterMs && (fetched?.at ?? 0) <= askedAt
    const isArriving = isUnanswered && now - askedAt < longestAnswerMs
    const isUnread =
      fetched !== undefined &&
      // Stryker disable next-line ConditionalExpression: no end is beyond a mark that is not there
      queue.progress.mark !== undefined &&
      fetched.end > queue.progress.mark
    if (!isUnread) unreadSince.delete(queue)
    else if (!unreadSince.has(queue)) unreadSince.set(queue, now)
    const since = Math.max(
      ...[startedAt, record.beganAt, heldAt.get(queue) ?? 0],
      isUnread ? Math.max(queue.movedAt, unreadSince.get(queue) ?? 0) : (fetched?.at ?? 0),
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
      if (link?.current === false) return { reason: `its leader, node ${nodeId}, is out of reach`, isAway: true }
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
    // A stall of another assignment was forgotten with its partitions. One that is not in force any more is closed.
    if (!assignment?.open || !session.membership.joined) {
      for (const known of [stalled, heldAt, unreadSince]) known.clear()
      assignment = dispatcher.assignment
    }
    // In the middle of a rebalance.
    if (!assignment?.open || !session.membership.joined) return
    const resumed: PartitionQueue[] = []
    const found = new Map<string, { readonly queues: PartitionQueue[]; readonly cause: Cause; longestMs: number }>()
    for (const queue of dispatcher.assigned()) {
      const known = stalled.get(queue)
      const isHeld = queue.busy || queue.pausedBy.size > 0 || queue.depth > 0
      if (isHeld) heldAt.set(queue, now)
      const state = isHeld ? undefined : examine(queue, now)
      if (!state || state.quietMs < state.patienceMs) {
        if (stalled.delete(queue)) resumed.push(queue)
        continue
      }
      const { quietMs, patienceMs, nodeId, link } = state
      const cause = state.cause()
      const { reason, isTimed = false, isOurs = false } = cause
      if (known) known.oursSince = isOurs ? (known.oursSince ?? now) : undefined
      const oursMs = now - (known?.oursSince ?? now)
      if (!known) {
        // Another node's error says nothing of how long the leader has been asked.
        const oursMs = isTimed ? quietMs : 0
        stalled.set(queue, { oursSince: isOurs ? now - oursMs : undefined, redialled: false })
        const group = found.get(reason) ?? { queues: [], cause, longestMs: 0 }
        group.queues.push(queue)
        group.longestMs = Math.max(group.longestMs, quietMs)
        found.set(reason, group)
      } else if (!known.redialled && oursMs >= patienceMs) {
        known.redialled = true
        link?.drop()
      } else if (oursMs > patienceMs + silentAfterMs) {
        stalled.clear()
        startedAt = now
        const message = `${queue.topic}/${queue.partition} has made no progress for ${Math.round(quietMs)} ms although node ${nodeId} answers`
        emit({ type: 'session.stalled', epoch: session.epoch, failure: { kind: 'session-silent', message } })
        return
      }
    }
    if (resumed.length > 0) emit({ type: 'partition.resumed', partitions: byTopic(resumed) })
    for (const { queues, cause, longestMs } of found.values()) {
      const quietMs = Math.round(longestMs)
      const reason = cause.isTimed ? `${cause.reason} for ${quietMs} ms` : cause.reason
      const away = cause.isAway ? { awayMs: quietMs } : {}
      emit({ type: 'partition.stalled', partitions: byTopic(queues), reason, ...away })
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
