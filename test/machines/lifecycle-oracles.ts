// What must hold at each step of the lifecycle, whatever its transitions say. SPEC.md lists these under the same ids.
import type { Fact } from '../../machines/fact.ts'
import type { Snapshot } from './lifecycle-stories.ts'
import type { Oracle } from './stage.ts'

/** The port of each state; the others have none. */
export const portOf: Readonly<Record<string, string>> = {
  connecting: 'open',
  draining: 'drain',
  rebuilding: 'rebuild',
  retrying: 'backOff',
  stopping: 'shutDown',
}

/** How a port at work is written in `running`. */
export const atWork = (
  port: string,
  { epoch, plan, attempt }: Pick<Snapshot['context'], 'epoch' | 'plan' | 'attempt'>,
) => `${port} of epoch ${epoch}, attempt ${attempt}, ${plan === null ? 'no plan' : `${plan.kind} (${plan.reason})`}`

export const oracles: Readonly<Record<string, Oracle<Snapshot, Fact>>> = {
  M1: {
    holds: 'At most one port is at work: the one of the state, and it was told the newest epoch, plan and attempt.',
    check: ({ after, running }) => {
      const port = portOf[after.value]
      return running.join() === (port === undefined ? '' : atWork(port, after.context))
    },
  },
  M2: {
    holds: 'A fact starts one port at most, and a fact that is ignored starts none.',
    check: ({ before, after, started }) => started <= (after === before ? 0 : 1),
  },
  M3: {
    holds:
      'Epochs only grow, by one, and only where a session is opened: on the way to `connecting`, or to `rebuilding` by replacement.',
    check: ({ before, after }) => {
      const isEntered = after !== before && after.value !== before.value
      const isByReplacement = after.value === 'rebuilding' && after.context.plan?.kind === 'replacement'
      const opens = isEntered && (after.value === 'connecting' || isByReplacement)
      return after.context.epoch - before.context.epoch === (opens ? 1 : 0)
    },
  },
  M4: {
    holds: 'A fact that speaks of an older session changes nothing.',
    check: ({ before, event: fact, after }) =>
      !('epoch' in fact) || fact.epoch === before.context.epoch || after === before,
  },
  M5: {
    holds: '`consuming` knows no plan, no attempt and no failure.',
    check: ({ after: { value, context } }) =>
      value !== 'consuming' || (context.plan === null && context.attempt === 0 && context.failure === null),
  },
  M6: {
    holds:
      '`consuming` is entered by `session.joined` while connecting, or by `rebuild.proven` while rebuilding, and by nothing else.',
    check: ({ before, event: fact, after }) =>
      after.value !== 'consuming' ||
      after === before ||
      (before.value === 'connecting' && fact.type === 'session.joined') ||
      (before.value === 'rebuilding' && fact.type === 'rebuild.proven'),
  },
  M7: {
    holds:
      '`draining` and `rebuilding` have a plan, and its reason is that of the fact that made it; a plan changes only on the way to `draining`.',
    check: ({ before, event: fact, after }) => {
      const { plan } = after.context
      if (after.value !== 'draining') {
        return (after.value !== 'rebuilding' || plan !== null) && (plan === null || plan === before.context.plan)
      }
      if (after === before) return plan !== null
      if (fact.type === 'cluster.moved') return plan?.kind === 'in-place' && plan.reason === fact.reason
      const reason = 'failure' in fact ? fact.failure.kind : 'subscription-changed'
      return plan?.kind === 'replacement' && plan.reason === reason
    },
  },
  M8: {
    holds: '`rebuilding` is entered from `draining` by `drain.completed`, and by nothing else.',
    check: ({ before, event: fact, after }) =>
      after.value !== 'rebuilding' ||
      after === before ||
      (before.value === 'draining' && fact.type === 'drain.completed'),
  },
  M9: {
    holds: '`retrying` counts one attempt more than before and keeps the failure that led there.',
    check: ({ before, event: fact, after }) => {
      if (after.value !== 'retrying' || after === before)
        return after.value === 'retrying' || after.context.attempt <= before.context.attempt
      return (
        after.context.attempt === before.context.attempt + 1 &&
        'failure' in fact &&
        after.context.failure === fact.failure
      )
    },
  },
  M10: {
    holds: 'There are never more attempts in a row than `retryBudget`.',
    check: ({ after: { context } }) => context.attempt <= (context.retryBudget ?? Number.POSITIVE_INFINITY),
  },
  M11: {
    holds: 'A stop that is asked for is never ignored before the end has begun, and from then on nothing leads back.',
    check: ({ before, event: fact, after }) => {
      const ends: readonly string[] = ['stopping', 'stopped', 'failed']
      if (ends.includes(before.value)) return ends.includes(after.value)
      return fact.type !== 'stop.requested' || ends.includes(after.value)
    },
  },
  M12: {
    holds:
      'A consumer that was asked to stop ends in `stopped` without a failure, one that ended by itself in `failed` with the failure that ended it.',
    check: ({ before, event: fact, after }) => {
      const { value, context } = after
      if (value === 'stopped') return context.failure === null
      if (value === 'failed') return context.failure !== null
      if (value !== 'stopping' || after === before) return true
      if (fact.type === 'stop.requested') return context.failure === null
      return !('failure' in fact) || context.failure === fact.failure
    },
  },
  M13: {
    holds: 'A port that throws leads to the end, as a failure of kind `bug`.',
    check: ({ before, event: fact, after }) =>
      !fact.type.startsWith('xstate.error.') ||
      (after.value === (before.value === 'stopping' ? 'failed' : 'stopping') && after.context.failure?.kind === 'bug'),
  },
  M14: {
    holds: 'A port starts after the step that started it was appended.',
    check: ({ isRecordedFirst }) => isRecordedFirst,
  },
  M15: {
    holds: 'In an end the machine is done; before it, it is alive.',
    check: ({ after: { value, status } }) => status === (value === 'stopped' || value === 'failed' ? 'done' : 'active'),
  },
}
