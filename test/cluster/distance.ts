/**
 * A distance: what lies between a client and an address of a front. Bytes take half a round trip each way and share the node's
 * bandwidth; their order stays. The kernel accepts a connection by itself, so the round trip of a connect is put before the
 * client's first byte. It lies under TLS, so a handshake pays its round trips too.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

export interface Road {
  /** Milliseconds there and back. Default 0. */
  readonly roundTripMs?: number
  /** Each way takes up to so many milliseconds more, drawn for each piece. Default 0. */
  readonly jitterMs?: number
  /** What a node sends per second to all its clients together. Default unlimited. */
  readonly bytesPerSecond?: number
}

/** One node's way out, which its connections share: when it is free again, by `performance.now()`. */
export interface Exit {
  freeAt: number
}

/** A pipe with a delay: what is put in comes out later, in the same order. */
export interface Delayed {
  /** `act` runs when so many milliseconds have passed, and all before it has come out. */
  put(delayMs: number, act: () => void): void
  /** What has been put in and has not come out. */
  readonly waiting: number
}

export function createDelayed(): Delayed {
  let last = Promise.resolve()
  let waiting = 0
  return {
    put(delayMs, act) {
      const due = performance.now() + delayMs
      waiting += 1
      last = last.then(async () => {
        const left = due - performance.now()
        if (left > 0) await pause(left)
        waiting -= 1
        act()
      })
    },
    get waiting() {
      return waiting
    },
  }
}

/** Pieces so small that a slow node's bytes keep flowing. */
const PIECE_BYTES = 2048
/** A sender is held up while so many of its pieces are on the way: a window of 64 KiB. */
const MOST_PIECES = 32

/** A socket as it looks from the address at the end of this road. Ends and destroys the socket under it. */
export function distant(socket: Socket, road: Road, exit: Exit): Duplex {
  const { roundTripMs = 0, jitterMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = road
  const [there, back] = [createDelayed(), createDelayed()]
  const wayMs = () => roundTripMs / 2 + Math.random() * jitterMs
  let connectMs = roundTripMs
  const travels = () => {
    const taken = connectMs
    connectMs = 0
    return taken + wayMs()
  }

  const end = new Duplex({
    // a FIN of the client is not one of ours
    allowHalfOpen: true,
    read() {
      socket.resume()
    },
    write(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = chunk.subarray(at, at + PIECE_BYTES)
        exit.freeAt = Math.max(exit.freeAt, performance.now()) + (1000 * piece.length) / bytesPerSecond
        back.put(exit.freeAt - performance.now() + wayMs(), () => socket.writable && socket.write(piece))
      }
      if (back.waiting < MOST_PIECES) return done()
      back.put(0, done)
    },
    final(done) {
      back.put(wayMs(), () => socket.end())
      done()
    },
    destroy(error, done) {
      back.put(0, () => socket.destroy())
      done(error)
    },
  })
  socket.on('data', (chunk) => there.put(travels(), () => void (end.push(chunk) || socket.pause())))
  socket.on('end', () => there.put(travels(), () => end.push(null)))
  socket.on('error', () => {})
  socket.on('close', () => there.put(wayMs(), () => end.destroy()))
  return end
}
