// Liveness: it comes back, in time, without haste, and leaves nothing behind. All bounds are in milliseconds of simulated time.

import { apiKeys } from '../../../actors/protocol/frames.ts'
import { mayBeHeld } from '../tap.ts'
import { type Oracle, Table } from './oracle.ts'

/** After the last fault, all has to be handled within this time, and committed by an interval of commits later: far away, a join takes long. */
export const recoversWithinMs = 30_000

/**
 * L1: after the faults, everything that was written is handled and committed. What counts is the commit that was sent last: one that the network
 * has held, and its member has long sent again, may come after it and take the group back. Nobody would hear of that.
 */
export function recovers(): Oracle {
  const last = new Map<number, { readonly offset: number; readonly sentAt: number }>()
  return {
    id: 'L1',
    see(sighting) {
      if (sighting.type === 'committed') {
        const { partition, offset, sentAt } = sighting
        if (sentAt >= (last.get(partition)?.sentAt ?? 0)) last.set(partition, { offset, sentAt })
      }
      // Of a log that was cut, or made again, it says nothing.
      if (sighting.type === 'removed') last.delete(sighting.partition)
      if (sighting.type !== 'over') return undefined
      const behind = sighting.partitions
        .filter(({ partition, end, committed }) => Math.max(committed, last.get(partition)?.offset ?? 0) < end)
        .map(({ partition, end, committed }) => `${partition} at ${committed} of ${end}`)
      if (behind.length === 0) return undefined
      return `${recoversWithinMs} ms after the last fault these partitions are behind: ${behind.join(', ')}`
    },
  }
}

const sessionsPerFault = 2
const sessionsWhenCalm = 3

/** L2: no loop of sessions: at most two new members per life and fault, and three after the last one. */
export function noSessionLoop(): Oracle {
  let faults = 0
  let isCalm = false
  const sessions = new Table(() => ({ all: new Set<string>(), calm: new Set<string>() }))
  return {
    id: 'L2',
    see(sighting) {
      if (sighting.type === 'fault') faults++
      if (sighting.type === 'calm') isCalm = true
      if (sighting.type !== 'join-sent' || sighting.memberId === '') return undefined
      const { all, calm } = sessions.of(sighting.life)
      if (isCalm && !all.has(sighting.memberId)) calm.add(sighting.memberId)
      all.add(sighting.memberId)
      if (all.size > 3 + faults * sessionsPerFault) {
        return `${sighting.life} is at its session number ${all.size} after ${faults} faults`
      }
      return calm.size > sessionsWhenCalm
        ? `${sighting.life} opened ${calm.size} sessions after the last fault`
        : undefined
    },
  }
}

const slackMs = 100

/**
 * L3: a drain ends: handlers that go on get their signal by the drain's time, and a stop ends by its deadline, whatever happens. Time in which
 * the event loop stands still is nobody's: no timer fires in it.
 */
export function endsInTime(): Oracle {
  const stops = new Map<string, { stopBy: number; signalBy: number }>()
  const running = new Map<string, string>()
  /** Where the batch at work begins, and the one that got its signal: with one call to the handler goes one signal, whatever it does with it. */
  const begun = new Map<string, number>()
  const signalled = new Map<string, number | undefined>()
  return {
    id: 'L3',
    see(sighting, at) {
      if (sighting.type === 'started') {
        const { life, partition, offset, from } = sighting
        const place = `${life}/${partition}`
        begun.set(place, from)
        if (offset === from) signalled.delete(place)
        if (signalled.get(place) !== from) running.set(place, life)
      }
      if (sighting.type === 'signalled') {
        const place = `${sighting.life}/${sighting.partition}`
        signalled.set(place, begun.get(place))
      }
      if (sighting.type === 'handled' || sighting.type === 'threw' || sighting.type === 'signalled') {
        running.delete(`${sighting.life}/${sighting.partition}`)
      }
      if (sighting.type === 'stop-asked') {
        const { life, withinMs, drainWithinMs } = sighting
        stops.set(life, { stopBy: at + withinMs + slackMs, signalBy: at + drainWithinMs + slackMs })
      }
      const stop = sighting.type === 'stands-still' && stops.get(sighting.life)
      if (stop) {
        stop.stopBy += sighting.forMs
        stop.signalBy += sighting.forMs
      }
      if (sighting.type === 'stopped' || sighting.type === 'crashed') stops.delete(sighting.life)
      for (const [life, { stopBy, signalBy }] of stops) {
        if (at > stopBy) return `${life} was asked to stop and has not by ${stopBy}`
        if (at > signalBy && [...running.values()].includes(life)) {
          return `${life} stops, and a handler is at work without a signal at ${at}`
        }
      }
      return undefined
    },
  }
}

/**
 * What SPEC's table of loops allows one life, in a minute and in a second. Dials of one endpoint: 66 that fail, some for each time that it is
 * named anew, and the two links and the poller that come back after each fault. Logins go with them. A look-up is asked of each broker in turn.
 */
const most = {
  'dials an endpoint': { minute: 120, second: 25 },
  'logs in at an endpoint': { minute: 120, second: 25 },
  'looks the coordinator up': { minute: 185, second: 40 },
  'asks for metadata': { minute: 360, second: 120 },
} as const

