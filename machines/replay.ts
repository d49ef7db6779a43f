/** A replay: the steps of one actor, folded through the plain machine without any effect, checked at each step. */

import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine, SnapshotFrom, StateValue } from 'xstate'
import { initialTransition, transition } from 'xstate'
import { agrees, restored, savedIn, snapshotType } from './machine-snapshot.ts'
import { stateValue } from './state-value.ts'

/** What a replay needs of a step or a journal record. */
export interface ReplayStep {
  readonly actor: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  /** The whole value, or its top-level name: the plan says the rest. */
  readonly to: StateValue | null
  /** The machine version that wrote it. Default: the version of the machine that replays. */
  readonly machineVersion?: string
  /** What records say of the context after the step. */
  readonly epoch?: number
  readonly plan?: unknown
}

/** The steps of one actor, folded one after the other; those of others are passed over, so that several folds may read the same journal. */
export interface Fold<Machine extends AnyStateMachine> {
  /** Where the steps lead that were taken; undefined before the first. */
  readonly snapshot: SnapshotFrom<Machine> | undefined
  readonly take: (step: ReplayStep) => void
}

/**
 * Begins a fold of `actor` (default: that of the first step) with the plain machine, neither provided nor recorded. A snapshot record is
 * where it begins if it comes first, and is checked otherwise. `take` throws when the first step of the actor is neither its start nor such
 * a record, or when a step leads to another state than the recorded one.
 *
 * What an older version of the machine wrote is read as it is recorded, as this one may lead elsewhere by the same steps: a snapshot
 * record of it is taken as it is, and where a step leads elsewhere, state, epoch and plan are those of the record, and the rest of the context
 * stays what it was. The check begins again with the first step of the running version.
 */
export function foldOf<Machine extends AnyStateMachine>(machine: Machine, actor?: string): Fold<Machine> {
  let snapshot: AnyMachineSnapshot | undefined
  let path = actor
  let count = 0
  function take(step: ReplayStep): void {
    if (step.type === snapshotType) {
      const found = savedIn(step.data, path)
      path ??= found?.path
      const isTaken = snapshot === undefined || isOlder(step, machine)
      if (found && snapshot && !isTaken && !agrees(snapshot, found.saved)) {
        throw new Error(`Replay left the record: after step ${count}, a snapshot of ${path} says something else.`)
      }
      if (found && isTaken) snapshot = restored(machine, found.saved)
      return
    }
    // The journal's own records: no machine stands behind them.
    if (step.to === null) return
    path ??= step.actor
    if (step.actor !== path) return
    count += 1
    const before: AnyMachineSnapshot | undefined = snapshot
    snapshot = next(machine, before, step)
    if (isOlder(step, machine)) snapshot = asRecorded(machine, before, snapshot, step)
    const recorded = stateValue(machine, step.to, step.plan)
    if (!isSame(snapshot.value, recorded)) {
      throw new Error(
        `Replay left the record at step ${count} (${step.type}): recorded ${JSON.stringify(recorded)}, ` +
          `replayed ${JSON.stringify(snapshot.value)}. The machine has changed since, or the steps are not all there.`,
      )
    }
  }
  return {
    take,
    get snapshot() {
      return snapshot as SnapshotFrom<Machine> | undefined
    },
  }
}

/** Versions are whole numbers. */
const isOlder = ({ machineVersion }: ReplayStep, { version }: AnyStateMachine): boolean =>
  machineVersion !== undefined && Number(machineVersion) < Number(version)

/** The snapshot after a step of an older machine: what this machine makes of it where that is what the record says. */
function asRecorded(
  machine: AnyStateMachine,
  before: AnyMachineSnapshot | undefined,
  next: AnyMachineSnapshot,
  { to, epoch, plan }: ReplayStep,
): AnyMachineSnapshot {
  // Every record has both; not every machine keeps them.
  const isKept = ([name, value]: [string, unknown]) => value !== undefined && name in next.context
  const told = Object.fromEntries(Object.entries({ epoch, plan }).filter(isKept))
  const agreed = Object.entries(told).every(([name, value]) => isSame(next.context[name], value))
  if (to === null) return next
  const value = stateValue(machine, to, plan)
  if (agreed && isSame(next.value, value)) return next
  return machine.resolveState({ value, context: { ...(before ?? next).context, ...told } })
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

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
