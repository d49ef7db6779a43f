// What a membership makes of every kind of event in every situation. Total: a new situation or kind does not compile without its cells.

/** The state after. `ignored`: not even the context changes. */
export type Expected =
  | 'ignored'
  | 'joining'
  | 'stable'
  | 'settling'
  | 'rejoining'
  | 'unjoined'
  | 'left'
  | 'lost'
  | 'fatal'

/** Where the machine is: its state, and how it came there. */
export type Situation =
  | 'unjoined'
  | 'joining'
  | 'stable'
  | 'settling'
  | 'settling for a join'
  | 'unjoined again'
  | 'rejoining'
  | 'joining again'
  | 'left'
  | 'lost'
  | 'fatal'

/** Events by what they are to the machine. `…Old` speaks of the generation before. */
export type EventClass =
  | 'joinAsked'
  | 'joinSent'
  | 'joined'
  | 'rebalancing'
  | 'rebalancingOld'
  | 'revoked'
  | 'fenced'
  | 'fencedOld'
  | 'refused'
  | 'leaveAsked'

export const table: Record<Situation, Record<EventClass, Expected>> = {
  unjoined: {
    joinAsked: 'ignored',
    joinSent: 'joining',
    joined: 'stable',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  joining: {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'stable',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  stable: {
    joinAsked: 'settling',
    joinSent: 'ignored',
    joined: 'ignored',
    rebalancing: 'settling',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'lost',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  settling: {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'ignored',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'rejoining',
    fenced: 'lost',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  'settling for a join': {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'ignored',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'unjoined',
    fenced: 'lost',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  'unjoined again': {
    joinAsked: 'ignored',
    joinSent: 'joining',
    joined: 'stable',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  rejoining: {
    joinAsked: 'ignored',
    joinSent: 'joining',
    joined: 'stable',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'lost',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  'joining again': {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'stable',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'fatal',
    leaveAsked: 'left',
  },
  left: {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'ignored',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'ignored',
    leaveAsked: 'ignored',
  },
  lost: {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'ignored',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'ignored',
    leaveAsked: 'ignored',
  },
  fatal: {
    joinAsked: 'ignored',
    joinSent: 'ignored',
    joined: 'ignored',
    rebalancing: 'ignored',
    rebalancingOld: 'ignored',
    revoked: 'ignored',
    fenced: 'ignored',
    fencedOld: 'ignored',
    refused: 'ignored',
    leaveAsked: 'ignored',
  },
}
