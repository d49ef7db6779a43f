/**
 * Cuts one direction of a Kafka connection into whole length-prefixed frames and replaces reserved host texts in the
 * small ones. Old and new text have the same length, so no length field, offset or checksum of the protocol changes and
 * no request needs to be understood. Larger frames (fetched records) pass untouched as they come; a record in a smaller
 * frame that contains a reserved text would be altered, so test payloads must be free of it.
 */

/** Frames from this size on (length field included) pass untouched. */
export const LARGE_FRAME = 64 * 1024

/** Reserved host text → what to put in its place now. Asked for each frame, so a change is in force at once. */
export type Replacements = ReadonlyMap<string, string>

export interface FrameRewriter {
  /** Takes the next bytes of the stream; gives what can be passed on: whole frames, or the next piece of a large one. */
  push(chunk: Buffer): Buffer[]
}

/** `select` sees each small frame as it was, before replacement; a frame it turns down is not passed on. */
export function createFrameRewriter(
  replacements: () => Replacements,
  select = (_frame: Buffer) => true,
): FrameRewriter {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let passThrough = 0

  return {
    push(chunk) {
      const ready: Buffer[] = []
      let rest = chunk
      while (rest.length > 0) {
        if (passThrough > 0) {
          const piece = rest.subarray(0, passThrough)
          passThrough -= piece.length
          rest = rest.subarray(piece.length)
          ready.push(piece)
          continue
        }
        waiting.push(rest)
        waitingBytes += rest.length
        rest = Buffer.alloc(0)
        if (waitingBytes < 4) break
        const gathered = waiting.length === 1 && waiting[0] !== undefined ? waiting[0] : Buffer.concat(waiting)
        const size = 4 + gathered.readUInt32BE(0)
        if (size < LARGE_FRAME && gathered.length < size) {
          waiting = [gathered]
          break
        }
        waiting = []
        waitingBytes = 0
        rest = gathered
        if (size >= LARGE_FRAME) {
          passThrough = size
          continue
        }
        const frame = gathered.subarray(0, size)
        rest = gathered.subarray(size)
        if (select(frame)) ready.push(replaceAll(frame, replacements()))
      }
      return ready
    },
  }
}

function replaceAll(frame: Buffer, replacements: Replacements): Buffer {
  let replaced = frame
  for (const [from, to] of replacements) {
    for (let at = frame.indexOf(from); at >= 0; at = frame.indexOf(from, at + from.length)) {
      // copied only when needed: most frames name no host
      if (replaced === frame) replaced = Buffer.from(frame)
      replaced.write(to, at, 'latin1')
    }
  }
  return replaced
}
