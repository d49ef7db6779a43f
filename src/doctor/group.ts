/** What the doctor sees of a consumer group, without joining it. */

import type { HeldConnection } from '../../actors/connection/connection.ts'
import { calls } from '../../actors/kafkajs/calls.ts'
import { errorCodes, passingErrors } from '../../actors/protocol/frames.ts'
import { sleep } from '../../actors/time/sleep.ts'
import { messageOf } from '../../machines/failure.ts'
import { type Finding, finding } from './finding.ts'
import { asked } from './question.ts'

export interface GroupView {
  readonly groupId: string
  /** Its coordinator; null where none was found. */
  readonly coordinator: number | null
  /** Kafka's word: Empty, Stable, PreparingRebalance, CompletingRebalance, Dead. */
  readonly state: string | null
  readonly protocol: string | null
  readonly members: readonly { readonly memberId: string; readonly clientId: string; readonly clientHost: string }[]
  readonly findings: readonly Finding[]
}

/** A state that passes by itself is looked at so often, and so many milliseconds apart. */
const looks = 6
const betweenMs = 500

/** `connections` are to brokers, by node id. Never rejects. */
export async function lookAtGroup(
  groupId: string,
  connections: ReadonlyMap<number, HeldConnection>,
): Promise<GroupView> {
  const nothing = { groupId, coordinator: null, state: null, protocol: null, members: [] }
  try {
    const found = await untilSettled(
      () => coordinatorOf(groupId, connections),
      ({ errorCode }) => passingErrors.has(errorCode),
    )
    const {
      errorCode,
      coordinator: { nodeId },
    } = found
    if (errorCode === errorCodes.groupAuthorizationFailed)
      return { ...nothing, findings: [denied(groupId, 'DESCRIBE')] }
    if (errorCode !== errorCodes.none)
      return {
        ...nothing,
        findings: [finding('coordinator-missing', `group ${groupId} has no coordinator (Kafka's error ${errorCode})`)],
      }
    const connection = connections.get(nodeId)
    if (!connection) {
      const what = `group ${groupId} is coordinated by node ${nodeId}, which can't be reached`
      return { ...nothing, coordinator: nodeId, findings: [finding('coordinator-missing', what)] }
    }
    return { ...nothing, coordinator: nodeId, ...(await described(groupId, connection)) }
  } catch (error) {
    return { ...nothing, findings: [finding('unanswered', `group ${groupId}: ${messageOf(error)}`)] }
  }
}

async function coordinatorOf(groupId: string, connections: ReadonlyMap<number, HeldConnection>) {
  let failed: unknown = new Error('no broker can be asked')
  for (const connection of connections.values()) {
    try {
      return await asked(connection, calls.findCoordinator(groupId))
    } catch (error) {
      failed = error
    }
  }
  throw failed
}

async function described(groupId: string, connection: HeldConnection) {
  const group = await untilSettled(
    async () => (await asked(connection, calls.describeGroup(groupId))).groups[0] ?? absent,
    ({ errorCode, state }) => passingErrors.has(errorCode) || /Rebalance/.test(state),
  )
  const { errorCode, state, protocolType, protocol, members } = group
  const findings: Finding[] = []
  // Only members may beat. Who has no right to READ the group hears that first.
  const beat = await asked(connection, calls.heartbeat({ groupId, memberId: 'relisten-doctor', generation: -1 }))
  if (errorCode === errorCodes.groupAuthorizationFailed) findings.push(denied(groupId, 'DESCRIBE'))
  else if (beat.errorCode === errorCodes.groupAuthorizationFailed) findings.push(denied(groupId, 'READ'))
  else if (errorCode !== errorCodes.none)
    findings.push(
      finding('coordinator-missing', `the coordinator of group ${groupId} gives Kafka's error ${errorCode}`),
    )
  if (protocolType !== '' && protocolType !== 'consumer')
    findings.push(finding('group-of-others', `group ${groupId} is used as "${protocolType}"`))
  if (/Rebalance/.test(state))
    findings.push(finding('group-rebalancing', `group ${groupId} is in ${state} for ${(looks * betweenMs) / 1000} s`))
  const shown = members.map(({ memberId, clientId, clientHost }) => ({ memberId, clientId, clientHost }))
  return { state, protocol, members: shown, findings }
}

const absent = { errorCode: 0, state: 'Dead', protocolType: '', protocol: '', members: [] }

const denied = (groupId: string, operation: string): Finding =>
  finding('group-denied', `this user may not ${operation} group ${groupId}`)

/** Asks again while what is seen may pass. */
async function untilSettled<Seen>(look: () => Promise<Seen>, isPassing: (seen: Seen) => boolean): Promise<Seen> {
  let seen = await look()
  for (let more = 1; more < looks && isPassing(seen); more++) {
    await sleep(betweenMs)
    seen = await look()
  }
  return seen
}
