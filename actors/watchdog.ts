/**
 * The watchdog of one session: finds partitions that make no progress although nothing holds them, and names what to do.
 * First the leader's connection is dialled anew, then the session counts as silent and has to be replaced.
 * A partition whose leader is unknown or out of reach is reported; a new session would not help it.
 */

import type { Fact } from '../machines/fact.ts'
import type { HandOut } from './hand-out.ts'
import type { Lane } from './lane.ts'
import type { Session } from './session.ts'

export interface WatchdogOptions {
  readonly session: Session
  readonly handOut: HandOut
  readonly emit: (fact: Fact) => void
}

/** Without progress for so long, a partition's connection is dialled anew; in milliseconds. */
const redialAfterMs = 3000
/** Without progress for so long although its leader answers, the session counts as silent; in milliseconds. */
const silentAfterMs = 10_000
const lookEachMs = 500

/** Starts watching; the function it returns ends it. */
export function watch({ session, handOut, emit }: WatchdogOptions): () => void {
  const stalled = new Map<Lane, { readonly since: number; redialled: boolean }>()
  /** Since when a look has found more to read each time: after a long silence the first message has only just come. */
  const unreadSince = new Map<Lane, number>()
  const startedAt = performance.now()

  const look = (lane: Lane): void => {
    const { topic, partition } = lane
    const now = performance.now()
    const fetched = session.fetched.of(lane)
    const unread = fetched !== undefined && lane.progress.mark !== undefined && fetched.end > lane.progress.mark
    // A handler at work, a pause, or a full lane is not a stall; nor is a partition that was fetched and has nothing more.
    const waits = lane.busy || lane.pausedBy.size > 0 || lane.queue.length > 0
    if (!unread) unreadSince.delete(lane)
    else if (!unreadSince.has(lane)) unreadSince.set(lane, now)
    const since = Math.max(startedAt, unread ? lane.movedAt : (fetched?.at ?? 0), unreadSince.get(lane) ?? 0)
    const quietMs = waits ? 0 : now - since
    const known = stalled.get(lane)
    if (waits || (fetched && !unread && now - fetched.at < redialAfterMs) || quietMs < redialAfterMs) {
      if (known && !waits) {
        stalled.delete(lane)
        emit({ type: 'partition.resumed', topic, partition })
      }
      return
    }
    const leader = session.leaderOf(lane)
    const link = leader === undefined ? undefined : session.routes.fetchLink(leader)
    if (!known) {
      stalled.set(lane, { since: now, redialled: false })
      emit({ type: 'partition.stalled', topic, partition, reason: reasonOf(leader, link?.current, quietMs) })
      return
    }
    session.refreshLeaders()
    // A link whose node is slow judges that by itself.
    if (leader === undefined || link?.current === false || link?.slow || !session.membership.joined) return
    if (!known.redialled) {
      known.redialled = true
      link?.drop()
    } else if (now - known.since > silentAfterMs - redialAfterMs) {
      const message = `${topic}/${partition} has made no progress for ${Math.round(quietMs)} ms although node ${leader} answers`
      stalled.clear()
      emit({ type: 'session.stalled', epoch: session.epoch, failure: { kind: 'session-silent', message } })
    }
  }

  const timer = setInterval(() => {
    const lanes = handOut.assigned()
    for (const known of [stalled, unreadSince]) {
      for (const lane of known.keys()) if (!lanes.includes(lane)) known.delete(lane)
    }
    for (const lane of lanes) look(lane)
  }, lookEachMs)
  return () => clearInterval(timer)
}

function reasonOf(leader: number | undefined, current: boolean | undefined, quietMs: number): string {
  if (leader === undefined) return 'it has no leader'
  if (!current) return `its leader, node ${leader}, is out of reach`
  return `no progress for ${Math.round(quietMs)} ms`
}
