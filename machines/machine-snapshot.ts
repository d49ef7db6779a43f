/** A saved machine: what a snapshot record keeps of it, so that a replay may begin there instead of at the first record. */

import type { AnyMachineSnapshot, AnyStateMachine, StateValue } from 'xstate'
import { stateValue } from './state-value.ts'

/** The type of the records that hold saved machines in `data.machines`, by the machine's path of ids. */
export const snapshotType = 'journal.snapshot'

export interface SavedMachine {
  readonly value: StateValue
  readonly context: unknown
  /** Whether the actor was stopped; a final state shows by itself. */
  readonly stopped: boolean
}

/** The machine at `path` in a snapshot record's data; the first of them where no path is given. Undefined when it is not there. */
export function savedIn(
  data: Readonly<Record<string, unknown>>,
  path: string | undefined,
): { readonly path: string; readonly saved: SavedMachine } | undefined {
  const machines = (data.machines ?? {}) as Readonly<Record<string, SavedMachine>>
  const name = path ?? Object.keys(machines)[0]
  const saved = name === undefined ? undefined : machines[name]
  return name === undefined || saved === undefined ? undefined : { path: name, saved }
}

/** The snapshot to go on from. Throws when the machine has no such state. A value of a version without nested states is that of the plan. */
export function restored(machine: AnyStateMachine, { value, context, stopped }: SavedMachine): AnyMachineSnapshot {
  const whole = stateValue(machine, value, (context as { readonly plan?: unknown } | null)?.plan)
  return machine.resolveState({ value: whole, context: context as object, ...(stopped ? { status: 'stopped' } : {}) })
}

/** Whether a folded snapshot says the same as a saved one. */
export function agrees(snapshot: AnyMachineSnapshot, { value, context, stopped }: SavedMachine): boolean {
  const folded = { value: snapshot.value, context: snapshot.context, stopped: snapshot.status === 'stopped' }
  return JSON.stringify(folded, sorted) === JSON.stringify({ value, context, stopped }, sorted)
}

/** Saved ones come back with their keys in another order. */
function sorted(_key: string, each: unknown): unknown {
  if (typeof each !== 'object' || each === null || Array.isArray(each)) return each
  return Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
}
