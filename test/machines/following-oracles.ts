// What must hold at each step of a following, whatever its transitions say. SPEC.md lists these under the same ids.
import type { FollowingEvent } from '../../machines/following.ts'
import type { Snapshot } from './following-stories.ts'
import type { Oracle } from './stage.ts'

/** The actor that a state invokes beside the facts of the cluster. */
export const actorIn: Readonly<Record<string, string>> = { 'catching-up': 'catchUp', closing: 'close' }

const isEnding = (state: string): boolean => state === 'closing' || state === 'closed'
const hasThrown = ({ type }: { readonly type: string }): boolean => type.startsWith('xstate.error.')

export const oracles: Readonly<Record<string, Oracle<Snapshot, FollowingEvent>>> = {
  W1: {
    holds:
      'The facts of the cluster are heard in every state before the end. Connections catch up in `catching-up` only, and are closed in `closing` only.',
    check: ({ after: { value }, running }) => {
      const own = actorIn[value] === undefined ? [] : [actorIn[value]]
      return running.toSorted().join() === (value === 'closed' ? '' : [...own, 'clusterFacts'].toSorted().join())
    },
  },
  W2: {
    holds: '`resting` is left by `wires.opened`, a stop or a throw only, and entered again by `wires.closed` only.',
    check: ({ before, event, after }) => {
      if (before.value === after.value) return true
      if (after.value === 'resting') return event.type === 'wires.closed'
      return before.value !== 'resting' || event.type === 'wires.opened' || isEnding(after.value)
    },
  },
  W3: {
    holds:
      '`following` is entered by `cluster.reached` while no move is to be caught up with, or by `wires.caught-up`, and by nothing else; there is no failure then, and none in `catching-up` and `resting`.',
    check: ({ before, event, after: { value, context } }) => {
      if (!['following', 'catching-up', 'resting'].includes(value)) return true
      if (context.failure !== null) return false
      if (value !== 'following' || before.value === value) return true
      const isReached = event.type === 'cluster.reached' && before.value === 'reaching' && !before.context.behind
      return isReached || (event.type === 'wires.caught-up' && before.value === 'catching-up')
    },
  },
  W4: {
    holds:
      'A move is kept in mind until connections have caught up with it, over an outage as well, or no client is connected any more. `catching-up` has one in mind; `following` and `resting` have none.',
    check: ({ before, event, after: { value, context } }) => {
      if (value === 'catching-up' ? !context.behind : ['following', 'resting'].includes(value) && context.behind)
        return false
      const isConnected = ['reaching', 'following', 'catching-up'].includes(before.value)
      if (event.type === 'cluster.moved' && isConnected) return context.behind
      if (context.behind) return before.context.behind
      return !before.context.behind || ['wires.caught-up', 'wires.closed'].includes(event.type)
    },
  },
  W5: {
    holds:
      'With each move connections begin to catch up again, and so they do with the first response after an outage where a move is in mind.',
    check: ({ before, event, after, started }) => {
      const isMove = event.type === 'cluster.moved' && ['following', 'catching-up'].includes(before.value)
      const isReached = event.type === 'cluster.reached' && before.value === 'reaching' && before.context.behind
      return !(isMove || isReached) || (after.value === 'catching-up' && started === 1)
    },
  },
  W6: {
    holds:
      '`reaching` is entered by `wires.opened` and `cluster.unreachable` only, and keeps the newest reason why no broker responds; what it hears of moves leads nowhere.',
    check: ({ before, event, after: { value, context } }) => {
      if (event.type === 'cluster.unreachable' && value === 'reaching') return context.failure === event.failure
      if (value !== 'reaching') return true
      if (before.value === value) return context.failure === before.context.failure
      return event.type === 'wires.opened' && before.value === 'resting' && context.failure === null
    },
  },
  W7: {
    holds: 'A stop that is asked for is never ignored before the end has begun, and from then on nothing leads back.',
    check: ({ before, event, after }) => {
      if (isEnding(before.value)) return isEnding(after.value)
      return event.type !== 'stop.requested' || (after.value === 'closing' && after.context.failure === null)
    },
  },
  W8: {
    holds:
      'An actor that throws leads to the end, as a failure of kind `bug`; one that throws while connections are closed does not begin that a second time.',
    check: ({ before, event, after, started }) => {
      if (!hasThrown(event)) return true
      const isOwn = (event as { readonly type: string }).type.endsWith('.close')
      const isWhere = after.value === (isOwn ? 'closed' : 'closing')
      return isWhere && after.context.failure?.kind === 'bug' && (before.value !== 'closing' || started === 0)
    },
  },
  W9: {
    holds: 'The end is reached by `stop.completed`, or by a throw of the actor that closes, and by nothing else.',
    check: ({ before, event, after }) =>
      after.value !== 'closed' ||
      before.value === 'closed' ||
      (before.value === 'closing' && (event.type === 'stop.completed' || hasThrown(event))),
  },
  W10: {
    holds: 'An actor starts after the step that started it was appended.',
    check: ({ isRecordedFirst }) => isRecordedFirst,
  },
  W11: {
    holds:
      'In the end the machine is done, and its output is the bug that ended it, or nothing; before it, it is alive.',
    check: ({ before, event, after: { value, status, output, context } }) => {
      if (value !== 'closed') return status === 'active'
      const isKept = hasThrown(event) || context.failure === before.context.failure
      const isBug = context.failure === null || context.failure.kind === 'bug'
      return status === 'done' && isKept && isBug && JSON.stringify(output) === JSON.stringify(context.failure)
    },
  },
}
