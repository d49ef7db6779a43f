/** A named offset: what the user wants committed, and the error where it is not. */

import type { CommitOffset } from '../actors/delivery/batch-payload.ts'
import type { Dispatcher } from '../actors/delivery/dispatcher.ts'
import { CommitRejection, goneRejection, type NamedOffset } from '../actors/group/commit-rejection.ts'
import type { Commits } from '../actors/group/commits.ts'
import { FailureError } from '../machines/failure.ts'
import { checkPosition } from './calls.ts'
import { callError, errorFrom, RelistenError, rejectionError } from './error.ts'

/** What a caller of `commit` names, checked. Throws `invalid-call`. */
function namedOffsets(offsets: readonly CommitOffset[]): NamedOffset[] {
  const nextStep = "pass a list, for example `[{ topic: 'orders', partition: 0, offset: '5' }]`."
  if (!Array.isArray(offsets)) throw callError('Expected `commit` to get a list of offsets, or nothing', nextStep)
  return offsets.map((each: CommitOffset) => {
    checkPosition('commit', each, nextStep)
    const { topic, partition, offset, metadata = null } = each
    if (metadata !== null && typeof metadata !== 'string')
      throw callError('Expected `metadata` of `commit` to be a string', nextStep)
    return { topic, partition, offset: BigInt(offset), metadata }
  })
}

/** Commits what the user names, or the marks, by the commits of the session that has the assignment; undefined: none has. Rejects with a RelistenError. */
export async function commit(
  commits: Pick<Commits, 'commitMarks' | 'commitOffsets'> | undefined,
  dispatcher: Dispatcher,
  offsets?: readonly CommitOffset[],
): Promise<void> {
  if (offsets === undefined) return commits?.commitMarks(2000)
  const named = namedOffsets(offsets)
  try {
    const [first] = named
    if (!commits && first) throw goneRejection(dispatcher, first)
    await commits?.commitOffsets(named)
  } catch (error) {
    throw commitError(error)
  }
}

/** What the caller is rejected with. */
export function commitError(thrown: unknown): unknown {
  if (thrown instanceof CommitRejection) return rejectionError(thrown.code, thrown.message)
  if (!(thrown instanceof FailureError)) return thrown
  const { failure } = thrown
  if (failure.kind !== 'group-refused') return errorFrom(failure)
  const likelyCause =
    'the topic was deleted, the text beside the offset is too long, or the coordinator has trouble with its log.'
  const nextStep = 'look at the topic and at the brokers, then commit again; what was handled is not lost.'
  return new RelistenError({ code: failure.kind, what: failure.message, likelyCause, nextStep, failure })
}
