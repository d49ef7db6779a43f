/** The requests by which a cluster is changed, each in a version that brokers 2.4 to 4.x speak. Error codes in an answer stay data. */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { FrameReader } from '../protocol/frames.ts'
import { type Call, callOf } from './calls.ts'
import { Encoder } from './parts.cjs'

/** Kafka's numbers of requests that KafkaJS does not know, or can't write in full. */
const apiKeys = { electLeaders: 43, incrementalAlterConfigs: 44, alterPartitionReassignments: 45 } as const

/** Kafka's numbers for things that have a configuration. */
export const resourceTypes = { topic: 2, broker: 4 } as const

/** How long the controller may take, in milliseconds. */
const controllerMs = 5000
/** Whom an election makes the leader: the first replica. The other kind may lose messages. */
const preferredElection = 0
const operations = { set: 0, delete: 1 } as const

/** The replicas that a partition is to have; null ends what is under way. */
export interface ReplicaChange extends TopicPartition {
  readonly replicas: readonly number[] | null
}

export interface PartitionError extends TopicPartition {
  readonly errorCode: number
}

/** What has a configuration. The broker with the name '' stands for all of them: their dynamic default. */
export interface ConfigResource {
  readonly type: keyof typeof resourceTypes
  readonly name: string
}

/** A new value; null deletes it, and what stands behind it is in force again. */
export interface ConfigChange extends ConfigResource {
  readonly config: string
  readonly value: string | null
}

/** Where a value comes from: set on the topic or broker itself, on all brokers, in a broker's file, or Kafka's own. */
export type ConfigSource = 'topic' | 'broker' | 'all-brokers' | 'file' | 'default'
const sources: Readonly<Record<number, ConfigSource>> = { 1: 'topic', 2: 'broker', 3: 'all-brokers', 4: 'file' }

export interface ConfigEntry extends ConfigResource {
  readonly config: string
  readonly value: string | null
  readonly source: ConfigSource
}

export interface DescribedConfigs {
  readonly errorCode: number
  readonly resource: ConfigResource
  readonly entries: readonly ConfigEntry[]
}

export const changeCalls = {
  /** AlterPartitionReassignments in version 0: KafkaJS can't write null, and throws where one partition of many is refused. */
  alterReassignments: (
    changes: readonly ReplicaChange[],
  ): Call<{ readonly errorCode: number; readonly partitions: readonly PartitionError[] }> => ({
    ...{ apiKey: apiKeys.alterPartitionReassignments, apiVersion: 0 },
    encode: async () =>
      new Encoder()
        .writeUVarIntBytes() // tags of the header
        .writeInt32(controllerMs)
        .writeUVarIntArray(byTopic(changes).map(encodeReassignments))
        .writeUVarIntBytes(),
    decode: async (body) => readReassignments(body),
  }),
  /** ElectLeaders in version 1: the first replica of each becomes its leader. */
  electPreferred: (
    partitions: readonly TopicPartition[],
  ): Call<{ readonly errorCode: number; readonly partitions: readonly PartitionError[] }> => ({
    ...{ apiKey: apiKeys.electLeaders, apiVersion: 1 },
    encode: async () =>
      new Encoder()
        .writeInt8(preferredElection)
        .writeArray(byTopic(partitions).map(encodeElections))
        .writeInt32(controllerMs),
    decode: async (body) => readElections(body),
  }),
  /** IncrementalAlterConfigs in version 0, which leaves alone what it does not name; AlterConfigs would reset it. */
  alterConfigs: (
    changes: readonly ConfigChange[],
  ): Call<
    readonly { readonly errorCode: number; readonly message: string | null; readonly resource: ConfigResource }[]
  > => ({
    ...{ apiKey: apiKeys.incrementalAlterConfigs, apiVersion: 0 },
    encode: async () => new Encoder().writeArray(byResource(changes).map(encodeConfigs)).writeBoolean(false),
    decode: async (body) => readAltered(body),
  }),
  /** What is in force for topics, or for the one broker that is asked, and where that comes from. */
  describeConfigs: (
    resources: readonly ConfigResource[],
    configNames: readonly string[],
  ): Call<readonly DescribedConfigs[]> => {
    const call = callOf<ConfigsAnswer>('DescribeConfigs', 2, {
      resources: resources.map(({ type, name }) => ({ type: resourceTypes[type], name, configNames })),
    })
    return { ...call, decode: async (body) => described(await call.decode(body)) }
  },
}

