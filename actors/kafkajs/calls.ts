/** The requests relisten sends by itself, as KafkaJS encodes them. */

import { readApiVersions, type SpokenVersions } from '../protocol/versions.ts'
import { createRequest, Encoder, protocol } from './parts.cjs'

/** A request of our own: how it is written and how its answer is read. Error codes in an answer stay data. */
export interface Call<Answer> {
  readonly apiKey: number
  readonly apiVersion: number
  encode(): Promise<unknown>
  /** Reads the answer's body: what follows the correlation id. */
  decode(body: Buffer): Promise<Answer>
}

/** The bytes of a request with its header and length. The connection puts its own correlation id in. */
export async function encodeCall(call: Call<unknown>, clientId: string): Promise<Buffer> {
  return (await createRequest({ correlationId: 0, clientId, request: call })).buffer
}

/** A metadata answer as KafkaJS reads it. */
export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly clusterId: string
  readonly controllerId: number
}

/** The requests relisten sends by itself, each in a version that brokers 2.4 to 4.x speak. */
export const calls = {
  /** Version 2, the last one with an answer that is read without knowing what the broker speaks. KafkaJS reads it only where nothing is wrong. */
  apiVersions: (): Call<SpokenVersions> => ({
    ...callOf<SpokenVersions>('ApiVersions', 2, {}),
    decode: async (body) => readApiVersions(body),
  }),
  /** The brokers and nothing else: KafkaJS would ask for all topics. */
  metadata: (): Call<MetadataAnswer> => ({
    ...callOf<MetadataAnswer>('Metadata', 6, { topics: [] }),
    encode: async () => new Encoder().writeArray([]).writeBoolean(false),
  }),
  findCoordinator: (groupId: string) =>
    callOf<{ errorCode: number; coordinator: { nodeId: number; host: string; port: number } }>('GroupCoordinator', 2, {
      groupId,
    }),
  heartbeat: (groupId: string, memberId: string, groupGenerationId: number) =>
    callOf<{ errorCode: number }>('Heartbeat', 3, { groupId, memberId, groupGenerationId, groupInstanceId: null }),
  offsetCommit: (
    groupId: string,
    memberId: string,
    groupGenerationId: number,
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; offset: string; metadata?: string | null }[]
    }[],
  ) =>
    callOf<{
      responses: readonly { topic: string; partitions: readonly { partition: number; errorCode: number }[] }[]
    }>('OffsetCommit', 5, { groupId, memberId, groupGenerationId, topics }),
  leaveGroup: (groupId: string, memberId: string) =>
    callOf<{ errorCode: number; members?: readonly { errorCode: number }[] }>('LeaveGroup', 3, { groupId, memberId }),
}

function callOf<Answer>(name: string, version: number, payload: Record<string, unknown>): Call<Answer> {
  const found = protocol.requests[name]
  if (!found) throw new Error(`KafkaJS has no request ${name}: is another version of it installed than 2.2.4?`)
  const { request, response } = found.protocol({ version })(payload)
  return {
    apiKey: request.apiKey,
    apiVersion: version,
    encode: () => request.encode(),
    decode: (body) => response.decode(body),
  }
}
