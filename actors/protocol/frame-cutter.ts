/** Frames cut out of a stream of bytes. */

import { answerHeaderBytes } from './frames.ts'

/** A frame longer than this is not Kafka's: the largest answer a fetch can ask for stays far below. */
const maxFrameBytes = 512 * 1024 * 1024

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
        throw Object.assign(new RangeError(`a frame of ${bytes} bytes is not Kafka's`), { code: 'NOT_KAFKA' })
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
