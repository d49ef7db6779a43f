/** A state value: the name that records, status and log have for it, and the value that such a name means. */

import type { AnyStateMachine, StateValue } from 'xstate'

/** The top-level state. */
export const stateName = (value: StateValue): string =>
  typeof value === 'string' ? value : (Object.keys(value)[0] ?? '')

/** The whole value of a state that is known by its name: where it has nested ones, it is in the one that is called like the kind of the plan. */
export function stateValue(machine: AnyStateMachine, named: StateValue, plan: unknown): StateValue {
  const { kind } = (plan ?? {}) as { readonly kind?: string }
  if (typeof named !== 'string' || kind === undefined) return named
  return machine.states[named]?.states[kind] === undefined ? named : { [named]: kind }
}
