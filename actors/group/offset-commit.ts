/** One commit request: offsets under a member and its generation, and what became of each partition. */

import type { Failure } from '../../machines/failure.ts'
import { commitChannel } from '../diagnostics/channels.ts'
import { calls, type GroupMember, type Offsets } from '../kafkajs/calls.ts'
import { fromKafkaJs } from '../kafkajs/failure.ts'
import { errorCodes } from '../protocol/frames.ts'
import { refusalOf } from './commit-rejection.ts'
import type { Coordinator } from './coordinator.ts'

/** Resolves with the error code of each partition, in the order asked. Rejects with a ConnectionError when no coordinator answers within `withinMs`. */
export async function commitOffsets(
  coordinator: Coordinator,
  member: GroupMember,
  offsets: Offsets,
  withinMs: number,
): Promise<number[]> {
  if (!commitChannel.hasSubscribers) return send(coordinator, member, offsets, withinMs)
  const startedAt = performance.now()
  const over = (failure?: Failure): void => {
    const { groupId } = member
    const partitions = offsets.reduce((sum, topic) => sum + topic.partitions.length, 0)
    commitChannel.publish({ groupId, partitions, tookMs: performance.now() - startedAt, failure })
  }
  try {
    const codes = await send(coordinator, member, offsets, withinMs)
    const refused = codes.find((code) => code !== errorCodes.none)
    over(refused === undefined ? undefined : refusalOf(refused))
    return codes
  } catch (error) {
    over(fromKafkaJs(error))
    throw error
  }
}

async function send(
  coordinator: Coordinator,
  member: GroupMember,
  offsets: Offsets,
  withinMs: number,
): Promise<number[]> {
  const { responses } = await coordinator.call(
    calls.offsetCommit(member, offsets),
    (answer) => answer.responses[0]?.partitions[0]?.errorCode ?? errorCodes.none,
    { withinMs, silenceMs: 500 },
  )
  const codes = responses.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, errorCode }) => [`${topic}/${partition}`, errorCode] as const),
  )
  const byPartition = new Map(codes)
  return offsets.flatMap(({ topic, partitions }) =>
    // Whatever the answer leaves out is not known to be committed.
    partitions.map(({ partition }) => byPartition.get(`${topic}/${partition}`) ?? errorCodes.unknownServerError),
  )
}