type Deed = keyof typeof most
const deeds = new Map<number, Deed>([
  [apiKeys.metadata, 'asks for metadata'],
  [apiKeys.findCoordinator, 'looks the coordinator up'],
  [apiKeys.saslAuthenticate, 'logs in at an endpoint'],
])
const minuteMs = 60_000
/** Who polls more often than this asks for metadata more often by as much. */
const usualPollMs = 500
/** A login that was refused is not tried at that endpoint again before this. */
const refusedLoginMs = 5000

/**
 * L4: no hot loop: dials and logins of one endpoint, and look-ups, stay within what SPEC says; a refused login waits. The process may have
 * others on their way there that the broker refuses in the same moment; once it has heard, none goes out.
 */
export function noHotLoop({ pollIntervalMs = usualPollMs } = {}): Oracle {
  const polls = (intervalMs: number) => minuteMs / (0.9 * intervalMs)
  const morePolls = Math.max(0, polls(pollIntervalMs) - polls(usualPollMs))
  const times = new Table(() => [] as number[])
  const refusals = new Table(() => ({ at: Number.NEGATIVE_INFINITY }))
  const count = (deed: Deed, life: string, place: string, at: number): string | undefined => {
    const seen = times.of(deed, life, place)
    seen.push(at)
    while ((seen[0] ?? at) < at - minuteMs) seen.shift()
    const inSecond = seen.length - seen.findIndex((time) => time >= at - 1000)
    const { minute, second } = most[deed]
    const more = deed === 'asks for metadata' ? morePolls : 0
    if (seen.length <= minute + more && inSecond <= second) return undefined
    return `${life} ${deed} ${inSecond} times within a second, ${seen.length} times within a minute ${place}`
  }
  return {
    id: 'L4',
    see(sighting, at) {
      if (sighting.type === 'refusal-heard') refusals.set({ at }, sighting.life, sighting.place)
      if (sighting.type === 'dialled') return count('dials an endpoint', sighting.life, sighting.place, at)
      if (sighting.type !== 'wrote') return undefined
      const deed = deeds.get(sighting.apiKey)
      if (!deed) return undefined
      const isLogin = deed === 'logs in at an endpoint'
      const sinceMs = at - refusals.of(sighting.life, sighting.place).at
      if (isLogin && sinceMs < refusedLoginMs)
        return `${sighting.life} logs in at ${sighting.place} ${sinceMs} ms after that was refused`
      return count(deed, sighting.life, isLogin ? sighting.place : '', at)
    },
  }
}

/** What a coordinator may hold is waited for this much longer than the rebalance timeout. */
const heldForMs = 10_000

/**
 * L5: a connection that answers nothing is noticed, within three times the longest silence that a request bears, and a look of the poller.
 * Where nothing waits but what a coordinator may hold, nobody can tell: that is given up when its time is over.
 */
export function silenceIsNoticed({
  maxWaitTimeInMs = 0,
  requestTimeoutMs = 2000,
  rebalanceTimeout = 60_000,
} = {}): Oracle {
  const withinMs = 3 * requestTimeoutMs + 1000 + 2 * maxWaitTimeInMs
  const dark = new Map<number, { life: string; since: number | undefined; isHeld: boolean }>()
  return {
    id: 'L5',
    see(sighting, at) {
      if (sighting.type === 'went-dark') {
        const { connection, life, waits, isHeld } = sighting
        dark.set(connection, { life, since: waits ? at : undefined, isHeld })
      }
      if (sighting.type === 'wrote') {
        const found = dark.get(sighting.connection)
        const isHeld = mayBeHeld.has(sighting.apiKey)
        if (found && (found.since === undefined || (found.isHeld && !isHeld)))
          Object.assign(found, { since: at, isHeld })
      }
      if (sighting.type === 'closed') dark.delete(sighting.connection)
      for (const [connection, { life, since, isHeld }] of dark) {
        if (since === undefined || at - since <= withinMs + (isHeld ? rebalanceTimeout + heldForMs : 0)) continue
        dark.delete(connection)
        return `${life} has waited for ${at - since} ms on a connection that answers nothing`
      }
      return undefined
    },
  }
}

/** L6: heartbeats go on while handlers are slow or drain: no member of a healthy life expires. */
export function heartbeatsGoOn(): Oracle {
  let troubledUntil = 0
  return {
    id: 'L6',
    see(sighting, at) {
      if (sighting.type === 'tick' && sighting.isTroubled) troubledUntil = at
      if (sighting.type === 'crashed' || sighting.type === 'born') troubledUntil = at
      if (sighting.type !== 'expired' || at - troubledUntil <= sighting.silentMs + 1000) return undefined
      return `${sighting.memberId} of ${sighting.life} expired after ${sighting.silentMs} ms, although nothing was wrong with the network`
    },
  }
}

/** R: after a stop nothing is left: no socket, timer, descriptor or listener. */
export function leavesNothing(): Oracle {
  return {
    id: 'R',
    see(sighting) {
      if (sighting.type !== 'released') return undefined
      const { life, timers, sockets, descriptors, listeners } = sighting
      if (timers + sockets + descriptors + listeners === 0) return undefined
      return `${life} left ${sockets} sockets, ${timers} timers, ${descriptors} descriptors and ${listeners} listeners behind`
    },
  }
}

/** Nothing the library runs in the background may throw where nobody catches it. */
export function nothingEscapes(): Oracle {
  return {
    id: 'M13',
    see: (sighting) =>
      sighting.type === 'escaped'
        ? `an error of ${sighting.life} was caught by nobody: ${sighting.message}`
        : undefined,
  }
}
