/** Connections to all brokers that can be reached, for a few questions. */

import { createSource } from '../../actors/cluster/source.ts'
import { ConnectionError, type HeldConnection } from '../../actors/connection/connection.ts'
import { createDial } from '../../actors/connection/dial.ts'
import { calls } from '../../actors/kafkajs/calls.ts'
import { errorCodes } from '../../actors/protocol/frames.ts'
import { sleep } from '../../actors/time/sleep.ts'
import type { Failure } from '../../machines/failure.ts'
import { errorFrom } from '../error.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { asked } from './question.ts'

export type ConnectionsOptions = Pick<
  ResolvedOptions,
  'brokers' | 'kafka' | 'dialTimeoutMs' | 'allowEndpoint' | 'expectedIdentity' | 'lookup' | 'clusterId'
>

export interface Connections extends Disposable {
  /** By node id; at least one. */
  readonly byNode: ReadonlyMap<number, HeldConnection>
  /** To the coordinator of this group. Rejects with a RelistenError. */
  coordinatorOf(groupId: string): Promise<HeldConnection>
}

const tries = 6
const betweenMs = 500

/** Rejects with a RelistenError where no broker can be reached. */
export async function connectBrokers(options: ConnectionsOptions): Promise<Connections> {
  let clusterId = options.clusterId
  const dial = createDial({ ...options, security: options.kafka, clusterId: () => clusterId })
  const { endpoints, failure: sourceFailure } = await createSource(options.brokers).current()
  let failure: Failure = sourceFailure ?? { kind: 'unreachable', message: '`brokers` names no address' }
  // One after the other: a password that is wrong is tried once.
  for (const endpoint of endpoints) {
    try {
      const first = await dial(endpoint)
      clusterId = first.snapshot.clusterId
      const others = await Promise.allSettled(
        first.snapshot.brokers.map(
          async ({ nodeId, host, port }) => [nodeId, await dial({ host, port }, { nodeId })] as const,
        ),
      )
      const byNode = new Map(others.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])))
      const all = [first, ...byNode.values()]
      return {
        byNode,
        coordinatorOf: (groupId) => coordinatorOf(groupId, first, byNode),
        [Symbol.dispose]() {
          for (const connection of all) connection.close()
        },
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      failure = error.failure
      if (failure.kind === 'login-refused') break
    }
  }
  throw errorFrom(failure)
}

async function coordinatorOf(
  groupId: string,
  first: HeldConnection,
  byNode: ReadonlyMap<number, HeldConnection>,
): Promise<HeldConnection> {
  for (let attempt = 1; ; attempt++) {
    const { errorCode, coordinator } = await asked(first, calls.findCoordinator(groupId))
    const connection = errorCode === errorCodes.none ? byNode.get(coordinator.nodeId) : undefined
    if (connection) return connection
    if (errorCode === errorCodes.groupAuthorizationFailed) {
      const message = `this user may not use group ${groupId}`
      throw errorFrom({ kind: 'not-authorized', message, code: 'GROUP_AUTHORIZATION_FAILED' })
    }
    if (attempt >= tries)
      throw errorFrom({ kind: 'unreachable', message: `the coordinator of group ${groupId} can't be reached` })
    await sleep(betweenMs)
  }
}
