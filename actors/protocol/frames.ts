/** Frames of Kafka's protocol: length, header, body. A header is api key, version, correlation id and client id; in an answer the correlation id. */

/** The request kinds that a wire treats by name. */
export const apiKeys = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  describeGroups: 15,
  saslHandshake: 17,
  apiVersions: 18,
  createTopics: 19,
  deleteTopics: 20,
  initProducerId: 22,
  offsetForLeaderEpoch: 23,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
  describeAcls: 29,
  createAcls: 30,
  deleteAcls: 31,
  describeConfigs: 32,
  alterConfigs: 33,
  saslAuthenticate: 36,
  createPartitions: 37,
  deleteGroups: 42,
  alterPartitionReassignments: 45,
  listPartitionReassignments: 46,
} as const

/** Kafka's error codes that relisten decides on. */
export const errorCodes = {
  unknownServerError: -1,
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  invalidTopic: 17,
  invalidGroupId: 24,
  unknownMemberId: 25,
  invalidSessionTimeout: 26,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  illegalSaslState: 34,
  topicAlreadyExists: 36,
  invalidPartitions: 37,
  notController: 41,
  concurrentTransactions: 51,
  saslAuthenticationFailed: 58,
  nonEmptyGroup: 68,
  groupIdNotFound: 69,
  fencedInstanceId: 82,
  unstableOffsetCommit: 88,
} as const

/** Errors about a coordinator that pass by themselves: it loads, is not chosen yet, or is elsewhere. */
export const passingErrors: ReadonlySet<number> = new Set([
  errorCodes.coordinatorLoadInProgress,
  errorCodes.coordinatorNotAvailable,
  errorCodes.notCoordinator,
])

const correlationOffset = { request: 8, answer: 4 } as const

/** The length and header of an answer: its body begins here. */
export const answerHeaderBytes = 8

export const apiKeyOf = (request: Buffer): number => request.readInt16BE(4)
export const apiVersionOf = (request: Buffer): number => request.readInt16BE(6)
export const correlationOf = (kind: 'request' | 'answer', frame: Buffer): number =>
  frame.readInt32BE(correlationOffset[kind])
export const setCorrelation = (kind: 'request' | 'answer', frame: Buffer, id: number): void => {
  frame.writeInt32BE(id, correlationOffset[kind])
}

/** Where the body of a request begins: behind the client id. */
export const requestBodyOffset = (request: Buffer): number => 14 + Math.max(0, request.readInt16BE(12))

/** Reads numbers and strings from a frame, one after the other. Throws RangeError where the frame ends too early. */
export class FrameReader {
  readonly frame: Buffer
  at: number

  constructor(frame: Buffer, at: number = answerHeaderBytes) {
    this.frame = frame
    this.at = at
  }

  int8(): number {
    this.at += 1
    return this.frame.readInt8(this.at - 1)
  }

  int16(): number {
    this.at += 2
    return this.frame.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.frame.readInt32BE(this.at - 4)
  }

  int64(): bigint {
    this.at += 8
    return this.frame.readBigInt64BE(this.at - 8)
  }

  string(): string | null {
    const bytes = this.int16()
    if (bytes < 0) return null
    this.at += bytes
    return this.frame.toString('utf8', this.at - bytes, this.at)
  }

