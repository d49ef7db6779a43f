// The stage of the tests of progress: two assignments, and progress as it may be when one begins.
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { Progress } from '../../../actors/delivery/progress.ts'

export interface Known {
  readonly mark?: bigint
  readonly acknowledged?: bigint
  readonly unknown?: readonly bigint[]
  readonly sought?: Assignment
  readonly leaderEpoch?: number
}

export const tenureOf = (generation: number) => new Assignment(1, generation, { orders: [0] })
/** The assignment that begins, and the one before it. */
export const now = tenureOf(2)
export const before = tenureOf(1)

export const progressWith = ({ unknown = [], ...known }: Known): Progress => {
  const progress = Object.assign(new Progress(), known)
  for (const offset of unknown) progress.unknown.add(offset)
  return progress
}

/** Where reading begins, and the mark that is dropped for it. */
export function begun(progress: Progress, committed: bigint, assignment: Assignment) {
  const dropped = progress.startFrom(committed, assignment)
  return { offset: progress.mark, dropped }
}

export const ours = { mark: 20n, acknowledged: 15n }
