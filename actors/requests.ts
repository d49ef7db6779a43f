/** Requests of KafkaJS's on their way to a broker: changed where a broker should hear something else. */

import { FrameReader, requestBodyOffset } from './frames.ts'

/** How long the broker may wait for something to send, written into a fetch. */
export const setMaxWait = (fetch: Buffer, maxWaitMs: number): void => {
  const replicaIdBytes = 4
  fetch.writeInt32BE(maxWaitMs, requestBodyOffset(fetch) + replicaIdBytes)
}

/** How long a broker may wait for a member that has asked for its id, in milliseconds: the default of `group.min.session.timeout.ms`. */
const idTimeoutMs = 6000

/**
 * The join of a new member, which asks for no more than an id (KIP-394). A broker holds every rebalance for the member it
 * names, for the session timeout of this request; if the answer is lost, nobody knows that id. So the copy asks for the
 * shortest session brokers allow by default. Undefined when the member has its id.
 */
export function idRequest(join: Buffer): Buffer | undefined {
  const reader = new FrameReader(join, requestBodyOffset(join))
  reader.string() // group
  const at = reader.at
  const sessionTimeoutMs = reader.int32()
  reader.int32() // rebalance timeout
  if (reader.string() !== '') return undefined
  const request = Buffer.from(join)
  request.writeInt32BE(Math.min(sessionTimeoutMs, idTimeoutMs), at)
  return request
}
