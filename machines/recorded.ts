/**
 * A recorded machine: the same machine, but every event it processes is appended as a step before any effect of it starts.
 *
 * The wrapper computes the next state with all actions held back, appends, and only then lets the actor run what was held. When
 * `append` throws, nothing of that transition starts, the actor's running children are stopped, and the actor ends in status `error`.
 * It leans on `defer` and `actionExecutor` of the actor's scope, which are not documented: xstate is pinned exactly for this.
 */

import type { AnyActorRef, AnyEventObject, AnyMachineSnapshot, AnyStateMachine, StateValue } from 'xstate'
import { messageOf } from './failure.ts'

/** One processed event. */
export interface Step {
  /** Ids from the root actor to this one, joined by `/`. */
  readonly actor: string
  /** Our own name: the fact's type, or `actor.started`, `actor.stopped`, `actor.completed`, `actor.failed`. */
  readonly type: string
  /** What the event says beside its type. */
  readonly data: Readonly<Record<string, unknown>>
  /** State value before; undefined for the first step. */
  readonly from: StateValue | undefined
  /** State value after. */
  readonly to: StateValue
  /** False when the machine had no use for the event in this state. */
  readonly changed: boolean
  /** The machine's context after the event. */
  readonly context: unknown
}

/** Makes one step durable; synchronous. Throws when it can't, and then no effect of that step starts. */
export type Append = (step: Step) => void

/**
 * Wraps a machine. Provide implementations first and wrap last: `provide()` on a recorded machine returns an unrecorded one.
 * Child machines are wrapped where they are listed as actors.
 */
export function recorded<Machine extends AnyStateMachine>(machine: Machine, append: Append): Machine {
  const inputs = new WeakMap<object, unknown>()
  const fresh = new WeakSet<object>()

  function getInitialSnapshot(scope: Scope, input: unknown): AnyMachineSnapshot {
    inputs.set(scope.self, input)
    fresh.add(scope.self)
    return machine.getInitialSnapshot(scope, input as never)
  }

  function start(snapshot: AnyMachineSnapshot, scope: Scope): void {
    const data = fresh.has(scope.self) ? { input: inputs.get(scope.self) } : { restored: true }
    const step = { actor: pathOf(scope.self), type: 'actor.started', data, from: undefined }
    append({ ...step, to: snapshot.value, changed: true, context: snapshot.context })
    // The declaration knows one parameter, as the machine's own `start` uses only that one.
    machine.start(snapshot as never)
  }

  function transition(snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope): AnyMachineSnapshot {
    const hold: Scope['actionExecutor'] = (action) => scope.defer(() => scope.actionExecutor(action))
    const next = machine.transition(snapshot as never, event, { ...scope, actionExecutor: hold }) as AnyMachineSnapshot
    const changed = next !== snapshot
    // Completions nobody waits for are the library's bookkeeping, no facts.
    if (!changed && event.type.startsWith('xstate.')) return next
    const step = { actor: pathOf(scope.self), ...named(event), from: snapshot.value, to: next.value }
    try {
      append({ ...step, changed, context: next.context })
    } catch (error) {
      // An actor in status `error` can't be stopped any more, so its children would go on for ever.
      for (const child of Object.values<AnyActorRef | undefined>(snapshot.children)) if (child) scope.stopChild(child)
      throw error
    }
    return next
  }

  return Object.create(machine, {
    getInitialSnapshot: { value: getInitialSnapshot },
    start: { value: start },
    transition: { value: transition },
  }) as Machine
}

type Scope = Parameters<AnyStateMachine['transition']>[2]

function pathOf(actor: AnyActorRef): string {
  const parent = (actor as AnyActorRef & { readonly _parent?: AnyActorRef })._parent
  return parent ? `${pathOf(parent)}/${actor.id}` : actor.id
}

const donePrefix = 'xstate.done.actor.'
const errorPrefix = 'xstate.error.actor.'

/** No name of the library's own is stored: a new version of it may rename them. */
function named(event: AnyEventObject): { type: string; data: Readonly<Record<string, unknown>> } {
  const { type, ...data } = event
  if (!type.startsWith('xstate.')) return { type, data }
  if (type === 'xstate.stop') return { type: 'actor.stopped', data: {} }
  if (type.startsWith(donePrefix)) {
    return { type: 'actor.completed', data: { child: type.slice(donePrefix.length), output: event.output } }
  }
  if (type.startsWith(errorPrefix)) {
    return { type: 'actor.failed', data: { child: type.slice(errorPrefix.length), message: messageOf(event.error) } }
  }
  throw new Error(
    `The event ${type} changed a machine and can't be recorded under a name of our own. ` +
      'A timer or snapshot of the library drives the machine. Let an actor send a fact instead.',
  )
}
