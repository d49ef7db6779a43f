// Mutants of the lifecycle: copies of its configuration, each with one mistake that a person could make.
import { assign, createMachine } from 'xstate'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import type { Machine } from './lifecycle-stories.ts'
import { leavesOf, nodesOf, pathOf } from './structure.ts'

export interface Mutant {
  readonly kind: string
  /** Where the mistake is, and what it is. */
  readonly name: string
  /** The path of the state it is in; undefined where it is in all of them. */
  readonly state?: string
  readonly machine: Machine
}

/** A guard or an action: its name, or also what it is told. */
type Named = string | { type: string; params?: unknown }

/** A part of the configuration as it is written: its transitions are a target, one object, or a list of these. */
interface Transition {
  target?: string
  guard?: Named
  actions?: Named
}
interface State {
  type?: string
  entry?: string
  output?: unknown
  tags?: string
  invoke?: { id: string; src: string; input?: unknown; onError?: Transition }
  on?: Record<string, string | Transition | Transition[]>
  states?: Record<string, State>
}
interface Config extends State {
  states: Record<string, State>
}

const original = lifecycleMachine.config as unknown as Config
const leaves = leavesOf(lifecycleMachine).map(pathOf)

/** Every mistake of every kind, at every place where it can be made. */
export function* mutants(): Generator<Mutant> {
  for (const state of nodesOf(lifecycleMachine).map(pathOf)) {
    const { on, entry, invoke, type, output } = stateIn(original, state)
    for (const event of Object.keys(on ?? {})) yield* transitionMutants(state, event)
    if (entry)
      yield mutant('action dropped', `${state}: entry ${entry}`, state, (config) => delete stateIn(config, state).entry)
    if (invoke) yield* actorMutants(state, invoke)
    if (type === 'final')
      yield mutant('end lost', `${state} is no end`, state, (config) => delete stateIn(config, state).type)
    if (output) {
      yield mutant('wrong output', `${state} says it ended in another way`, state, (config) => {
        stateIn(config, state).output = { failure: { kind: 'unreachable', message: 'another' } }
      })
    }
    if (state.includes('.')) {
      yield mutant('nested state lost', state, state, (config) => joined(config, state))
    }
  }
  for (const event of Object.keys(original.on ?? {})) {
    yield mutant('transition lost', `the root on ${event}`, undefined, (config) => delete config.on?.[event])
  }
  yield mutant('wildcard', 'the root answers everything', undefined, (config) => {
    config.on = { '*': { actions: 'noteBug' } }
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
  for (const [index, { target = '', guard, actions }] of listed.entries()) {
    yield mutant('transition lost', at(index), state, (config) => {
      stateIn(config, state).on = {
        ...stateIn(config, state).on,
        [event]: listOf(config, state, event).toSpliced(index, 1),
      }
    })
    const path = target.replace('#lifecycle.', '')
    const [outer = '', inner] = path.split('.')
    const others = [leaves[(leaves.indexOf(path) + 1) % leaves.length] ?? '']
    if (inner) others.push(outer, `${outer}.${siblingOf(inner)}`)
    for (const wrong of new Set(others)) {
      yield change('wrong target', `${at(index)}: ${wrong} instead of ${path}`, index, (each) => {
        each.target = `#lifecycle.${wrong}`
      })
    }
    if (guard) {
      const name = nameOf(guard)
      const other = otherGuards[name] ?? ''
      yield change('guard dropped', `${at(index)}: without ${name}`, index, (each) => delete each.guard)
      yield change('wrong guard', `${at(index)}: ${other} instead of ${name}`, index, (each) => {
        each.guard = other
      })
      if (typeof guard === 'object')
        yield change('told wrong', `${at(index)}: ${name}`, index, (each) => {
          each.guard = { ...guard, params: wrongly(guard.params) }
        })
    }
    if (actions) {
      const name = nameOf(actions)
      const other = otherActions[name] ?? ''
      yield change('action dropped', `${at(index)}: without ${name}`, index, (each) => delete each.actions)
      yield change('wrong action', `${at(index)}: ${other} instead of ${name}`, index, (each) => {
        each.actions = typeof actions === 'object' ? { ...actions, type: other } : other
      })
      if (typeof actions === 'object')
        yield change('told wrong', `${at(index)}: ${name}`, index, (each) => {
          each.actions = { ...actions, params: wrongly(actions.params) }
        })
    }
  }
  if (listed.length > 1) {
    yield mutant('order reversed', `${state} on ${event}`, state, (config) => {
      stateIn(config, state).on = { ...stateIn(config, state).on, [event]: listOf(config, state, event).reverse() }
    })
  }
}

function* actorMutants(state: string, { src, onError }: NonNullable<State['invoke']>): Generator<Mutant> {
  const change = (kind: string, name: string, apply: (invoke: NonNullable<State['invoke']>) => unknown) =>
    mutant(kind, `${state}: ${name}`, state, (config) => apply(stateIn(config, state).invoke as never))
  const actor = src === 'drain' ? 'rebuild' : 'drain'
  yield mutant(
    'actor missing',
    `${state}: ${src} is not started`,
    state,
    (config) => delete stateIn(config, state).invoke,
  )
  yield change('wrong actor', `${actor} instead of ${src}`, (invoke) => {
    invoke.src = actor
  })
  yield change('actor told wrong', `${src} is told the epoch before`, (invoke) => {
    invoke.input = ({ context }: { context: { epoch: number } }) => ({ ...context, epoch: context.epoch - 1 })
  })
  yield change('throw unanswered', `nobody answers for ${src}`, (invoke) => delete invoke.onError)
  yield change('throw unanswered', `a throw of ${src} is not kept`, (invoke) => delete invoke.onError?.actions)
  yield change('wrong target', `a throw of ${src}: retrying instead of ${onError?.target}`, (invoke) => {
    if (invoke.onError) invoke.onError.target = '#lifecycle.retrying'
  })
  if (state === 'draining.in-place') {
    yield mutant('actor too high', `${src} goes on where ${state} is left for its sibling`, state, (config) => {
      const [outer = '', inner = ''] = state.split('.')
      stateIn(config, outer).invoke = stateIn(config, state).invoke as NonNullable<State['invoke']>
      delete stateIn(config, state).invoke
      delete stateIn(config, `${outer}.${siblingOf(inner)}`).invoke
    })
  }
}

/** Without this nested state: what led there leads to its sibling. */
function joined(config: Config, state: string): void {
  const [outer = '', inner = ''] = state.split('.')
  const { states = {} } = stateIn(config, outer)
  delete states[inner]
  ;(stateIn(config, outer) as { initial?: string }).initial = siblingOf(inner)
  for (const { on = {} } of nodesIn(config)) {
    for (const [event, written] of Object.entries(on)) {
      on[event] = [written].flat().map((each) => {
        const transition = typeof each === 'string' ? { target: each } : each
        const isLost = transition.target === `#lifecycle.${state}`
        return isLost ? { ...transition, target: `#lifecycle.${outer}.${siblingOf(inner)}` } : transition
      })
    }
  }
}

const nodesIn = ({ states = {} }: State): State[] => Object.values(states).flatMap((each) => [each, ...nodesIn(each)])

const siblingOf = (inner: string): string => (inner === 'in-place' ? 'replacement' : 'in-place')

const nameOf = (named: Named): string => (typeof named === 'string' ? named : named.type)

/** What a guard or an action is told, with another value for each. */
function wrongly(params: unknown): unknown {
  const changed = (told: object) =>
    Object.fromEntries(
      Object.entries(told).map(([name, value]) => {
        if (typeof value === 'number') return [name, value + 1]
        return [name, typeof value === 'string' ? `not ${value}` : { kind: 'topic-missing', message: 'another' }]
      }),
    )
  return typeof params === 'function' ? (args: unknown) => changed(params(args)) : changed(params as object)
}

/** The guard that is most easily taken for this one. */
const otherGuards: Readonly<Record<string, string>> = {
  isCurrent: 'hasFailed',
  isTerminal: 'hasFailed',
  hasFailed: 'isTerminal',
}

const otherActions: Readonly<Record<string, string>> = {
  beginEpoch: 'countAttempt',
  planInPlace: 'planReplacement',
  planReplacement: 'planInPlace',
  noteFailure: 'noteStop',
  noteStop: 'noteBug',
  noteBug: 'noteStop',
}

type Counted = { context: { epoch: number; attempt: number } }

const wrongActions = {
  'beginEpoch skips an epoch': { epoch: ({ context }: Counted) => context.epoch + 2 },
  'beginEpoch keeps the epoch': {},
  'planInPlace forgets why': { plan: { kind: 'in-place', reason: 'moved' } },
  'planReplacement forgets why': { plan: { kind: 'replacement', reason: 'retry' } },
  'countAttempt counts twice': { attempt: ({ context }: Counted) => context.attempt + 2 },
  'countAttempt begins anew': { attempt: 1 },
  'recover keeps the plan': { attempt: 0, failure: null },
  'recover keeps the attempts': { plan: null, failure: null },
  'recover keeps the failure': { plan: null, attempt: 0 },
  'noteFailure keeps nothing': {},
  'noteBug says unreachable': { failure: { kind: 'unreachable', message: 'An actor of the lifecycle threw an error' } },
  'noteStop notes nothing': {},
  'noteStop forgets its failure': { failure: null },
  'noteMembers notes nobody': {},
  'noteMembers keeps who was evicted': { members: ['me', 'you'] },
}

const isRecent = ({ context }: { context: { epoch: number } }, { epoch }: { epoch: number }): boolean =>
  epoch >= context.epoch - 1

function mutant(kind: string, name: string, state: string | undefined, change: (config: Config) => unknown): Mutant {
  const config = copied(original)
  change(config)
  const machine = createMachine(config as never, lifecycleMachine.implementations as never) as unknown as Machine
  return { kind, name, machine, ...(state === undefined ? {} : { state }) }
}

const provided = (implementations: object): Machine => lifecycleMachine.provide(implementations as never)

function stateIn(config: Config, state: string): State {
  const found = state.split('.').reduce<State | undefined>((node, name) => node?.states?.[name], config)
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
