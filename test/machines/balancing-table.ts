// What a balancing makes of every kind of event in every situation. Total: a new situation or kind does not compile without its cells.

type Noted = '' | ' paused' | ' blind' | ' paused blind'
type InRound = `${'executing' | 'settling' | 'cooling'}${Noted}`

/** The state after, and what is noted for the end of cooling. `ignored`: not even the context changes. */
export type Expected =
  | 'ignored'
  | 'blind'
  | 'observing'
  | 'deciding'
  | 'proposing'
  | InRound
  | 'paused'
  | 'paused blind'
  | 'stopping'
  | 'stopped'

/** Where the machine is: its state, and how it came there. */
export type Situation =
  | Exclude<Expected, 'ignored' | InRound>
  | 'proposing to execute'
  | 'executing'
  | 'settling'
  | 'cooling'
  | 'cooling paused'
  | 'cooling blind'
  | 'cooling paused blind'

/** Events by what they are to the machine. */
export type EventClass =
  | 'fresh'
  | 'stale'
  | 'pause'
  | 'resume'
  | 'begun'
  | 'proposed'
  | 'executing'
  | 'executed'
  | 'closed'
  | 'cooled'
  | 'stopAsked'
  | 'stopCompleted'

const nothing = {
  fresh: 'ignored',
  stale: 'ignored',
  pause: 'ignored',
  resume: 'ignored',
  begun: 'ignored',
  proposed: 'ignored',
  executing: 'ignored',
  executed: 'ignored',
  closed: 'ignored',
  cooled: 'ignored',
  stopAsked: 'ignored',
  stopCompleted: 'ignored',
} as const satisfies Record<EventClass, Expected>

/** Before anything is carried out. */
const waiting = { ...nothing, stale: 'blind', pause: 'paused', stopAsked: 'stopping' } as const

export const table: Record<Situation, Record<EventClass, Expected>> = {
  blind: { ...waiting, fresh: 'observing', pause: 'paused blind' },
  observing: { ...waiting, begun: 'deciding' },
  deciding: { ...waiting, proposed: 'proposing', closed: 'cooling' },
  proposing: { ...waiting, closed: 'cooling' },
  'proposing to execute': { ...waiting, executing: 'executing', closed: 'cooling' },
  executing: {
    ...nothing,
    fresh: 'executing',
    stale: 'executing blind',
    pause: 'executing paused',
    resume: 'executing',
    executed: 'settling',
    stopAsked: 'stopping',
  },
  settling: {
    ...nothing,
    fresh: 'settling',
    stale: 'settling blind',
    pause: 'settling paused',
    resume: 'settling',
    closed: 'cooling',
    stopAsked: 'stopping',
  },
  cooling: {
    ...nothing,
    fresh: 'cooling',
    stale: 'cooling blind',
    pause: 'cooling paused',
    resume: 'cooling',
    cooled: 'observing',
    stopAsked: 'stopping',
  },
  'cooling paused': {
    ...nothing,
    fresh: 'cooling paused',
    stale: 'cooling paused blind',
    pause: 'cooling paused',
    resume: 'cooling',
    cooled: 'paused',
    stopAsked: 'stopping',
  },
  'cooling blind': {
    ...nothing,
    fresh: 'cooling',
    stale: 'cooling blind',
    pause: 'cooling paused blind',
    resume: 'cooling blind',
    cooled: 'blind',
    stopAsked: 'stopping',
  },
  'cooling paused blind': {
    ...nothing,
    fresh: 'cooling paused',
    stale: 'cooling paused blind',
    pause: 'cooling paused blind',
    resume: 'cooling blind',
    cooled: 'paused blind',
    stopAsked: 'stopping',
  },
  paused: { ...nothing, fresh: 'paused', stale: 'paused blind', resume: 'observing', stopAsked: 'stopping' },
  'paused blind': { ...nothing, fresh: 'paused', stale: 'paused blind', resume: 'blind', stopAsked: 'stopping' },
  stopping: { ...nothing, stopCompleted: 'stopped' },
  stopped: nothing,
}
