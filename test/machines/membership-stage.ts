// A stage for a membership: what it is driven with, and what must hold.
import { isRecord, type MembershipEvent, membershipMachine } from '../../machines/membership.ts'
import { actorsOf, oracles } from './membership-oracles.ts'
import type { Snapshot } from './membership-stories.ts'
import { stageOf, thrownBy } from './stage.ts'
import { failure } from './stories.ts'

/** So many events are known in each state; the last one is left out where no invoked actor can throw. */
export const eventCount = 11

/** One event of each kind the machine listens to, those of a generation for the one it is in and for the one before, and an actor's throw. */
function eventsIn({ value, context }: Snapshot): MembershipEvent[] {
  const generation = context.generation ?? 0
  const ofGeneration = (of: number): MembershipEvent[] => [
    { type: 'group.rebalancing', epoch: 1, generation: of },
    { type: 'member.fenced', epoch: 1, generation: of, failure: failure('member-lost') },
  ]
  const invoked = actorsOf(value).find((actor) => actor !== 'heartbeats')
  return [
    { type: 'join.sent' },
    { type: 'join.requested', epoch: 1 },
    { type: 'member.joined', epoch: 1, memberId: 'me', generation: generation + 1 },
    { type: 'partitions.revoked', epoch: 1, generation, partitions: {} },
    ...ofGeneration(generation),
    ...ofGeneration(generation - 1),
    { type: 'member.refused', epoch: 1, failure: failure('not-authorized') },
    { type: 'leave.requested', epoch: 1 },
    ...(invoked === undefined ? [] : [thrownBy(invoked) as unknown as MembershipEvent]),
  ]
}

/** What tells two states apart: generations only grow, so they do not count beyond the first. */
const serializeState = ({ value, context }: Snapshot): string =>
  [value, context.generation === null ? 'new' : 'known', context.joinWaits, context.failure?.kind ?? '-'].join(' ')

const nameOf = ({ context }: Snapshot, event: MembershipEvent): string => {
  const isOld = 'generation' in event && event.generation < (context.generation ?? 0)
  return `${event.type}${isOld ? ' older' : ''}`
}

export const { graphOf, drive } = stageOf(membershipMachine, {
  actors: ['heartbeats', 'settle', 'rejoin'],
  atWork: (actor) => actor,
  startsIn: (actor, state) => (actor === 'heartbeats' ? state === 'stable' : actorsOf(state).includes(actor)),
  eventsIn,
  serializeState,
  nameOf,
  oracles,
  isRecord,
  // A join that went out is no record.
  mayReplayTo: (state, now) => now === 'joining' && (state === 'unjoined' || state === 'rejoining'),
})
