/** Superseded: another process has joined as the same static member. */

import type { Failure } from '../../machines/failure.ts'

/** The code of the failure: Kafka's name for its error 82. */
export const superseded = 'FENCED_INSTANCE_ID'

export const supersededBy = (groupId: string, groupInstanceId: string | undefined): Failure => {
  const message = `Another process has joined group ${groupId} with the groupInstanceId ${groupInstanceId}`
  return { kind: 'group-refused', message, code: superseded }
}
