// Mutants of a machine: copies of its configuration, each with one mistake that a person could make.
import { type AnyStateMachine, assign, createMachine } from 'xstate'
import { leavesOf, nameOf, nodesOf, pathOf } from './structure.ts'

export interface Mutant<Machine extends AnyStateMachine> {
  readonly kind: string
  /** Where the mistake is, and what it is. */
  readonly name: string
  /** Where it shows, if anywhere: what is known of the edges that may lead elsewhere. Empty where it is everywhere. */
  readonly places: readonly Place[]
  readonly machine: Machine
}

/** Edges of a machine; a state stands also for those in it. */
export interface Place {
  readonly from?: string
  readonly event?: string
  readonly to?: string
}

/** The mistakes that one machine invites. */
export interface Mistakes {
  /** The guard, action or actor that is most easily taken for another. */
  readonly otherGuards: Readonly<Record<string, string>>
  readonly otherActions: Readonly<Record<string, string>>
  readonly otherActors: Readonly<Record<string, string>>
  /** Where a throw may lead by mistake. */
  readonly wrongEnd: string
  /** What an end may say by mistake. */
  readonly wrongOutput: unknown
  /** Guards that judge wrongly, by name and what is wrong with them. */
  readonly wrongGuards: Readonly<Record<string, unknown>>
  /** What actions assign by mistake, by name and what is wrong with them. */
  readonly wrongActions: Readonly<Record<string, unknown>>
}

/** A guard or an action, as it is written. */
type Named = string | { type: string; params?: unknown }

/** A part of the configuration as it is written: its transitions are a target, one object, or a list of these. */
interface Transition {
  target?: string
  guard?: Named
  actions?: Named[]
  reenter?: boolean
}
interface Invoke {
  id: string
  src: string
  input?: unknown
  onError?: { target?: string; actions?: unknown }
}
interface State {
  type?: string
  initial?: string
  entry?: string
  output?: unknown
  invoke?: Invoke
  on?: Record<string, string | Transition | Transition[]>
  states?: Record<string, State>
}
interface Config extends State {
  id: string
  states: Record<string, State>
}

