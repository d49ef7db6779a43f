/**
 * Loopback addresses. Linux lets a process bind any address of 127/8, so a broker moves to another *host* without a
 * network of its own: broker N of address set S lives at 127.0.S.N, always on the same port.
 */
import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** Ports of one cluster: `controllerPort`, INTERNAL listeners behind it (`internalPort`), one CLIENT port for all nodes, and one above it for LOGIN. */
export interface Ports {
  readonly controllerPort: number
  readonly clientPort: number
}

/** One for each node, also where they are numbered from 0. */
export const internalPort = ({ controllerPort }: Ports, nodeId: number): number => controllerPort + 1 + nodeId

/** Where LOGIN is, the listener with users of its own. */
export const loginPort = ({ clientPort }: Ports): number => clientPort + 1

/** The address set that only brokers behind a front use; clients never see it. */
export const RESERVED_SET = 9

/** Highest address set that clients can be moved to; the lowest is 1. */
export const HIGHEST_SET = 8

/** `127.0.<set>.<host>`. */
export const loopback = (set: number, host: number): string => `127.0.${set}.${host}`

/** Splits `host:port`. Throws a RangeError on anything else. */
export function parseEndpoint(endpoint: string): { host: string; port: number } {
  const colon = endpoint.lastIndexOf(':')
  const port = Number(endpoint.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port)) throw new RangeError(`Expected an endpoint like host:port, got ${endpoint}`)
  return { host: endpoint.slice(0, colon), port }
}

/** Refuses an address set that no front or cluster can use. */
export function assertSet(set: number): void {
  if (!Number.isInteger(set) || set < 1 || set > HIGHEST_SET) {
    throw new RangeError(`Expected the address set to be 1 to ${HIGHEST_SET}, got ${set}`)
  }
}

/**
 * Refuses a port that somebody holds: a JVM left over from an earlier run would answer for the new cluster, and every
 * count would be wrong.
 */
export function assertFree(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => reject(new Error(refusal(host, port, error))))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()))
  })
}

/** Draws a random block of ports that is free on every address the cluster may use; refuses after ten draws. */
export async function drawPorts(
  hosts: readonly string[],
  nodeIds: readonly number[],
  clientPort?: number,
): Promise<Ports> {
  let refused: unknown
  for (let draw = 0; draw < 10; draw += 1) {
    // below 32768, where Linux begins to hand out ports for outgoing connections
    const controllerPort = randomInt(1500, 2700) * 12
    const ports = { controllerPort, clientPort: clientPort ?? controllerPort + 10 }
    try {
      const internal = nodeIds.map((nodeId) => internalPort(ports, nodeId))
      for (const port of [controllerPort, ...internal]) await assertFree('127.0.0.1', port)
      for (const host of hosts) await assertFree(host, ports.clientPort)
      return ports
    } catch (error) {
      refused = error
    }
  }
  throw refused
}

/** Waits until something accepts connections there. Ends early when `abandoned` aborts, with its reason. */
export async function untilAccepting(host: string, port: number, abandoned: AbortSignal): Promise<void> {
  while (!(await accepts(host, port))) {
    abandoned.throwIfAborted()
    await pause(50)
  }
  abandoned.throwIfAborted()
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 })
    const settle = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => settle(true))
    socket.once('timeout', () => settle(false))
    socket.once('error', () => settle(false))
  })
}

function refusal(host: string, port: number, error: Error & { code?: string }): string {
  if (error.code === 'EADDRINUSE') {
    return `Port ${port} on ${host} is taken, probably by a broker of an earlier run. End that process (\`ss -ltnp | grep ${port}\` names it) and start again.`
  }
  if (error.code === 'EADDRNOTAVAIL') {
    return `${host} cannot be bound. The test cluster gives every broker its own loopback address, which needs Linux.`
  }
  return `${host}:${port} cannot be bound: ${error.message}`
}
