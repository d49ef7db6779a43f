// Mutants of the lifecycle: copies of its configuration, each with one mistake that a person could make.
import { assign, createMachine } from 'xstate'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import type { Machine } from './lifecycle-stories.ts'

export interface Mutant {
  readonly kind: string
  /** Where the mistake is, and what it is. */
  readonly name: string
  /** The state it is in; undefined where it is in all of them. */
  readonly state?: string
  readonly machine: Machine
}

/** A part of the configuration as it is written: its transitions are a target, one object, or a list of these. */
interface Transition {
  target?: string
  guard?: string
  actions?: string
  reenter?: boolean
}
interface State {
  type?: string
  entry?: string
  invoke?: { id: string; src: string; input?: unknown; onError?: Transition }
  on?: Record<string, string | Transition | Transition[]>
}
interface Config {
  states: Record<string, State>
  on?: Record<string, Transition>
}

const original = lifecycleMachine.config as unknown as Config
const stateNames = Object.keys(original.states)

/** Every mistake of every kind, at every place where it can be made. */
export function* mutants(): Generator<Mutant> {
  for (const [state, { on, entry, invoke, type }] of Object.entries(original.states)) {
    for (const event of Object.keys(on ?? {})) yield* transitionMutants(state, event)
    if (entry)
      yield mutant('action dropped', `${state}: entry ${entry}`, state, (config) => delete stateIn(config, state).entry)
    if (invoke) yield* portMutants(state, invoke)
    if (type === 'final')
      yield mutant('end lost', `${state} is no end`, state, (config) => delete stateIn(config, state).type)
  }
  for (const event of Object.keys(original.on ?? {})) {
    yield mutant('transition lost', `the root on ${event}`, undefined, (config) => delete config.on?.[event])
  }
  yield mutant('wildcard', 'the root answers everything', undefined, (config) => {
    config.on = { '*': { actions: 'noteFailure' } }
  })
  for (const guard of Object.keys(lifecycleMachine.implementations.guards)) {
    for (const verdict of [true, false]) {
      yield {
        kind: 'guard broken',
        name: `${guard} is always ${verdict}`,
        machine: provided({ guards: { [guard]: () => verdict } }),
      }
    }
  }
  yield {
    kind: 'guard broken',
    name: 'isCurrent lets the session before through',
    machine: provided({ guards: { isCurrent: isRecent } }),
  }
  for (const [name, wrong] of Object.entries(wrongActions)) {
    const [action = ''] = name.split(' ')
    yield { kind: 'action broken', name, machine: provided({ actions: { [action]: assign(wrong as never) } }) }
  }
}

function* transitionMutants(state: string, event: string): Generator<Mutant> {
  const listed = listOf(original, state, event)
  const at = (index: number) => `${state} on ${event}${listed.length > 1 ? ` #${index + 1}` : ''}`
  const change = (kind: string, name: string, index: number, apply: (transition: Transition) => unknown) =>
    mutant(kind, name, state, (config) => {
      const list = listOf(config, state, event)
      apply(list[index] as Transition)
      stateIn(config, state).on = { ...stateIn(config, state).on, [event]: list }
    })
  for (const [index, { target = '', guard, actions, reenter }] of listed.entries()) {
    yield mutant('transition lost', at(index), state, (config) => {
      stateIn(config, state).on = {
        ...stateIn(config, state).on,
        [event]: listOf(config, state, event).toSpliced(index, 1),
      }
    })
    const wrong = stateNames[(stateNames.indexOf(target) + 1) % stateNames.length] ?? ''
    yield change('wrong target', `${at(index)}: ${wrong} instead of ${target}`, index, (each) => {
      each.target = wrong
    })
    if (guard) {
      const other = otherGuards[guard] ?? ''
      yield change('guard dropped', `${at(index)}: without ${guard}`, index, (each) => delete each.guard)
      yield change('wrong guard', `${at(index)}: ${other} instead of ${guard}`, index, (each) => {
        each.guard = other
      })
    }
    if (actions) {
      const other = otherActions[actions] ?? ''
      yield change('action dropped', `${at(index)}: without ${actions}`, index, (each) => delete each.actions)
      yield change('wrong action', `${at(index)}: ${other} instead of ${actions}`, index, (each) => {
        each.actions = other
      })
    }
    if (reenter && target === state) {
      yield change(
        'no new start',
        `${at(index)}: the port goes on instead of starting anew`,
        index,
        (each) => delete each.reenter,
      )
    }
  }
  if (listed.length > 1) {
    yield mutant('order reversed', `${state} on ${event}`, state, (config) => {
      stateIn(config, state).on = { ...stateIn(config, state).on, [event]: listOf(config, state, event).reverse() }
    })
  }
}

