/**
 * Frames of Kafka's protocol: a length, then a header, then a body.
 * A request's header is api key, version, correlation id, client id; an answer's is the correlation id.
 */

/** The request kinds that a wire treats by name. */
export const apiKeys = {
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
  saslHandshake: 17,
  apiVersions: 18,
  offsetForLeaderEpoch: 23,
  saslAuthenticate: 36,
} as const

/** Kafka's error codes that relisten decides on. */
export const errorCodes = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMemberId: 25,
  invalidSessionTimeout: 26,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  memberIdRequired: 79,
} as const

/** A frame longer than this is not Kafka's: the largest answer a fetch can ask for stays far below. */
const maxFrameBytes = 512 * 1024 * 1024

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

/** Cuts a stream of bytes into whole frames. */
export class FrameCutter {
  private held: Buffer[] = []
  private heldBytes = 0
  private wantedBytes = 4

  /** The frames that are complete with this chunk. Throws on a length no Kafka peer would send. */
  push(chunk: Buffer): Buffer[] {
    this.held.push(chunk)
    this.heldBytes += chunk.length
    if (this.heldBytes < this.wantedBytes) return []
    let rest = this.held.length === 1 ? chunk : Buffer.concat(this.held, this.heldBytes)
    const frames: Buffer[] = []
    this.wantedBytes = 4
    while (rest.length >= 4) {
      const bytes = 4 + rest.readInt32BE(0)
      if (bytes < answerHeaderBytes || bytes > maxFrameBytes)
        throw new RangeError(`a frame of ${bytes} bytes is not Kafka's`)
      if (rest.length < bytes) {
        this.wantedBytes = bytes
        break
      }
      frames.push(rest.subarray(0, bytes))
      rest = rest.subarray(bytes)
    }
    this.held = rest.length > 0 ? [rest] : []
    this.heldBytes = rest.length
    return frames
  }
}

/** Reads numbers and strings from a frame, one after the other. Throws RangeError where the frame ends too early. */
export class FrameReader {
  readonly frame: Buffer
  at: number

  constructor(frame: Buffer, at: number = answerHeaderBytes) {
    this.frame = frame
    this.at = at
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

  skip(bytes: number): void {
    this.at += bytes
  }

  /** Calls `each` once per element of an array; a null array has none. */
  array(each: (index: number) => void): void {
    const length = this.int32()
    for (let index = 0; index < length; index++) each(index)
  }
}

/** Builds an answer frame. */
export class FrameWriter {
  private readonly parts: Buffer[] = []

  int16(value: number): this {
    const part = Buffer.allocUnsafe(2)
    part.writeInt16BE(value)
    return this.bytes(part)
  }

  int32(value: number): this {
    const part = Buffer.allocUnsafe(4)
    part.writeInt32BE(value)
    return this.bytes(part)
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const part = Buffer.from(value)
    return this.int16(part.length).bytes(part)
  }

  bytes(part: Buffer): this {
    this.parts.push(part)
    return this
  }

  /** The frame with its length; the wire puts the correlation id of the request in. */
  answer(): Buffer {
    const frame = Buffer.concat([Buffer.alloc(answerHeaderBytes), ...this.parts])
    frame.writeInt32BE(frame.length - 4, 0)
    return frame
  }
}
