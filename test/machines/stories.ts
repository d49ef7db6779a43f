// Stories: events told to a machine, or to a changed copy of it, one after the other.
import { type AnyStateMachine, type EventFromLogic, initialTransition, type SnapshotFrom, transition } from 'xstate'
import type { Failure, FailureKind } from '../../machines/failure.ts'

/** A failure of this kind that nothing has caused. */
export const failure = (kind: FailureKind): Failure => ({ kind, message: `made up: ${kind}` })

/** How events of these classes are told to a machine; `eventOf` makes one of a class as it reads where the machine is. */
export function storiesOf<Machine extends AnyStateMachine, Class extends string>(
  original: Machine,
  eventOf: (event: Class, before: SnapshotFrom<Machine>) => EventFromLogic<Machine>,
) {
  /** The snapshot after one more event. */
  const after = (before: SnapshotFrom<Machine>, event: Class, machine: Machine = original): SnapshotFrom<Machine> =>
    transition(machine, before, eventOf(event, before))[0]
  /** The snapshot at the end of a story. */
  const told = (
    story: readonly Class[],
    { machine = original, input }: { machine?: Machine; input?: unknown } = {},
  ): SnapshotFrom<Machine> => {
    const start = initialTransition(machine as AnyStateMachine, input)[0] as SnapshotFrom<Machine>
    return story.reduce<SnapshotFrom<Machine>>((before, event) => after(before, event, machine), start)
  }
  return { after, told }
}