function* portMutants(state: string, { src, onError }: NonNullable<State['invoke']>): Generator<Mutant> {
  const change = (kind: string, name: string, apply: (invoke: NonNullable<State['invoke']>) => unknown) =>
    mutant(kind, `${state}: ${name}`, state, (config) => apply(stateIn(config, state).invoke as never))
  const port = src === 'drain' ? 'rebuild' : 'drain'
  yield mutant(
    'port missing',
    `${state}: ${src} is not started`,
    state,
    (config) => delete stateIn(config, state).invoke,
  )
  yield change('wrong port', `${port} instead of ${src}`, (invoke) => {
    invoke.src = port
  })
  yield change('port told wrong', `${src} is told the epoch before`, (invoke) => {
    invoke.input = ({ context }: { context: { epoch: number } }) => ({ ...context, epoch: context.epoch - 1 })
  })
  yield change('throw unanswered', `nobody answers for ${src}`, (invoke) => delete invoke.onError)
  yield change('throw unanswered', `a throw of ${src} is not kept`, (invoke) => delete invoke.onError?.actions)
  yield change('wrong target', `a throw of ${src}: retrying instead of ${onError?.target}`, (invoke) => {
    if (invoke.onError) invoke.onError.target = 'retrying'
  })
}

/** The guard that is most easily taken for this one. */
const otherGuards: Readonly<Record<string, string>> = {
  isCurrent: 'isCurrentInPlace',
  isCurrentInPlace: 'isCurrent',
  isInPlace: 'isCurrentInPlace',
  isTerminal: 'isCurrent',
  hasFailed: 'isCurrent',
}

const otherActions: Readonly<Record<string, string>> = {
  beginEpoch: 'beginReplacement',
  beginReplacement: 'beginEpoch',
  planInPlace: 'planReplacement',
  planReplacement: 'planInPlace',
  noteFailure: 'forgetFailure',
  forgetFailure: 'noteFailure',
}

type Counted = { context: { epoch: number; attempt: number } }

const wrongActions = {
  'beginEpoch skips an epoch': { epoch: ({ context }: Counted) => context.epoch + 2 },
  'beginEpoch keeps the epoch': {},
  'beginReplacement keeps the epoch': {},
  'beginReplacement begins an epoch in place as well': { epoch: ({ context }: Counted) => context.epoch + 1 },
  'planInPlace forgets why': { plan: { kind: 'in-place', reason: 'moved' } },
  'planReplacement forgets why': { plan: { kind: 'replacement', reason: 'retry' } },
  'countAttempt counts twice': { attempt: ({ context }: Counted) => context.attempt + 2 },
  'countAttempt begins anew': { attempt: 1 },
  'recover keeps the plan': { attempt: 0, failure: null },
  'recover keeps the attempts': { plan: null, failure: null },
  'recover keeps the failure': { plan: null, attempt: 0 },
  'noteFailure keeps nothing': {},
  'noteBug says unreachable': { failure: { kind: 'unreachable', message: 'A port of the lifecycle threw an error' } },
  'forgetFailure forgets nothing': {},
  'noteMembers notes nobody': {},
  'noteMembers keeps who was evicted': { members: ['me', 'you'] },
}

const isRecent = ({ context, event }: { context: { epoch: number }; event: object }): boolean =>
  !('epoch' in event) || Number(event.epoch) >= context.epoch - 1

function mutant(kind: string, name: string, state: string | undefined, change: (config: Config) => unknown): Mutant {
  const config = copied(original)
  change(config)
  const machine = createMachine(config as never, lifecycleMachine.implementations as never) as unknown as Machine
  return { kind, name, machine, ...(state === undefined ? {} : { state }) }
}

const provided = (implementations: object): Machine => lifecycleMachine.provide(implementations as never)

function stateIn(config: Config, state: string): State {
  const found = config.states[state]
  if (!found) throw new RangeError(`There is no state ${state}`)
  return found
}

/** The transitions of an event as a list of objects. */
function listOf(config: Config, state: string, event: string): Transition[] {
  const written = stateIn(config, state).on?.[event] ?? []
  return [written].flat().map((each) => (typeof each === 'string' ? { target: each } : each))
}

/** A copy of plain objects and lists; functions stay what they are. */
function copied<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copied) as Value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copied(each)])) as Value
}
