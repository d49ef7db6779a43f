// Mutants of a machine: copies of its configuration, each with one mistake that a person could make.
import { type AnyStateMachine, assign, createMachine } from 'xstate'

export interface Mutant<Machine extends AnyStateMachine> {
  readonly kind: string
  /** Where the mistake is, and what it is. */
  readonly name: string
  /** The state it is in; undefined where it is in all of them. */
  readonly state?: string
  readonly machine: Machine
}

/** The mistakes that one machine invites. */
export interface Mistakes {
  /** The guard, action or actor that is most easily taken for another. */
  readonly otherGuards: Readonly<Record<string, string>>
  readonly otherActions: Readonly<Record<string, string>>
  readonly otherActors: Readonly<Record<string, string>>
  /** Where a throw may lead by mistake. */
  readonly wrongEnd: string
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
  entry?: string
  output?: unknown
  invoke?: Invoke
  on?: Record<string, string | Transition | Transition[]>
}
interface Config {
  states: Record<string, State>
  on?: Record<string, { actions: string }>
}

/** Every mistake of every kind, at every place where it can be made. */
export function* mutantsOf<Machine extends AnyStateMachine>(
  original: Machine,
  { otherGuards, otherActions, otherActors, wrongEnd, wrongGuards, wrongActions }: Mistakes,
): Generator<Mutant<Machine>> {
  const written = original.config as unknown as Config
  const stateNames = Object.keys(written.states)

  function mutant(kind: string, name: string, state: string | undefined, change: (config: Config) => unknown) {
    const config = copied(written)
    change(config)
    const machine = createMachine(config as never, original.implementations as never) as unknown as Machine
    return { kind, name, machine, ...(state === undefined ? {} : { state }) }
  }

  function* transitionMutants(state: string, event: string): Generator<Mutant<Machine>> {
    const listed = listOf(written, state, event)
    const at = (index: number) => `${state} on ${event}${listed.length > 1 ? ` #${index + 1}` : ''}`
    const change = (kind: string, name: string, index: number, apply: (transition: Transition) => unknown) =>
      mutant(kind, name, state, (config) => {
        const list = listOf(config, state, event)
        apply(list[index] as Transition)
        stateIn(config, state).on = { ...stateIn(config, state).on, [event]: list }
      })
    for (const [index, { target = '', guard, actions = [], reenter }] of listed.entries()) {
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
        const other = otherGuards[nameOf(guard)] ?? ''
        yield change('guard dropped', `${at(index)}: without ${nameOf(guard)}`, index, (each) => delete each.guard)
        yield change('wrong guard', `${at(index)}: ${other} instead of ${nameOf(guard)}`, index, (each) => {
          each.guard = renamed(guard, other)
        })
      }
      for (const [place, action] of actions.entries()) {
        const other = otherActions[nameOf(action)] ?? ''
        yield change('action dropped', `${at(index)}: without ${nameOf(action)}`, index, (each) => {
          each.actions = actions.toSpliced(place, 1)
        })
        yield change('wrong action', `${at(index)}: ${other} instead of ${nameOf(action)}`, index, (each) => {
          each.actions = actions.with(place, renamed(action, other))
        })
      }
      if (reenter && target === state) {
        yield change(
          'no new start',
          `${at(index)}: the actor goes on instead of starting anew`,
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

  function* actorMutants(state: string, { src, input, onError }: Invoke): Generator<Mutant<Machine>> {
    const change = (kind: string, name: string, apply: (invoke: Invoke) => unknown) =>
      mutant(kind, `${state}: ${name}`, state, (config) => apply(stateIn(config, state).invoke as never))
    const actor = otherActors[src] ?? ''
    yield mutant(
      'actor missing',
      `${state}: ${src} is not started`,
      state,
      (config) => delete stateIn(config, state).invoke,
    )
    yield change('wrong actor', `${actor} instead of ${src}`, (invoke) => {
      invoke.src = actor
    })
    if (input) {
      yield change('actor told wrong', `${src} is told the epoch before`, (invoke) => {
        invoke.input = ({ context }: { context: { epoch: number } }) => ({ ...context, epoch: context.epoch - 1 })
      })
    }
    yield change('throw unanswered', `nobody answers for ${src}`, (invoke) => delete invoke.onError)
    yield change('throw unanswered', `a throw of ${src} is not kept`, (invoke) => delete invoke.onError?.actions)
    yield change('wrong target', `a throw of ${src}: ${wrongEnd} instead of ${onError?.target}`, (invoke) => {
      if (invoke.onError) invoke.onError.target = wrongEnd
    })
  }

  for (const [state, { on, entry, invoke, type, output }] of Object.entries(written.states)) {
    for (const event of Object.keys(on ?? {})) yield* transitionMutants(state, event)
    if (entry)
      yield mutant('action dropped', `${state}: entry ${entry}`, state, (config) => delete stateIn(config, state).entry)
    if (invoke) yield* actorMutants(state, invoke)
    if (type === 'final')
      yield mutant('end lost', `${state} is no end`, state, (config) => delete stateIn(config, state).type)
    if (output) {
      yield mutant('wrong output', `${state} says it ended in another way`, state, (config) => {
        stateIn(config, state).output = { kind: 'unreachable', message: 'another' }
      })
    }
  }
  yield mutant('wildcard', 'the root answers everything', undefined, (config) => {
    config.on = { '*': { actions: 'noteFailure' } }
  })
  const provided = (implementations: object): Machine => original.provide(implementations as never) as Machine
  for (const guard of Object.keys(original.implementations.guards)) {
    for (const verdict of [true, false]) {
      const machine = provided({ guards: { [guard]: () => verdict } })
      yield { kind: 'guard broken', name: `${guard} is always ${verdict}`, machine }
    }
  }
  for (const [name, wrong] of Object.entries(wrongGuards)) {
    yield { kind: 'guard broken', name, machine: provided({ guards: { [firstWord(name)]: wrong } }) }
  }
  for (const [name, wrong] of Object.entries(wrongActions)) {
    yield { kind: 'action broken', name, machine: provided({ actions: { [firstWord(name)]: assign(wrong as never) } }) }
  }
}

const firstWord = (sentence: string): string => sentence.split(' ')[0] ?? ''

const nameOf = (named: Named): string => (typeof named === 'string' ? named : named.type)

const renamed = (named: Named, type: string): Named => (typeof named === 'string' ? type : { ...named, type })

function stateIn(config: Config, state: string): State {
  const found = config.states[state]
  if (!found) throw new RangeError(`There is no state ${state}`)
  return found
}

/** The transitions of an event as a list of objects, and their actions as lists. */
function listOf(config: Config, state: string, event: string): Transition[] {
  const written = stateIn(config, state).on?.[event] ?? []
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
