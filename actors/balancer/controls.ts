/** What an execution asks of a cluster. Each request has a deadline and rejects at it; one that changes something goes out once. */

import { setMaxListeners } from 'node:events'
import type { Topology } from '../../machines/balancer/model.ts'
import { FailureError } from '../../machines/failure.ts'
import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Call, encodeCall } from '../kafkajs/calls.ts'
import {
  type ConfigChange,
  type ConfigEntry,
  type ConfigResource,
  changeCalls,
  type PartitionError,
  type ReplicaChange,
} from '../kafkajs/change-calls.ts'
import { loadCalls } from '../kafkajs/load-calls.ts'
import { answerHeaderBytes, errorCodes } from '../protocol/frames.ts'
import { deadline } from '../time/deadline.ts'
import { timeLimit } from '../time/time-limit.ts'
import type { Delivery } from '../wire/in-flight-requests.ts'
import { LinkPool, type LinkPoolOptions } from '../wire/link-pool.ts'
import { readTopology } from './topology.ts'

export interface Controls {
  topology(): Promise<Topology>
  /** Kafka's error per partition, by `partitionKey`; 0 where it was accepted. */
  reassign(changes: readonly ReplicaChange[]): Promise<ReadonlyMap<string, number>>
  /** Makes the first replica the leader. Kafka's error per partition, by `partitionKey`; 0 where it was elected. */
  elect(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, number>>
  /** The bytes of each replica of this broker, by `partitionKey`. */
  sizes(nodeId: number): Promise<ReadonlyMap<string, number>>
  /** What is in force; of a broker by the broker itself. */
  configs(resources: readonly ConfigResource[], names: readonly string[]): Promise<readonly ConfigEntry[]>
  /** Changes the configuration of one thing; of a broker by the broker itself. Rejects where it is refused. */
  configure(resource: ConfigResource, config: string, value: string | null): Promise<void>
  /** Ends its connections; what waits is rejected. */
  close(): void
}

/** How long a request may take, in milliseconds. */
const askMs = 10_000
/** How long one that changes something may take, in milliseconds: it goes out once, and may be lost with its connection. */
const changeMs = 3000
/** A node may be silent for so long before its connection is suspected, in milliseconds. */
const silenceMs = 1000

export interface KafkaControlsOptions extends Pick<LinkPoolOptions, 'dial'> {
  readonly cluster: Cluster
  readonly clientId: string
}

export class KafkaControls implements Controls {
  private readonly options: KafkaControlsOptions
  private readonly links: LinkPool
  private readonly closing = new AbortController()

  constructor(options: KafkaControlsOptions) {
    this.options = options
    // Every request listens to it.
    setMaxListeners(0, this.closing.signal)
    this.links = new LinkPool({ ...options, holdMs: askMs, emit: () => {} }, () => {})
  }

  topology(): Promise<Topology> {
    const { cluster, clientId } = this.options
    return this.inTime(async (signal) => {
      await cluster.ready(signal)
      return readTopology((frame) => cluster.ask(frame, signal), clientId, signal)
    })
  }

  async reassign(changes: readonly ReplicaChange[]) {
    const { errorCode, partitions } = await this.change(this.controller(), changeCalls.alterReassignments(changes))
    return errorsOf(changes, errorCode, partitions)
  }

  async elect(places: readonly TopicPartition[]) {
    const { errorCode, partitions } = await this.change(this.controller(), changeCalls.electPreferred(places))
    return errorsOf(places, errorCode, partitions)
  }

  async sizes(nodeId: number) {
    const { errorCode, replicas } = await this.ask(nodeId, loadCalls.replicaSizes(), 'again')
    if (replicas.length === 0) refuse(errorCode, 'the sizes of its replicas')
    return new Map(replicas.map((replica) => [partitionKey(replica), replica.size]))
  }

  async configs(resources: readonly ConfigResource[], names: readonly string[]) {
    const found: ConfigEntry[] = []
    const topics = resources.filter(({ type }) => type === 'topic')
    const brokers = resources.filter(({ type }) => type === 'broker')
    const asked = [...(topics.length > 0 ? [topics] : []), ...brokers.map((each) => [each])]
    for (const some of asked) {
      const [first] = some
      if (!first) continue
      const described = await this.ask(this.nodeOf(first), changeCalls.describeConfigs(some, names), 'again')
      for (const { errorCode, entries } of described) {
        // A topic that was deleted has no settings.
        if (errorCode === errorCodes.unknownTopicOrPartition) continue
        refuse(errorCode, 'a configuration')
        found.push(...entries)
      }
    }
    return found
  }

  async configure(resource: ConfigResource, config: string, value: string | null) {
    const change: ConfigChange = { ...resource, config, value }
    const altered = await this.change(this.nodeOf(resource), changeCalls.alterConfigs([change]))
    for (const { errorCode, message } of altered) {
      const isGone = errorCode === errorCodes.unknownTopicOrPartition && value === null
      if (!isGone) refuse(errorCode, `a new value of ${config}${message === null ? '' : ` (${message})`}`)
    }
  }

  close(): void {
    this.closing.abort(failed('the execution has ended'))
    this.links.close()
  }

  /** Brokers before KRaft take changes from their controller only; since then any broker passes them on. */
  private controller(): number {
    const { cluster } = this.options
    const controllerId = cluster.newest()?.controllerId ?? -1
    return cluster.book.names(controllerId) ? controllerId : this.anyNode()
  }

  private nodeOf({ type, name }: ConfigResource): number {
    return type === 'broker' && name !== '' ? Number(name) : this.anyNode()
  }

  private anyNode(): number {
    const present = this.options.cluster.book.entries().find((entry) => entry.present)
    if (!present) throw failed('no broker is known')
    return present.nodeId
  }

  private change<Answer>(nodeId: number, call: Call<Answer>): Promise<Answer> {
    return this.ask(nodeId, call, 'once')
  }

  private async ask<Answer>(nodeId: number, call: Call<Answer>, delivery: Delivery): Promise<Answer> {
    const frame = await encodeCall(call, this.options.clientId)
    const answer = await this.inTime(
      (signal) => this.links.controlLink(nodeId).send(frame, silenceMs, { signal, delivery }),
      delivery === 'once' ? changeMs : askMs,
    )
    return call.decode(answer.subarray(answerHeaderBytes))
  }

  private async inTime<Value>(work: (signal: AbortSignal) => Promise<Value>, limitMs = askMs): Promise<Value> {
    const { signal } = this.closing
    const limit = timeLimit(limitMs, signal)
    const late = () => {
      throw signal.aborted ? signal.reason : failed(`The cluster did not respond within ${limitMs} ms`)
    }
    try {
      return await deadline(work(limit.signal), limitMs, late, signal)
    } finally {
      limit.abort()
    }
  }
}

/** An error of the whole request stands for each partition that has none of its own. */
function errorsOf(
  asked: readonly TopicPartition[],
  errorCode: number,
  partitions: readonly PartitionError[],
): ReadonlyMap<string, number> {
  const errors = new Map(asked.map((place) => [partitionKey(place), errorCode]))
  for (const each of partitions) errors.set(partitionKey(each), each.errorCode || errorCode)
  return errors
}

function refuse(errorCode: number, what: string): void {
  if (errorCode !== errorCodes.none) throw failed(`asking for ${what} gave Kafka's error ${errorCode}`, errorCode)
}

const failed = (message: string, code?: number): FailureError =>
  new FailureError({ kind: 'unreachable', message, ...(code === undefined ? {} : { code: String(code) }) })
