// The versions that brokers say they speak, by release of Kafka: the requests relisten and KafkaJS send, and those it would send if it could.
// 3.9 and 4.4 are read from the client libraries of those releases (`ApiMessageType`); the older ones follow the version history in the message
// definitions of Kafka's sources, and no broker of theirs was asked.

import { apiKeys } from '../actors/protocol/frames.ts'

/** Api key, first and last version. */
export type VersionTable = readonly (readonly [apiKey: number, least: number, most: number])[]

const table = (versions: { readonly [Name in keyof typeof apiKeys]?: readonly [number, number] }): VersionTable =>
  Object.entries(versions).map(([name, [least, most]]) => [apiKeys[name as keyof typeof apiKeys], least, most] as const)

export const kafkaVersions = {
  '2.3': table({
    ...{ produce: [0, 7], initProducerId: [0, 1] },
    describeGroups: [0, 3],
    ...{ fetch: [0, 11], listOffsets: [0, 5], metadata: [0, 8], offsetCommit: [0, 7], offsetFetch: [0, 5] },
    ...{ findCoordinator: [0, 2], joinGroup: [0, 5], heartbeat: [0, 3], leaveGroup: [0, 2], syncGroup: [0, 3] },
    ...{ saslHandshake: [0, 1], apiVersions: [0, 2], offsetForLeaderEpoch: [0, 3], saslAuthenticate: [0, 1] },
  }),
  '2.4': table({
    ...{ produce: [0, 8], initProducerId: [0, 2] },
    describeGroups: [0, 5],
    ...{ fetch: [0, 11], listOffsets: [0, 5], metadata: [0, 9], offsetCommit: [0, 8], offsetFetch: [0, 6] },
    ...{ findCoordinator: [0, 3], joinGroup: [0, 6], heartbeat: [0, 4], leaveGroup: [0, 4], syncGroup: [0, 4] },
    ...{ saslHandshake: [0, 1], apiVersions: [0, 3], offsetForLeaderEpoch: [0, 3], saslAuthenticate: [0, 1] },
  }),
  '2.8': table({
    ...{ produce: [0, 9], initProducerId: [0, 4] },
    describeGroups: [0, 5],
    ...{ fetch: [0, 12], listOffsets: [0, 6], metadata: [0, 11], offsetCommit: [0, 8], offsetFetch: [0, 7] },
    ...{ findCoordinator: [0, 3], joinGroup: [0, 7], heartbeat: [0, 4], leaveGroup: [0, 4], syncGroup: [0, 5] },
    ...{ saslHandshake: [0, 1], apiVersions: [0, 3], offsetForLeaderEpoch: [0, 4], saslAuthenticate: [0, 2] },
  }),
  '3.9': table({
    ...{ produce: [0, 11], initProducerId: [0, 5] },
    describeGroups: [0, 5],
    ...{ fetch: [0, 17], listOffsets: [0, 9], metadata: [0, 12], offsetCommit: [0, 9], offsetFetch: [0, 9] },
    ...{ findCoordinator: [0, 6], joinGroup: [0, 9], heartbeat: [0, 4], leaveGroup: [0, 5], syncGroup: [0, 5] },
    ...{ saslHandshake: [0, 1], apiVersions: [0, 4], offsetForLeaderEpoch: [0, 4], saslAuthenticate: [0, 2] },
  }),
  '4.4': table({
    ...{ produce: [3, 13], initProducerId: [0, 6] },
    describeGroups: [0, 6],
    ...{ fetch: [4, 18], listOffsets: [1, 11], metadata: [0, 13], offsetCommit: [2, 10], offsetFetch: [1, 10] },
    ...{ findCoordinator: [0, 6], joinGroup: [0, 9], heartbeat: [0, 4], leaveGroup: [0, 5], syncGroup: [0, 5] },
    ...{ saslHandshake: [0, 1], apiVersions: [0, 5], offsetForLeaderEpoch: [2, 4], saslAuthenticate: [0, 2] },
  }),
} as const satisfies Record<string, VersionTable>

/** The body of an answer to ApiVersions, version 1 or 2. */
export function apiVersionsBody(versions: VersionTable, error = 0): Buffer {
  const body = Buffer.alloc(2 + 4 + versions.length * 6 + 4)
  body.writeInt16BE(error, 0)
  body.writeInt32BE(versions.length, 2)
  for (const [index, numbers] of versions.entries()) {
    for (const [field, number] of numbers.entries()) body.writeInt16BE(number, 6 + index * 6 + field * 2)
  }
  return body
}

export const isSpoken = (versions: VersionTable, apiKey: number, version: number): boolean =>
  versions.some(([key, least, most]) => key === apiKey && least <= version && version <= most)
