// What must hold at each step of the lifecycle, whatever its transitions say. SPEC.md lists these under the same ids.
import type { Fact, FactOf } from '../../machines/fact.ts'
import { stateName } from '../../machines/state-value.ts'
import type { Snapshot } from './lifecycle-stories.ts'
import type { Oracle } from './stage.ts'
import { stateOf } from './structure.ts'

/** The actor of each state; the others have none. */
export const actorOf: Readonly<Record<string, string>> = {
  connecting: 'open',
  draining: 'drain',
  rebuilding: 'rebuild',
  retrying: 'backOff',
  stopping: 'shutDown',
}

/** How an actor at work is written in `running`. */
export const atWork = (
  actor: string,
  { epoch, plan, attempt }: Pick<Snapshot['context'], 'epoch' | 'plan' | 'attempt'>,
) => `${actor} of epoch ${epoch}, attempt ${attempt}, ${plan === null ? 'no plan' : `${plan.kind} (${plan.reason})`}`

type Invariant = Oracle<Snapshot, Fact>

const invariants: Readonly<Record<string, Invariant>> = {
  M1: {
    holds:
      'At most one invoked actor is at work: the one of the state, and it was told the newest epoch, plan and attempt.',
    check: ({ after, running }) => {
      const actor = actorOf[stateName(after.value)]
      return running.join() === (actor === undefined ? '' : atWork(actor, after.context))
    },
  },
  M2: {
    holds: 'A fact starts one actor at most, and a fact that is ignored starts none.',
    check: ({ before, after, started }) => started <= (after === before ? 0 : 1),
  },
  M3: {
    holds:
      'Epochs only grow, by one, and only where a session is opened: on the way to `connecting`, or to `rebuilding` by replacement.',
    check: ({ before, after }) => {
      const isEntered = stateOf(after) !== stateOf(before)
      const opens = isEntered && ['connecting', 'rebuilding.replacement'].includes(stateOf(after))
      return after.context.epoch - before.context.epoch === (opens ? 1 : 0)
    },
  },
  M4: {
    holds: 'A fact that speaks of an older session changes nothing but `members`.',
    check: ({ before, event, after }) =>
      !('epoch' in event) || event.epoch === before.context.epoch || after === before,
  },
  M5: {
    holds: '`consuming` knows no plan, no attempt and no failure.',
    check: ({ after: { value, context } }) =>
      value !== 'consuming' || (context.plan === null && context.attempt === 0 && context.failure === null),
  },
  M6: {
    holds:
      '`consuming` is entered by `session.joined` while connecting, or by `rebuild.proven` while rebuilding, and by nothing else.',
    check: ({ before, event, after }) =>
      after.value !== 'consuming' ||
      after === before ||
      (before.value === 'connecting' && event.type === 'session.joined') ||
      (stateName(before.value) === 'rebuilding' && event.type === 'rebuild.proven'),
  },
  M7: {
    holds:
      '`draining` and `rebuilding` have a plan, its kind is the nested state, and its reason is that of the fact that made it; a plan changes only on the way to `draining`.',
    check: ({ before, event, after }) => {
      const { plan } = after.context
      const { value } = after
      if (typeof value !== 'string' && Object.values(value).join() !== plan?.kind) return false
      if (stateName(value) !== 'draining') return plan === null || plan === before.context.plan
      if (after === before) return true
      if (event.type === 'cluster.moved') return plan?.kind === 'in-place' && plan.reason === event.reason
      const reason = 'failure' in event ? event.failure.kind : 'subscription-changed'
      return plan?.kind === 'replacement' && plan.reason === reason
    },
  },
  M8: {
    holds:
      '`rebuilding` is entered by `drain.completed` from `draining`, and by nothing else: in place from in place, by replacement from replacement.',
    check: ({ before, event, after }) =>
      stateName(after.value) !== 'rebuilding' ||
      after === before ||
      (stateOf(before) === stateOf(after).replace('rebuilding', 'draining') && event.type === 'drain.completed'),
  },
  M9: {
    holds: '`retrying` counts one attempt more than before and keeps the failure that led there.',
    check: ({ before, event, after }) => {
      if (after.value !== 'retrying' || after === before)
        return after.value === 'retrying' || after.context.attempt <= before.context.attempt
      return (
        after.context.attempt === before.context.attempt + 1 &&
        'failure' in event &&
        after.context.failure === event.failure
      )
    },
  },
  M10: {
    holds: 'There are never more attempts in a row than `retryBudget`.',
    check: ({ after: { context } }) => context.attempt <= (context.retryBudget ?? Number.POSITIVE_INFINITY),
  },
  M11: {
    holds: 'A stop that is asked for is never ignored before the end has begun, and from then on nothing leads back.',
    check: ({ before, event, after }) => {
      const ends: readonly string[] = ['stopping', 'stopped', 'failed']
      if (ends.includes(stateOf(before))) return ends.includes(stateOf(after))
      return event.type !== 'stop.requested' || ends.includes(stateOf(after))
    },
  },
  M12: {
    holds:
      'A consumer that was asked to stop ends in `stopped` without a failure; one that ended by itself, or was asked to because of a failure, in `failed` with it.',
    check: ({ before, event, after }) => {
      const { value, context } = after
      if (value === 'stopped') return context.failure === null
      if (value === 'failed') return context.failure !== null
      if (value !== 'stopping' || after === before) return true
      if (event.type === 'stop.requested') return context.failure === (event.failure ?? null)
      return !('failure' in event) || context.failure === event.failure
    },
  },
  M13: {
    holds: 'An actor that throws leads to the end, as a failure of kind `bug`.',
    check: ({ before, event, after }) =>
      !event.type.startsWith('xstate.error.') ||
      (after.value === (before.value === 'stopping' ? 'failed' : 'stopping') && after.context.failure?.kind === 'bug'),
  },
  M14: {
    holds: 'An actor starts after the step that started it was appended.',
    check: ({ isRecordedFirst }) => isRecordedFirst,
  },
  M15: {
    holds: 'In an end the machine is done, and its output says what failed; before it, it is alive.',
    check: ({ after: { value, status, output, context } }) =>
      value === 'stopped' || value === 'failed'
        ? status === 'done' && output?.failure === context.failure
        : status === 'active' && output === undefined,
  },
  M16: {
    holds:
      '`members` are those that were named and not evicted since, in every state. These two facts change nothing else, and no other changes them.',
    check: ({ before, event, after }) => {
      const members = new Set(before.context.members)
      if (isOfMembers(event)) members.delete(event.memberId)
      if (event.type === 'member.named') members.add(event.memberId)
      const expected = [before.value, { ...before.context, members: [...members] }]
      if (isOfMembers(event)) return JSON.stringify([after.value, after.context]) === JSON.stringify(expected)
      return after.context.members.join() === [...members].join()
    },
  },
}

function isOfMembers(fact: Fact): fact is FactOf<'member.named' | 'member.evicted'> {
  return fact.type === 'member.named' || fact.type === 'member.evicted'
}

/** What holds of `members` is M16; to the others these facts are ignored. */
function exceptOfMembers([id, oracle]: [string, Invariant]): [string, Invariant] {
  const check: Invariant['check'] = (observed) =>
    oracle.check(isOfMembers(observed.event) ? { ...observed, after: observed.before } : observed)
  return [id, id === 'M16' ? oracle : { ...oracle, check }]
}

export const oracles = Object.fromEntries(Object.entries(invariants).map(exceptOfMembers))