interface ConfigsAnswer {
  readonly resources: readonly {
    readonly errorCode: number
    readonly resourceType: number
    readonly resourceName: string
    readonly configEntries: readonly {
      readonly configName: string
      readonly configValue: string | null
      readonly configSource: number
    }[]
  }[]
}

const described = ({ resources }: ConfigsAnswer): DescribedConfigs[] =>
  resources.map(({ errorCode, resourceType, resourceName, configEntries }) => {
    const resource = resourceOf(resourceType, resourceName)
    const entries = configEntries.map(({ configName, configValue, configSource }): ConfigEntry => {
      return { ...resource, config: configName, value: configValue, source: sources[configSource] ?? 'default' }
    })
    return { errorCode, resource, entries }
  })

const resourceOf = (type: number, name: string): ConfigResource => ({
  type: type === resourceTypes.topic ? 'topic' : 'broker',
  name,
})

function grouped<Item>(items: readonly Item[], nameOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(nameOf(item), [...(groups.get(nameOf(item)) ?? []), item])
  return groups
}

const byTopic = <Place extends TopicPartition>(places: readonly Place[]) => [...grouped(places, ({ topic }) => topic)]

const byResource = (changes: readonly ConfigChange[]) => [
  ...grouped(changes, ({ type, name }) => `${type} ${name}`).values(),
]

const encodeReassignments = ([topic, changes]: readonly [string, readonly ReplicaChange[]]) =>
  new Encoder()
    .writeUVarIntString(topic)
    .writeUVarIntArray(
      changes.map(({ partition, replicas }) => {
        const encoder = new Encoder().writeInt32(partition)
        if (replicas === null) encoder.writeUVarInt(0)
        else encoder.writeUVarIntArray(replicas.map((id) => new Encoder().writeInt32(id)))
        return encoder.writeUVarIntBytes()
      }),
    )
    .writeUVarIntBytes()

const encodeElections = ([topic, places]: readonly [string, readonly TopicPartition[]]) =>
  new Encoder().writeString(topic).writeArray(places.map(({ partition }) => new Encoder().writeInt32(partition)))

const encodeConfigs = (changes: readonly ConfigChange[]) => {
  const [{ type, name } = { type: 'broker', name: '' } as const] = changes
  return new Encoder()
    .writeInt8(resourceTypes[type])
    .writeString(name)
    .writeArray(
      changes.map(({ config, value }) =>
        new Encoder()
          .writeString(config)
          .writeInt8(value === null ? operations.delete : operations.set)
          .writeString(value),
      ),
    )
}

function readReassignments(body: Buffer) {
  const reader = new FrameReader(body, 0)
  reader.tags()
  reader.skip(4) // throttle
  const errorCode = reader.int16()
  reader.compactString() // message
  const partitions: PartitionError[] = []
  reader.compactArray(() => {
    const topic = reader.compactString() ?? ''
    reader.compactArray(() => {
      partitions.push({ topic, partition: reader.int32(), errorCode: reader.int16() })
      reader.compactString() // message
      reader.tags()
    })
    reader.tags()
  })
  return { errorCode, partitions }
}

function readElections(body: Buffer) {
  const reader = new FrameReader(body, 0)
  reader.skip(4) // throttle
  const errorCode = reader.int16()
  const partitions: PartitionError[] = []
  reader.partitions((topic) => {
    partitions.push({ topic, partition: reader.int32(), errorCode: reader.int16() })
    reader.string() // message
  })
  return { errorCode, partitions }
}

function readAltered(body: Buffer) {
  const reader = new FrameReader(body, 0)
  reader.skip(4) // throttle
  const altered: { errorCode: number; message: string | null; resource: ConfigResource }[] = []
  reader.array(() => {
    const [errorCode, message] = [reader.int16(), reader.string()]
    altered.push({ errorCode, message, resource: resourceOf(reader.int8(), reader.string() ?? '') })
  })
  return altered
}