  /** An unsigned number of variable length (KIP-482). */
  varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.frame.readUInt8(this.at++)
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number of variable length does not end')
  }

  compactString(): string | null {
    const bytes = this.varint() - 1
    if (bytes < 0) return null
    this.at += bytes
    if (this.at > this.frame.length) throw new RangeError('a string ends behind its frame')
    return this.frame.toString('utf8', this.at - bytes, this.at)
  }

  /** A 16-byte id in hexadecimal; undefined where it is all zeros, which stands for none. */
  uuid(): string | undefined {
    this.at += 16
    if (this.at > this.frame.length) throw new RangeError('an id ends behind its frame')
    const id = this.frame.toString('hex', this.at - 16, this.at)
    return /^0*$/.test(id) ? undefined : id
  }

  /** Steps over the tagged fields of a flexible version. */
  tags(): void {
    for (let left = this.varint(); left > 0; left--) {
      this.varint()
      this.skip(this.varint())
    }
  }

  skip(bytes: number): void {
    this.at += bytes
  }

  /** Calls `each` once per element of an array; a null array has none. */
  array(each: () => void): void {
    for (let left = this.int32(); left > 0; left--) each()
  }

  /** The same for a compact array (KIP-482). */
  compactArray(each: () => void): void {
    for (let left = this.varint() - 1; left > 0; left--) each()
  }

  /** An array of topics with an array of partitions in each: calls `each` once per partition, which is still to be read. */
  partitions(each: (topic: string) => void): void {
    this.array(() => {
      const topic = this.string() ?? ''
      this.array(() => each(topic))
    })
  }
}

/** Builds the body of a frame. */
export class FrameWriter {
  private buffer = Buffer.allocUnsafe(256)
  private at = answerHeaderBytes

  int8(value: number): this {
    this.at = this.room(1).writeInt8(value, this.at)
    return this
  }

  int16(value: number): this {
    this.at = this.room(2).writeInt16BE(value, this.at)
    return this
  }

  int32(value: number): this {
    this.at = this.room(4).writeInt32BE(value, this.at)
    return this
  }

  int64(value: bigint): this {
    this.at = this.room(8).writeBigInt64BE(value, this.at)
    return this
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const part = Buffer.from(value)
    return this.int16(part.length).bytes(part)
  }

  /** An unsigned number of variable length, as the flexible versions of requests have it (KIP-482). */
  varint(value: number): this {
    let left = value
    while (left >= 0x80) {
      this.int8((((left & 0x7f) | 0x80) << 24) >> 24)
      left >>>= 7
    }
    return this.int8(left)
  }

  compactString(value: string): this {
    const part = Buffer.from(value)
    return this.varint(part.length + 1).bytes(part)
  }

  /** An array of topics with an array of partitions in each; `each` writes a partition. */
  partitions<Item extends { readonly topic: string }>(items: readonly Item[], each: (item: Item) => void): this {
    const topics = new Map<string, Item[]>()
    for (const item of items) {
      const list = topics.get(item.topic) ?? []
      topics.set(item.topic, list)
      list.push(item)
    }
    this.int32(topics.size)
    for (const [topic, list] of topics) {
      this.string(topic).int32(list.length)
      list.forEach(each)
    }
    return this
  }

  bytes(part: Buffer): this {
    part.copy(this.room(part.length), this.at)
    this.at += part.length
    return this
  }

  /** The frame of an answer, with its length; the wire puts the correlation id of the request in. */
  answer(): Buffer {
    const frame = Buffer.from(this.buffer.subarray(0, this.at))
    frame.writeInt32BE(frame.length - 4, 0)
    frame.writeInt32BE(0, 4)
    return frame
  }

  /** The frame of a request; the connection puts its own correlation id in. `flexible`: of a version with tagged fields in its header. */
  request(apiKey: number, version: number, clientId: string, flexible = false): Buffer {
    const header = new FrameWriter().int16(apiKey).int16(version).int32(0).string(clientId)
    if (flexible) header.varint(0)
    const parts = [header, this].map((each) => each.buffer.subarray(answerHeaderBytes, each.at))
    const frame = Buffer.concat([Buffer.alloc(4), ...parts])
    frame.writeInt32BE(frame.length - 4, 0)
    return frame
  }

  private room(bytes: number): Buffer {
    if (this.at + bytes > this.buffer.length) {
      this.buffer = Buffer.concat([this.buffer], Math.max(this.buffer.length * 2, this.at + bytes))
    }
    return this.buffer
  }
}
