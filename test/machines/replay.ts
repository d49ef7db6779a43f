// A whole replay: all steps of one actor, folded to the snapshot they end in.
import type { AnyStateMachine, SnapshotFrom } from 'xstate'
import { foldOf, type ReplayStep } from '../../machines/replay.ts'

/** Folds the steps of `actor` (default: the actor of the first step). Throws when there is no step of it, and where a fold does. */
export function replay<Machine extends AnyStateMachine>(
  machine: Machine,
  steps: Iterable<ReplayStep>,
  actor?: string,
): SnapshotFrom<Machine> {
  const fold = foldOf(machine, actor)
  for (const step of steps) fold.take(step)
  const { snapshot } = fold
  if (snapshot === undefined) throw new Error(`Nothing to replay: no step of ${actor ?? 'any actor'}.`)
  return snapshot
}
