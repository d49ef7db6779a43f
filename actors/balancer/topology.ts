/** Who is in a cluster and who holds what, with the reassignments that are under way: two questions that any broker answers. */

import type { Reassignment, Topology } from '../../machines/balancer/model.ts'
import { FailureError } from '../../machines/failure.ts'
import { type Call, callOf, encodeCall } from '../kafkajs/calls.ts'
import { answerHeaderBytes, errorCodes } from '../protocol/frames.ts'

/** Sends a request to any broker, by a deadline of its own; as `Cluster.ask`. */
export type Ask = (frame: Buffer, signal?: AbortSignal) => Promise<Buffer>

/** All topics: KafkaJS writes an empty list as null. */
const everything = { topics: [], allowAutoTopicCreation: false }

interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly rack: string | null }[]
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number
    readonly topic: string
    readonly isInternal: boolean
    readonly partitionMetadata: readonly {
      readonly partitionId: number
      readonly leader: number
      readonly replicas: readonly number[]
      readonly isr: readonly number[]
    }[]
  }[]
}

interface ReassignmentsAnswer {
  readonly errorCode: number
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partition: number
      readonly addingReplicas: readonly number[]
      readonly removingReplicas: readonly number[]
    }[]
  }[]
}

/**
 * Reads a cluster. Topics that are just being made or deleted, and those that this user may not describe, are left out. Rejects with a
 * FailureError where no broker responds, and where reassignments are not listed, which takes DESCRIBE on the cluster.
 */
export async function readTopology(ask: Ask, clientId: string, signal?: AbortSignal): Promise<Topology> {
  const put = async <Answer>(call: Call<Answer>): Promise<Answer> => {
    const frame = await ask(await encodeCall(call, clientId), signal)
    return call.decode(frame.subarray(answerHeaderBytes))
  }
  // In this order: what begins in between is pinned as under way, and its replicas are still those of before.
  const metadata = await put(callOf<MetadataAnswer>('Metadata', 6, everything))
  const listed = await put(callOf<ReassignmentsAnswer>('ListPartitionReassignments', 0, {}))
  if (listed.errorCode !== errorCodes.none) throw new FailureError(refusal(listed.errorCode))
  const described = metadata.topicMetadata.filter(({ topicErrorCode }) => topicErrorCode === errorCodes.none)
  return {
    brokers: metadata.brokers.map(({ nodeId, rack }) => ({ id: nodeId, rack })),
    partitions: described.flatMap(({ topic, isInternal, partitionMetadata }) =>
      partitionMetadata.map(({ partitionId, leader, replicas, isr }) => {
        return { topic, partition: partitionId, replicas, isr, leader, isInternal }
      }),
    ),
    underWay: listed.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partition, addingReplicas, removingReplicas }): Reassignment => {
        return { topic: name, partition, adding: addingReplicas, removing: removingReplicas }
      }),
    ),
  }
}

function refusal(code: number) {
  if (code !== errorCodes.clusterAuthorizationFailed)
    return {
      kind: 'unreachable',
      message: `Reassignments could not be listed, error ${code}`,
      code: String(code),
    } as const
  const message = 'this user may not list reassignments (ACL Describe on the cluster)'
  return { kind: 'not-authorized', message, code: 'CLUSTER_AUTHORIZATION_FAILED' } as const
}
