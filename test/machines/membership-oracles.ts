// What must hold at each step of a membership, whatever its transitions say. SPEC.md lists these under the same ids.
import type { MembershipEvent } from '../../machines/membership.ts'
import type { Snapshot } from './membership-stories.ts'
import type { Oracle } from './stage.ts'

/** The actors at work in a state, in the order of their names. */
export const actorsOf = (state: string): readonly string[] => {
  if (state === 'stable') return ['heartbeats']
  if (state === 'settling') return ['heartbeats', 'settle']
  return state === 'rejoining' ? ['heartbeats', 'rejoin'] : []
}

const isMember = (state: string): boolean => actorsOf(state).length > 0

export const oracles: Readonly<Record<string, Oracle<Snapshot, MembershipEvent>>> = {
  G1: {
    holds:
      'Heartbeats go out in `stable`, `settling` and `rejoining`, and in no other state; handlers settle in `settling` only, and KafkaJS is told to rejoin in `rejoining` only.',
    check: ({ after, running }) => running.toSorted().join() === actorsOf(after.value).join(),
  },
  G2: {
    holds:
      'Settle before rejoin: a join goes out of `unjoined` and `rejoining` only, and a member comes there by `partitions.revoked` only.',
    check: ({ before, event, after }) => {
      if (after === before) return true
      if (after.value === 'joining')
        return ['unjoined', 'rejoining'].includes(before.value) && event.type === 'join.sent'
      const isSettled = before.value === 'settling' && event.type === 'partitions.revoked'
      return isSettled || !['unjoined', 'rejoining'].includes(after.value)
    },
  },
  G3: {
    holds: 'KafkaJS is told to rejoin only where it has not asked to join by itself.',
    check: ({ before, after }) => after === before || after.value !== 'rejoining' || !before.context.joinWaits,
  },
  G4: {
    holds:
      '`stable` is entered by `member.joined` only, under its generation, with heartbeats that begin again, and no join waits there.',
    check: ({ before, event, after, started }) => {
      if (after.value !== 'stable' || after === before) return true
      const { generation, joinWaits } = after.context
      return event.type === 'member.joined' && generation === event.generation && !joinWaits && started === 1
    },
  },
  G5: {
    holds: 'While a join is under way, only its answer, a refusal and the leaving count.',
    check: ({ before, event, after }) =>
      before.value !== 'joining' ||
      after === before ||
      ['member.joined', 'member.refused', 'leave.requested'].includes(event.type),
  },
  G6: {
    holds: 'What is said of another generation changes nothing.',
    check: ({ before, event, after }) =>
      !(event.type === 'group.rebalancing' || event.type === 'member.fenced') ||
      event.generation === before.context.generation ||
      after === before,
  },
  G7: {
    holds:
      'Only who is in the group is lost; who is lost or turned away keeps the failure that says why, and who left has none.',
    check: ({ before, event, after }) => {
      const { value, context } = after
      if (value === 'left') return context.failure === null
      if (value !== 'lost' && value !== 'fatal') return context.failure === null
      if (event.type.startsWith('xstate.')) return value === 'fatal'
      const isWhy = 'failure' in event && context.failure === event.failure
      return isWhy && (value === 'fatal' ? event.type === 'member.refused' : isMember(before.value))
    },
  },
  G8: {
    holds: 'A generation changes with `member.joined` only.',
    check: ({ before, event, after }) =>
      after.context.generation === before.context.generation || event.type === 'member.joined',
  },
  G9: {
    holds: 'An actor that throws ends the membership, as a failure of kind `bug`.',
    check: ({ event, after }) =>
      !event.type.startsWith('xstate.error.') || (after.value === 'fatal' && after.context.failure?.kind === 'bug'),
  },
  G10: {
    holds: 'An actor starts after the step that started it was appended.',
    check: ({ isRecordedFirst }) => isRecordedFirst,
  },
  G11: {
    holds: 'In an end the machine is done, and its output is what ended it; before it, it is alive.',
    check: ({ after: { value, status, output, context } }) =>
      ['left', 'lost', 'fatal'].includes(value)
        ? status === 'done' && JSON.stringify(output) === JSON.stringify(context.failure)
        : status === 'active',
  },
}
