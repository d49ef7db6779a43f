/** A tap on every client socket of this process: when it was dialled, which requests went out, how many bytes passed. */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** One socket since it was dialled. */
export interface TappedSocket {
  /** Milliseconds since the epoch. */
  readonly dialledAt: number
  /** API key → requests sent. */
  readonly requests: Readonly<Record<number, number>>
  readonly bytesIn: number
  readonly bytesOut: number
}

export interface Tap {
  /** All sockets so far, in the order in which they were dialled. */
  sockets(): TappedSocket[]
}

/** Metadata, FindCoordinator and ApiVersions: what the connections of the poller carry, and no link carries alone. */
const questions: ReadonlySet<number> = new Set([3, 10, 18])

/** Whether a poller asks over this connection. */
export const isOfPoller = ({ requests }: TappedSocket): boolean =>
  Object.keys(requests).every((apiKey) => questions.has(Number(apiKey)))

/** Taps what is dialled from now on. Requests are counted by the first bytes of each write: Kafka's clients write them whole. */
export function tapSockets(): Tap {
  const tapped: { socket: Socket; dialledAt: number; requests: Record<number, number> }[] = []
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket }
    const requests: Record<number, number> = {}
    tapped.push({ socket, dialledAt: Date.now(), requests })
    // not before: `connect` puts the socket's own `write` back
    socket.once('connect', () => countWrites(socket, requests))
  })
  return {
    sockets: () =>
      tapped.map(({ socket, dialledAt, requests }) => ({
        dialledAt,
        requests: { ...requests },
        bytesIn: socket.bytesRead,
        bytesOut: socket.bytesWritten,
      })),
  }
}

function countWrites(socket: Socket, requests: Record<number, number>): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  socket.write = (...args: unknown[]) => {
    const [data] = args
    if (Buffer.isBuffer(data) && data.length >= 6) {
      const apiKey = data.readInt16BE(4)
      requests[apiKey] = (requests[apiKey] ?? 0) + 1
    }
    return write(...args)
  }
}
