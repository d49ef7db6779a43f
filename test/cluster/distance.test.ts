// A distance between a client and a server on loopback. Times are lower bounds only: a busy machine is slower, never faster.
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectSecurely, createSecureContext, TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAuthority } from './certificates.ts'
import { distant, type Road } from './distance.ts'

let server: Server
let accepted: Socket[]
let onConnection: (socket: Socket) => void

beforeEach(async () => {
  accepted = []
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket)
    onConnection(socket)
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
})

afterEach(() => {
  for (const socket of accepted) socket.destroy()
  server.close()
})

test('what is sent arrives in its order, whatever the jitter', async () => {
  echo({ roundTripMs: 10, jitterMs: 10 })
  const socket = connect(place())
  const text = Array.from({ length: 5000 }, (_, index) => `${index} `).join('')
  for (let at = 0; at < text.length; at += 1000) socket.write(text.slice(at, at + 1000))
  expect(await read(socket, text.length)).toBe(text)
})

test('a bandwidth is shared by the connections of a node, and bytes flow all the time', async () => {
  const exit = { freeAt: 0 }
  onConnection = (socket) => void distant(socket, { bytesPerSecond: 100_000 }, exit).end(Buffer.alloc(15_000))
  const from = performance.now()
  const sockets = [connect(place()), connect(place())]
  const pieces = sockets.map((socket) => {
    let count = 0
    socket.on('data', () => (count += 1))
    return once(socket, 'end').then(() => count)
  })
  for (const count of await Promise.all(pieces)) expect(count).toBeGreaterThan(2)
  expect(performance.now() - from).toBeGreaterThanOrEqual(290)
})

test('a TLS handshake pays its round trips', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'relisten-distance-'))
  try {
    const authority = await createAuthority(folder)
    const file = join(folder, 'server.pem')
    await authority.issue(file, 'server', ['127.0.0.1'])
    const pem = await readFile(file, 'utf8')
    const secureContext = createSecureContext({ key: pem, cert: pem })
    onConnection = (socket) => {
      const far = distant(socket, { roundTripMs: 60 }, { freeAt: 0 }) as unknown as Socket
      new TLSSocket(far, { isServer: true, secureContext }).resume().end('welcome')
    }
    const from = performance.now()
    const socket = connectSecurely({ ...place(), ca: authority.ca })
    expect(await read(socket, 7)).toBe('welcome')
    // one for the connect, one for the handshake, and half of one until the first bytes are here
    expect(performance.now() - from).toBeGreaterThanOrEqual(115)
    socket.destroy()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the end of either side arrives behind what was sent before it', async () => {
  echo({ roundTripMs: 20 })
  const socket = connect({ ...place(), allowHalfOpen: true })
  socket.end('hello')
  const text = read(socket, 5)
  await once(socket, 'end')
  expect(await text).toBe('hello')
})

const place = () => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })

function echo(road: Road): void {
  onConnection = (socket) => {
    const far = distant(socket, road, { freeAt: 0 })
    far.pipe(far)
  }
}

/** The first so many bytes, as text. */
async function read(socket: Socket, bytes: number): Promise<string> {
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk
    if (text.length >= bytes) break
  }
  return text
}