/** Every mistake of every kind, at every place where it can be made. */
export function* mutantsOf<Machine extends AnyStateMachine>(
  original: Machine,
  { otherGuards, otherActions, otherActors, wrongEnd, wrongOutput, wrongGuards, wrongActions }: Mistakes,
): Generator<Mutant<Machine>> {
  const written = original.config as unknown as Config
  const leaves = leavesOf(original).map(pathOf)
  const targetOf = (state: string) => `#${original.id}.${state}`

  function mutant(kind: string, name: string, places: readonly Place[], change: (config: Config) => unknown) {
    const config = copied(written)
    change(config)
    const machine = createMachine(config as never, original.implementations as never) as unknown as Machine
    return { kind, name, places, machine }
  }

  function* transitionMutants(state: string, event: string): Generator<Mutant<Machine>> {
    const listed = listOf(written, state, event)
    const places = [{ from: state, event }]
    const at = (index: number) => `${state} on ${event}${listed.length > 1 ? ` #${index + 1}` : ''}`
    const listChange = (kind: string, name: string, apply: (list: Transition[]) => Transition[]) =>
      mutant(kind, name, places, (config) => {
        stateIn(config, state).on = { ...stateIn(config, state).on, [event]: apply(listOf(config, state, event)) }
      })
    const change = (kind: string, name: string, index: number, apply: (transition: Transition) => unknown) =>
      listChange(kind, name, (list) => {
        apply(list[index] as Transition)
        return list
      })
    for (const [index, { target = '', guard, actions = [], reenter }] of listed.entries()) {
      yield listChange('transition lost', at(index), (list) => list.toSpliced(index, 1))
      const path = target.replace(targetOf(''), '')
      const [outer = '', inner] = path.split('.')
      const others = [leaves[(leaves.indexOf(path) + 1) % leaves.length] ?? '']
      if (inner) others.push(outer, siblingOf(path))
      for (const wrong of new Set(others)) {
        yield change('wrong target', `${at(index)}: ${wrong} instead of ${path || 'none'}`, index, (each) => {
          each.target = targetOf(wrong)
        })
      }
      if (reenter) yield change('re-entry lost', at(index), index, (each) => delete each.reenter)
      if (guard) {
        const name = nameOf(guard)
        const other = otherGuards[name] ?? ''
        yield change('guard dropped', `${at(index)}: without ${name}`, index, (each) => delete each.guard)
        yield change('wrong guard', `${at(index)}: ${other} instead of ${name}`, index, (each) => {
          each.guard = renamed(guard, other)
        })
        if (typeof guard === 'object') {
          yield change('told wrong', `${at(index)}: ${name}`, index, (each) => {
            each.guard = toldWrong(guard)
          })
        }
      }
      for (const [place, action] of actions.entries()) {
        const name = nameOf(action)
        const other = otherActions[name] ?? ''
        yield change('action dropped', `${at(index)}: without ${name}`, index, (each) => {
          each.actions = actions.toSpliced(place, 1)
        })
        yield change('wrong action', `${at(index)}: ${other} instead of ${name}`, index, (each) => {
          each.actions = actions.with(place, renamed(action, other))
        })
        if (typeof action === 'object') {
          yield change('told wrong', `${at(index)}: ${name}`, index, (each) => {
            each.actions = actions.with(place, toldWrong(action))
          })
        }
      }
    }
    if (listed.length > 1) yield listChange('order reversed', `${state} on ${event}`, (list) => list.reverse())
  }

  function* actorMutants(state: string, { id, src, input, onError }: Invoke): Generator<Mutant<Machine>> {
    const started = [{ to: state }]
    const thrown = [{ from: state, event: `xstate.error.actor.${id}` }]
    const change = (kind: string, name: string, places: readonly Place[], apply: (invoke: Invoke) => unknown) =>
      mutant(kind, `${state}: ${name}`, places, (config) => apply(stateIn(config, state).invoke as never))
    const other = otherActors[src] ?? ''
    yield mutant('actor missing', `${state}: ${src} is not started`, started, (config) => {
      delete stateIn(config, state).invoke
    })
    yield change('wrong actor', `${other} instead of ${src}`, started, (invoke) => {
      invoke.src = other
    })
    if (input) {
      yield change('actor told wrong', `${src} is told the epoch before`, started, (invoke) => {
        invoke.input = ({ context }: { context: { epoch: number } }) => ({ ...context, epoch: context.epoch - 1 })
      })
    }
    yield change('throw unanswered', `nobody answers for ${src}`, thrown, (invoke) => delete invoke.onError)
    yield change(
      'throw unanswered',
      `a throw of ${src} is not kept`,
      thrown,
      (invoke) => delete invoke.onError?.actions,
    )
    yield change('wrong target', `a throw of ${src}: ${wrongEnd} instead of ${onError?.target}`, thrown, (invoke) => {
      if (invoke.onError) invoke.onError.target = targetOf(wrongEnd)
    })
    if (isLeftForSibling(state) && stateIn(written, siblingOf(state)).invoke?.src === src) {
      const name = `${src} goes on where ${state} is left for its sibling`
      yield mutant('actor too high', name, [{ from: state }], (config) => {
        stateIn(config, outerOf(state)).invoke = stateIn(config, state).invoke as Invoke
        delete stateIn(config, state).invoke
        delete stateIn(config, siblingOf(state)).invoke
      })
    }
  }

  /** The state beside this nested one. */
  function siblingOf(state: string): string {
    const names = Object.keys(stateIn(written, outerOf(state)).states ?? {})
    return `${outerOf(state)}.${names.find((name) => !state.endsWith(`.${name}`))}`
  }

  function isLeftForSibling(state: string): boolean {
    if (!isNested(state)) return false
    const listed = Object.keys(stateIn(written, state).on ?? {}).flatMap((event) => listOf(written, state, event))
    return listed.some(({ target }) => target === targetOf(siblingOf(state)))
  }

  /** Without this nested state: what led there leads to its sibling. */
  function join(config: Config, state: string): void {
    const outer = stateIn(config, outerOf(state))
    delete outer.states?.[state.replace(/.*\./, '')]
    outer.initial = siblingOf(state).replace(/.*\./, '')
    for (const { on = {} } of statesIn(config)) {
      for (const event of Object.keys(on)) {
        on[event] = transitionsOf(on[event]).map((each) =>
          each.target === targetOf(state) ? { ...each, target: targetOf(siblingOf(state)) } : each,
        )
      }
    }
  }

  for (const state of nodesOf(original).map(pathOf)) {
    const { on = {}, entry, invoke, type, output } = stateIn(written, state)
    for (const event of Object.keys(on)) yield* transitionMutants(state, event)
    const entered = [{ to: state }]
    if (entry) {
      yield mutant('action dropped', `${state}: entry ${entry}`, entered, (config) => {
        delete stateIn(config, state).entry
      })
    }
    if (invoke) yield* actorMutants(state, invoke)
    if (type === 'final')
      yield mutant('end lost', `${state} is no end`, entered, (config) => delete stateIn(config, state).type)
    if (output) {
      yield mutant('wrong output', `${state} says it ended in another way`, entered, (config) => {
        stateIn(config, state).output = wrongOutput
      })
    }
    if (isNested(state)) yield mutant('nested state lost', state, entered, (config) => join(config, state))
  }
  for (const event of Object.keys(written.on ?? {})) {
    yield mutant('transition lost', `the root on ${event}`, [{ event }], (config) => delete config.on?.[event])
  }
  for (const event of ['*', ...original.events]) {
    if (written.on?.[event] || event.startsWith('xstate.')) continue
    yield mutant('answered everywhere', `the root answers ${event}`, [], (config) => {
      config.on = { ...config.on, [event]: { actions: ['noteBug'] } }
    })
  }
  const provided = (implementations: object): Machine => original.provide(implementations as never) as Machine
  for (const guard of Object.keys(original.implementations.guards)) {
    for (const verdict of [true, false]) {
      const machine = provided({ guards: { [guard]: () => verdict } })
      yield { kind: 'guard broken', name: `${guard} is always ${verdict}`, places: placesOf(written, guard), machine }
    }
  }
  for (const [name, wrong] of Object.entries(wrongGuards)) {
    const guard = firstWord(name)
    const machine = provided({ guards: { [guard]: wrong } })
    yield { kind: 'guard broken', name, places: placesOf(written, guard), machine }
  }
  for (const [name, wrong] of Object.entries(wrongActions)) {
    const action = firstWord(name)
    const machine = provided({ actions: { [action]: assign(wrong as never) } })
    yield { kind: 'action broken', name, places: placesOf(written, action), machine }
  }
}

