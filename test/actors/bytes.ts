// Kafka's primitive types as bytes, written by hand so that nothing of what is tested builds its own input.

const int8 = (value: number): Buffer => Buffer.from([value & 0xff])

export const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export const int64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}

export const text = (value: string | null): Buffer =>
  value === null ? int16(-1) : Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])

/** The body of an answer to be told by its name; Kafka's begin with a throttle time. */
export const namedBody = (name: string): Buffer => Buffer.concat([int32(0), text(name)])

export const list = (items: readonly Buffer[]): Buffer => Buffer.concat([int32(items.length), ...items])

/** An answer with its length and correlation id. */
export const answerFrame = (correlation: number, ...body: Buffer[]): Buffer => framed(int32(correlation), ...body)

/** A request with its length and header. */
export const requestFrame = (apiKey: number, version: number, correlation: number, ...body: Buffer[]): Buffer =>
  framed(int16(apiKey), int16(version), int32(correlation), text('orders-service'), ...body)

function framed(...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([int32(body.length), body])
}

export interface BrokerBytes {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack?: string
}

export interface PartitionBytes {
  readonly error?: number
  readonly partition: number
  readonly leader: number
}

export interface TopicBytes {
  readonly error?: number
  readonly topic: string
  readonly partitions: readonly PartitionBytes[]
}

/** The body of a metadata answer, version 6. */
export function metadataBody(
  clusterId: string | null,
  brokers: readonly BrokerBytes[],
  topics: readonly TopicBytes[] = [],
): Buffer {
  const broker = ({ nodeId, host, port, rack }: BrokerBytes) =>
    Buffer.concat([int32(nodeId), text(host), int32(port), text(rack ?? null)])
  const partition = ({ error = 0, partition, leader }: PartitionBytes) =>
    Buffer.concat([
      ...[int16(error), int32(partition), int32(leader)],
      ...[list([int32(1), int32(2)]), list([int32(1)]), list([])],
    ])
  const topic = ({ error = 0, topic, partitions }: TopicBytes) =>
    Buffer.concat([int16(error), text(topic), int8(0), list(partitions.map(partition))])
  const controller = brokers[0]?.nodeId ?? -1
  return Buffer.concat([
    int32(0),
    list(brokers.map(broker)),
    text(clusterId),
    int32(controller),
    list(topics.map(topic)),
  ])
}

/** The body of a metadata answer of version 11, with one topic of one partition. */
export function topicIdsBody(id: string): Buffer {
  const compact = (value: string) => Buffer.concat([Buffer.from([value.length + 1]), Buffer.from(value)])
  const ids = (...nodes: number[]) => Buffer.concat([Buffer.from([nodes.length + 1]), ...nodes.map(int32)])
  const none = Buffer.from([0])
  const broker = Buffer.concat([int32(1), compact('10.0.0.1'), int32(9092), none, none])
  const partition = [int16(0), int32(0), int32(1), int32(7), ids(1, 2), ids(1), ids(), none]
  const topic = [
    int16(0),
    compact('orders'),
    Buffer.from(id, 'hex'),
    none,
    Buffer.from([2]),
    ...partition,
    int32(-1),
    none,
  ]
  return Buffer.concat([
    ...[none, int32(0), Buffer.from([2]), broker, compact('ours'), int32(1)],
    ...[Buffer.from([2]), ...topic, none],
  ])
}

export interface FetchedBytes {
  readonly partition: number
  readonly error?: number
  readonly highWatermark?: bigint
  readonly lastStableOffset?: bigint
  readonly aborted?: number
  readonly records?: Buffer
}

/** The body of a fetch answer. */
export function fetchBody(version: 10 | 11, topics: Readonly<Record<string, readonly FetchedBytes[]>>): Buffer {
  const partition = ({
    partition,
    error = 0,
    highWatermark = 0n,
    lastStableOffset = 0n,
    aborted = 0,
    records,
  }: FetchedBytes) =>
    Buffer.concat([
      ...[int32(partition), int16(error), int64(highWatermark), int64(lastStableOffset), int64(0n)],
      list(Array.from({ length: aborted }, () => Buffer.concat([int64(7n), int64(1n)]))),
      ...(version === 11 ? [int32(-1)] : []),
      ...[records ? Buffer.concat([int32(records.length), records]) : int32(-1)],
    ])
  const entries = Object.entries(topics).map(([topic, partitions]) =>
    Buffer.concat([text(topic), list(partitions.map(partition))]),
  )
  return Buffer.concat([int32(0), int16(0), int32(0), list(entries)])
}

/** The body of an answer to an offset fetch, version 4. */
export function offsetFetchBody(topics: Readonly<Record<string, Readonly<Record<number, bigint>>>>, error = 0): Buffer {
  const entries = Object.entries(topics).map(([topic, offsets]) =>
    Buffer.concat([
      text(topic),
      list(
        Object.entries(offsets).map(([partition, offset]) =>
          Buffer.concat([int32(Number(partition)), int64(offset), text('by us'), int16(0)]),
        ),
      ),
    ]),
  )
  return Buffer.concat([int32(0), list(entries), int16(error)])
}
