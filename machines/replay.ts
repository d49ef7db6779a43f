/** A replay: the steps of one actor, folded through the plain machine without any effect, checked at each step. */

import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine, SnapshotFrom, StateValue } from 'xstate'
import { initialTransition, transition } from 'xstate'
import { agrees, restored, savedIn, snapshotType } from './saved.ts'

/** What a replay needs of a step or a journal record. */
export interface ReplayStep {
  readonly actor: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly to: StateValue | null
}

/**
 * Folds the steps of `actor` (default: the actor of the first step) and returns the snapshot they end in. `machine` is the plain
 * one, neither provided nor recorded. A snapshot record is where the fold begins if it comes first, and is checked otherwise.
 * Throws when the first of them is neither its start nor such a record, or when a step leads to another state than the recorded one.
 */
export function replay<Machine extends AnyStateMachine>(
  machine: Machine,
  steps: Iterable<ReplayStep>,
  actor?: string,
): SnapshotFrom<Machine> {
  let snapshot: AnyMachineSnapshot | undefined
  let path = actor
  let count = 0
  for (const step of steps) {
    if (step.type === snapshotType) {
      const found = savedIn(step.data, path)
      path ??= found?.path
      if (found && snapshot && !agrees(snapshot, found.saved)) {
        throw new Error(`Replay left the record: after step ${count}, a snapshot of ${path} says something else.`)
      }
      if (found) snapshot ??= restored(machine, found.saved)
      continue
    }
    // The journal's own records: no machine stands behind them.
    if (step.to === null) continue
    path ??= step.actor
    if (step.actor !== path) continue
    count += 1
    snapshot = next(machine, snapshot, step)
    if (JSON.stringify(snapshot.value) !== JSON.stringify(step.to)) {
      throw new Error(
        `Replay left the record at step ${count} (${step.type}): recorded ${JSON.stringify(step.to)}, ` +
          `replayed ${JSON.stringify(snapshot.value)}. The machine has changed since, or the steps are not all there.`,
      )
    }
  }
  if (snapshot === undefined) throw new Error(`Nothing to replay: no step of ${path ?? 'any actor'}.`)
  return snapshot as SnapshotFrom<Machine>
}

function next(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot | undefined,
  step: ReplayStep,
): AnyMachineSnapshot {
  if (step.type === 'actor.started') {
    const restored = step.data.restored === true && snapshot !== undefined
    return restored ? snapshot : initialTransition(machine, step.data.input)[0]
  }
  if (snapshot === undefined) throw new Error(`Replay has to begin with actor.started, not with ${step.type}.`)
  return transition(machine, snapshot, eventOf(step))[0] as AnyMachineSnapshot
}

function eventOf({ type, data }: ReplayStep): AnyEventObject {
  if (type === 'actor.stopped') return { type: 'xstate.stop' }
  if (type === 'actor.completed') return { type: `xstate.done.actor.${data.child}`, output: data.output }
  if (type === 'actor.failed')
    return { type: `xstate.error.actor.${data.child}`, error: new Error(String(data.message)) }
  return { ...data, type }
}
