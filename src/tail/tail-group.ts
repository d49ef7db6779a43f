/** The group of a tail: one of its own, which goes with it, or one that the user named. */

import { randomBytes } from 'node:crypto'
import { calls } from '../../actors/kafkajs/calls.ts'
import { errorCodes } from '../../actors/protocol/frames.ts'
import { sleep } from '../../actors/time/sleep.ts'
import { type Connections, type ConnectionsOptions, connectBrokers } from '../doctor/connections.ts'
import { asked } from '../doctor/question.ts'

export const throwawayName = (): string => `relisten-tail-${randomBytes(6).toString('hex')}`

/** How many members it has. */
export async function membersOf(groupId: string, connections: Connections): Promise<number> {
  const coordinator = await connections.coordinatorOf(groupId)
  const [group] = (await asked(coordinator, calls.describeGroup(groupId))).groups
  return group?.members.length ?? 0
}

const tries = 10
const betweenMs = 200

/** Deletes it once its member has left; resolves with why it is still there, if it is. The brokers may have moved meanwhile. */
export async function deleteGroup(groupId: string, options: ConnectionsOptions): Promise<string | undefined> {
  let errorCode = -1
  try {
    using connections = await connectBrokers(options)
    for (let attempt = 1; attempt <= tries; attempt++) {
      const coordinator = await connections.coordinatorOf(groupId)
      errorCode = (await asked(coordinator, calls.deleteGroup(groupId))).results[0]?.errorCode ?? -1
      if (errorCode === errorCodes.none || errorCode === errorCodes.groupIdNotFound) return undefined
      if (errorCode !== errorCodes.nonEmptyGroup) break
      await sleep(betweenMs)
    }
    return `Kafka's error ${errorCode}`
  } catch (error) {
    return (error as Error).message
  }
}