const firstWord = (sentence: string): string => sentence.split(' ')[0] ?? ''

const isNested = (state: string): boolean => state.includes('.')

const outerOf = (state: string): string => state.replace(/\.[^.]*$/, '')

const renamed = (named: Named, type: string): Named => (typeof named === 'string' ? type : { ...named, type })

/** The same, told another value for each that it is told. */
function toldWrong({ type, params }: { type: string; params?: unknown }): Named {
  const changed = (told: object) =>
    Object.fromEntries(
      Object.entries(told).map(([name, value]) => {
        if (typeof value === 'number') return [name, value + 1]
        return [name, typeof value === 'string' ? `not ${value}` : { kind: 'topic-missing', message: 'another' }]
      }),
    )
  const wrong = typeof params === 'function' ? (args: unknown) => changed(params(args)) : changed(params as object)
  return { type, params: wrong }
}

/** Where a guard or an action is named. */
function placesOf(config: State, name: string, state = ''): Place[] {
  const { on = {}, entry, invoke, states = {} } = config
  const inside = Object.entries(states).flatMap(([key, each]) => placesOf(each, name, state ? `${state}.${key}` : key))
  const events = Object.keys(on).filter((event) =>
    transitionsOf(on[event]).some(({ guard, actions = [] }) => [guard, ...actions].map(nameOf).includes(name)),
  )
  const own = events.map((event) => (state ? { from: state, event } : { event }))
  const thrown = invoke?.onError?.actions === name ? [{ event: `xstate.error.actor.${invoke.id}` }] : []
  return [...inside, ...own, ...thrown, ...(entry === name ? [{ to: state }] : [])]
}

const statesIn = ({ states = {} }: State): State[] => Object.values(states).flatMap((each) => [each, ...statesIn(each)])

function stateIn(config: Config, state: string): State {
  const found = state.split('.').reduce<State | undefined>((node, name) => node?.states?.[name], config)
  if (!found) throw new RangeError(`There is no state ${state}`)
  return found
}

const listOf = (config: Config, state: string, event: string): Transition[] =>
  transitionsOf(stateIn(config, state).on?.[event])

/** The transitions of an event as a list of objects, and their actions as lists. */
function transitionsOf(written: string | Transition | Transition[] = []): Transition[] {
  return [written].flat().map((each) => {
    if (typeof each === 'string') return { target: each }
    return each.actions === undefined ? { ...each } : { ...each, actions: [each.actions].flat() }
  })
}

/** A copy of plain objects and lists; functions stay what they are. */
function copied<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copied) as Value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copied(each)])) as Value
}
