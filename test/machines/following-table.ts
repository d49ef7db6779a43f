// What a following makes of every kind of event in every situation. Total: a new situation or kind does not compile without its cells.

/** The state after, and whether a move is still to be caught up with. `ignored`: not even the context changes. */
export type Expected =
  | 'ignored'
  | 'resting'
  | 'reaching'
  | 'reaching behind a move'
  | 'following'
  | 'catching-up'
  | 'closing'
  | 'closed'

/** Where the machine is: its state, and how it came there. */
export type Situation = Exclude<Expected, 'ignored'>

/** Events by what they are to the machine. */
export type EventClass =
  | 'opened'
  | 'closed'
  | 'caughtUp'
  | 'reached'
  | 'unreachable'
  | 'moved'
  | 'stopAsked'
  | 'stopCompleted'

export const table: Record<Situation, Record<EventClass, Expected>> = {
  resting: {
    opened: 'reaching',
    closed: 'ignored',
    caughtUp: 'ignored',
    reached: 'ignored',
    unreachable: 'ignored',
    moved: 'ignored',
    stopAsked: 'closing',
    stopCompleted: 'ignored',
  },
  reaching: {
    opened: 'ignored',
    closed: 'resting',
    caughtUp: 'ignored',
    reached: 'following',
    unreachable: 'reaching',
    moved: 'reaching behind a move',
    stopAsked: 'closing',
    stopCompleted: 'ignored',
  },
  'reaching behind a move': {
    opened: 'ignored',
    closed: 'resting',
    caughtUp: 'ignored',
    reached: 'catching-up',
    unreachable: 'reaching behind a move',
    moved: 'reaching behind a move',
    stopAsked: 'closing',
    stopCompleted: 'ignored',
  },
  following: {
    opened: 'ignored',
    closed: 'resting',
    caughtUp: 'ignored',
    reached: 'ignored',
    unreachable: 'reaching',
    moved: 'catching-up',
    stopAsked: 'closing',
    stopCompleted: 'ignored',
  },
  'catching-up': {
    opened: 'ignored',
    closed: 'resting',
    caughtUp: 'following',
    reached: 'ignored',
    unreachable: 'reaching behind a move',
    moved: 'catching-up',
    stopAsked: 'closing',
    stopCompleted: 'ignored',
  },
  closing: {
    opened: 'ignored',
    closed: 'ignored',
    caughtUp: 'ignored',
    reached: 'ignored',
    unreachable: 'ignored',
    moved: 'ignored',
    stopAsked: 'ignored',
    stopCompleted: 'closed',
  },
  closed: {
    opened: 'ignored',
    closed: 'ignored',
    caughtUp: 'ignored',
    reached: 'ignored',
    unreachable: 'ignored',
    moved: 'ignored',
    stopAsked: 'ignored',
    stopCompleted: 'ignored',
  },
}
