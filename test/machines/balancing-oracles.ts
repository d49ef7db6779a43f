// What must hold at each step of a balancing, whatever its transitions say. SPEC.md lists these under the same ids.
import type { BalancingEvent } from '../../machines/balancer/balancing.ts'
import type { Snapshot } from './balancing-stories.ts'
import type { Oracle } from './stage.ts'

/** The actor that a state invokes beside the one that watches the samples. */
export const actorIn: Readonly<Record<string, string>> = {
  observing: 'observe',
  deciding: 'decide',
  proposing: 'propose',
  executing: 'execute',
  settling: 'settle',
  cooling: 'coolDown',
  stopping: 'shutDown',
}

/** How an actor is written that is told of a round; the one that watches samples is told nothing. */
export const atWork = (actor: string, told: unknown): string =>
  told === undefined ? actor : `${actor} ${JSON.stringify(told)}`

const isEnding = (state: string): boolean => state === 'stopping' || state === 'stopped'
const hasThrown = ({ type }: { readonly type: string }): boolean => type.startsWith('xstate.error.')
/** A change that a stop or a throw makes is another matter. */
const isLed = (event: BalancingEvent): boolean => event.type !== 'stop.requested' && !hasThrown(event)

export const oracles: Readonly<Record<string, Oracle<Snapshot, BalancingEvent>>> = {
  B1: {
    holds:
      'Samples are watched in every state before the end. Each state runs its own actor and no other, and each actor knows its round; `observe` knows the one that comes.',
    check: ({ after: { value, context }, running }) => {
      const own = actorIn[value]
      const round = value === 'observing' ? context.round + 1 : context.round
      const all = own === undefined ? [] : [`${own} {"round":${round}}`]
      return running.toSorted().join() === (value === 'stopped' ? '' : [...all, 'sampling'].toSorted().join())
    },
  },
  B2: {
    holds:
      'No figures are stale in `observing`, `deciding` and `proposing`, and none of them is entered or stayed in by a pause.',
    check: ({ after: { value, context } }) =>
      !['observing', 'deciding', 'proposing'].includes(value) || (context.blindness === null && !context.isPaused),
  },
  B3: {
    holds:
      '`deciding` is entered by `round.begun` in `observing` only, and that is where a round gets its number, one more than the last.',
    check: ({ before, event, after: { value, context } }) => {
      const isBegun = before.value === 'observing' && event.type === 'round.begun'
      if (value === 'deciding' && before.value !== value && !isBegun) return false
      return context.round - before.context.round === (isBegun ? 1 : 0)
    },
  },
  B4: {
    holds:
      'Nothing is carried out in a dry run: `executing` is entered by `execution.begun` in `proposing` only, in mode `execute` only.',
    check: ({ before, event, after: { value, context } }) => {
      if (context.mode !== before.context.mode) return false
      if (value === 'settling' && before.value !== value)
        return before.value === 'executing' && event.type === 'execution.ended'
      if (value !== 'executing' || before.value === value) return value !== 'executing' || context.mode === 'execute'
      return before.value === 'proposing' && event.type === 'execution.begun' && context.mode === 'execute'
    },
  },
  B5: {
    holds:
      'What is carried out comes to its end, and so does cooling: `executing` is left by `execution.ended`, `settling` by `round.closed`, `cooling` by `cooling.ended`, a stop or a throw only.',
    check: ({ before, event, after }) => {
      const end = { executing: 'execution.ended', settling: 'round.closed', cooling: 'cooling.ended' }[
        String(before.value)
      ]
      return end === undefined || before.value === after.value || !isLed(event) || event.type === end
    },
  },
  B6: {
    holds:
      'Figures that grow stale are noted in every state before the end, with since when and why, until there are fresh ones; a round that has not been carried out ends by them.',
    check: ({ before, event, after: { value, context } }) => {
      if (isEnding(String(before.value))) return context.blindness === before.context.blindness
      if (event.type === 'samples.stale') {
        const isNoted = context.blindness?.since === event.since && context.blindness.reason === event.reason
        const isLeft = !['observing', 'deciding', 'proposing'].includes(String(before.value)) || value === 'blind'
        return isNoted && isLeft && Object.keys(context.blindness ?? {}).length === 2
      }
      return event.type === 'samples.fresh'
        ? context.blindness === null
        : context.blindness === before.context.blindness
    },
  },
  B7: {
    holds: '`blind` has stale figures and is left by fresh ones, a pause, a stop or a throw only.',
    check: ({ before, event, after: { value, context } }) => {
      if (value === 'blind' && (context.blindness === null || context.isPaused)) return false
      if (before.value !== 'blind' || value === 'blind' || !isLed(event)) return true
      return event.type === 'samples.fresh'
        ? value === 'observing'
        : value === 'paused' && event.type === 'balancer.paused'
    },
  },
  B8: {
    holds:
      'A pause holds until it is taken back: `paused` is left by `balancer.resumed`, a stop or a throw only, to `observing`, or to `blind` where figures are stale.',
    check: ({ before, event, after: { value, context } }) => {
      if (isEnding(String(before.value))) return context.isPaused === before.context.isPaused
      const holds = event.type === 'balancer.paused' || (before.context.isPaused && event.type !== 'balancer.resumed')
      if (context.isPaused !== holds) return false
      if (event.type === 'balancer.paused' && actorIn[String(value)] === undefined && value !== 'paused') return false
      if (value === 'paused' && !context.isPaused) return false
      if (before.value !== 'paused' || value === 'paused' || !isLed(event)) return true
      return value === (context.blindness === null ? 'observing' : 'blind') && event.type === 'balancer.resumed'
    },
  },
  B9: {
    holds: 'After cooling, a pause comes first, then stale figures, then the next round.',
    check: ({ before, event, after: { value, context } }) => {
      if (before.value !== 'cooling' || event.type !== 'cooling.ended') return true
      if (context.isPaused) return value === 'paused'
      return value === (context.blindness === null ? 'observing' : 'blind')
    },
  },
  B10: {
    holds:
      'A round is closed with its failure, or without one; nothing else but a bug or what made it stop is a failure.',
    check: ({ before, event, after: { value, context } }) => {
      const closes =
        event.type === 'round.closed' && ['deciding', 'proposing', 'settling'].includes(String(before.value))
      if (closes) return value === 'cooling' && context.failure === (event.failure ?? null)
      if (event.type === 'stop.requested' && !isEnding(String(before.value)))
        return context.failure === (event.failure ?? null)
      return (
        hasThrown(event) ||
        (context.failure === before.context.failure && (value !== 'cooling' || before.value === value))
      )
    },
  },
  B11: {
    holds: 'A stop that is asked for is never ignored before the end has begun, and from then on nothing leads back.',
    check: ({ before, event, after }) => {
      if (isEnding(String(before.value))) return isEnding(String(after.value))
      return event.type !== 'stop.requested' || after.value === 'stopping'
    },
  },
  B12: {
    holds:
      'An actor that throws leads to the end, as a failure of kind `bug`; one that throws while connections are closed does not begin that a second time. The end is reached by `stop.completed`, or by a throw of the actor that closes, and by nothing else.',
    check: ({ before, event, after, started }) => {
      const isOwn = (event as { readonly type: string }).type.endsWith('.shutDown')
      const isEnd = before.value === 'stopping' && (event.type === 'stop.completed' || isOwn)
      if ((after.value === 'stopped') !== isEnd) return false
      if (!hasThrown(event)) return true
      const isOnce = before.value !== 'stopping' || started === 0
      return after.context.failure?.kind === 'bug' && isEnding(String(after.value)) && isOnce
    },
  },
  B13: {
    holds: 'An actor starts after the step that started it was appended.',
    check: ({ isRecordedFirst }) => isRecordedFirst,
  },
  B14: {
    holds: 'In the end the machine is done, and its output is what ended it, or nothing; before it, it is alive.',
    check: ({ after: { value, status, output, context } }) =>
      value === 'stopped'
        ? status === 'done' && JSON.stringify(output) === JSON.stringify(context.failure)
        : status === 'active',
  },
}
