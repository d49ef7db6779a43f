// The front over three servers that speak just enough: each answers a frame with a frame that names all reserved hosts.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Front, startFront } from './front.ts'
import { drawPorts, loopback } from './loopback.ts'

const nodeIds = [1, 2, 3]
let servers: Server[]
let sockets: Socket[]
/** What came through to the servers. */
let received: string[]
let front: Front
let port: number

beforeEach(async () => {
  sockets = []
  received = []
  const reserved = [1, 2, 3, 4, 5, 6].map((host) => loopback(9, host))
  port = (await drawPorts([...reserved, ...nodeIds.map((nodeId) => loopback(1, nodeId))], nodeIds)).clientPort
  servers = await Promise.all(reserved.map(serve))
  front = await startFront({ bindFixed: true, nodeIds, port, endpoint: (nodeId) => `127.0.9.${nodeId}:${port}` })
})

afterEach(async () => {
  await front[Symbol.asyncDispose]()
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
})

test('it starts on set 1 and the brokers claim what it advertises', async () => {
  expect(front.endpoints()).toEqual([`127.0.1.1:${port}`, `127.0.1.2:${port}`, `127.0.1.3:${port}`])
  expect(await say(await dial('127.0.1.2'))).toBe('I am 2, we are 127.0.1.1 127.0.1.2 127.0.1.3')
})

test('a move with FIN ends connections, refuses new ones there, and all brokers claim the new addresses', async () => {
  const socket = await dial('127.0.1.1')
  const ended = once(socket, 'end')
  await front.move(2)
  await ended
  await expect(dial('127.0.1.1')).rejects.toThrow('ECONNREFUSED')
  expect(await say(await dial('127.0.2.3'))).toBe('I am 3, we are 127.0.2.1 127.0.2.2 127.0.2.3')
  expect(front.moveCount).toBe(1)
})

test('a move with RST resets connections', async () => {
  const socket = await dial('127.0.1.1')
  const error = once(socket, 'error')
  await say(socket)
  await front.move(2, { close: 'rst' })
  expect(await error).toMatchObject([{ code: 'ECONNRESET' }])
})

test('a silent address keeps connections and takes new ones, and nothing passes until it opens again', async () => {
  const socket = await dial('127.0.1.1')
  await say(socket)
  await front.move(2, { close: 'silent' })
  const late = await dial('127.0.1.1')
  let heard = 0
  for (const one of [socket, late]) {
    one.on('data', () => (heard += 1)).write(frame('hello'))
  }
  // an answer over the open address comes after those would have come
  await say(await dial('127.0.2.1'))
  expect(heard).toBe(0)
  expect(socket.readyState).toBe('open')
  const reset = once(socket, 'error')
  await front.move(1)
  expect(await reset).toMatchObject([{ code: 'ECONNRESET' }])
  expect(await say(await dial('127.0.1.1'))).toContain('I am 1')
})

test('during an overlap connections of the old set hear of the new one', async () => {
  const socket = await dial('127.0.1.1')
  await front.open(2)
  front.advertise(2)
  expect(await say(socket)).toBe('I am 1, we are 127.0.2.1 127.0.2.2 127.0.2.3')
  const ended = once(socket, 'end')
  await front.close(1, 'fin')
  await ended
})

test('one node moves and the others keep their connections', async () => {
  const [first, second] = [await dial('127.0.1.1'), await dial('127.0.1.2')]
  const ended = once(first, 'end')
  await front.move(4, { nodes: [1] })
  await ended
  expect(await say(second)).toBe('I am 2, we are 127.0.4.1 127.0.1.2 127.0.1.3')
})

test('after a swap each address leads to the other broker', async () => {
  const socket = await dial('127.0.1.1')
  const ended = once(socket, 'end')
  await front.swap(1, 2)
  await ended
  expect(await say(await dial('127.0.1.1'))).toBe('I am 2, we are 127.0.1.2 127.0.1.1 127.0.1.3')
  await expect(front.move(1, { nodes: [2] })).rejects.toThrow('swap back or move both')
  await front.move(1)
  expect(await say(await dial('127.0.1.1'))).toBe('I am 1, we are 127.0.1.1 127.0.1.2 127.0.1.3')
})

test('names stand in for addresses and must be of the same length', async () => {
  front.names(true)
  expect(front.endpoint(2)).toBe(`node2.lan:${port}`)
  expect(front.address(2)).toBe('127.0.1.2')
  expect(await say(await dial('127.0.1.2'))).toBe('I am 2, we are node1.lan node2.lan node3.lan')
  expect(() => front.names({ 1: 'too-long-a-name' })).toThrow('9 characters')
  front.names(false)
  expect(front.endpoint(2)).toBe(`127.0.1.2:${port}`)
})

test('another cluster answers on the old addresses under these addresses', async () => {
  await front.move(2)
  await front.foreign(1, { nodeIds, endpoint: (nodeId) => `127.0.9.${nodeId + 3}:${port}` })
  expect(await say(await dial('127.0.1.1'))).toBe('I am 4, we are 127.0.1.1 127.0.1.2 127.0.1.3')
  expect(await say(await dial('127.0.2.1'))).toContain('I am 1')
  await front.foreign(1, null)
  await expect(dial('127.0.1.1')).rejects.toThrow('ECONNREFUSED')
})

test('a dropped kind of request never reaches the broker', async () => {
  front.drop([3])
  const socket = await dial('127.0.1.1')
  socket.write(frame(Buffer.from([0, 3, 0, 2])))
  expect(await say(socket)).toContain('I am 1')
})

test.each(['request', 'answer'] as const)('a connection is reset in the place of one %s at one node', async (kind) => {
  const left = front.cut(kind, 7, 1, [2])
  /** `answered`, or the error of its connection. */
  const asked = async (apiKey: number, host: string) => {
    const socket = await dial(host)
    socket.write(frame(Buffer.concat([Buffer.from([0, apiKey, 0, 2]), Buffer.from('I am')])))
    return once(socket, 'data').then(
      () => 'answered',
      ({ code }) => code,
    )
  }
  expect(await asked(7, '127.0.1.1')).toBe('answered')
  expect(await asked(8, '127.0.1.2')).toBe('answered')
  expect([left(), received.length]).toEqual([1, 2])
  expect(await asked(7, '127.0.1.2')).toBe('ECONNRESET')
  expect(await asked(7, '127.0.1.2')).toBe('answered')
  expect([left(), received.length]).toEqual([0, kind === 'answer' ? 4 : 3])
})

test('a node that refuses or is silent leaves the others alone, and comes back', async () => {
  await front.close(1, 'fin', [1])
  await expect(dial('127.0.1.1')).rejects.toThrow('ECONNREFUSED')
  await front.close(1, 'silent', [2])
  let heard = 0
  const socket = await dial('127.0.1.2')
  socket.on('data', () => (heard += 1)).write(frame('hello'))
  expect(await say(await dial('127.0.1.3'))).toContain('I am 3')
  expect(heard).toBe(0)
  await front.open(1, [1, 2])
  expect(await say(await dial('127.0.1.1'))).toContain('I am 1')
  expect(await say(await dial('127.0.1.2'))).toContain('I am 2')
})

test('two fronts are two live listeners: who comes in by one hears of its addresses only', async () => {
  const endpoint = (nodeId: number) => `127.0.9.${nodeId}:${port}`
  const other = await startFront({ bindFixed: true, nodeIds, port, endpoint })
  try {
    expect(await say(await dial('127.0.1.1'))).toBe('I am 1, we are 127.0.1.1 127.0.1.2 127.0.1.3')
    expect(await say(await dial('127.0.1.4'))).toBe('I am 1, we are 127.0.1.4 127.0.1.5 127.0.1.6')
    await front.close(1, 'fin')
    expect(await say(await dial('127.0.1.5'))).toContain('I am 2')
  } finally {
    await other[Symbol.asyncDispose]()
  }
})

test('a distance adds a round trip to the connect and to each exchange, until it is taken away', async () => {
  front.distance({ roundTripMs: 80, jitterMs: 5 }, [1])
  const from = performance.now()
  const socket = await dial('127.0.1.1')
  expect(await say(socket)).toContain('I am 1')
  expect(performance.now() - from).toBeGreaterThanOrEqual(155)
  const next = performance.now()
  expect(await say(socket)).toContain('I am 1')
  expect(performance.now() - next).toBeGreaterThanOrEqual(75)
  const ended = once(socket, 'end')
  await front.move(2)
  await ended
  front.distance(null)
  const near = await dial('127.0.2.1')
  expect(await say(near)).toContain('I am 1')
})

test('held requests wait, and so does what comes behind them on the same connection', async () => {
  front.hold(1, 120, [1])
  const [held, other] = [await dial('127.0.1.1'), await dial('127.0.1.1')]
  const from = performance.now()
  held.write(frame(request(1)))
  const behind = say(held)
  expect(await say(other)).toContain('I am 1')
  await behind
  expect(performance.now() - from).toBeGreaterThanOrEqual(115)
  front.hold(1, 0)
  held.write(frame(request(1)))
  await once(held, 'data')
})

test('forgotten connections carry nothing any more, and new ones work', async () => {
  const [fetching, other] = [await dial('127.0.1.1'), await dial('127.0.1.1')]
  fetching.write(frame(request(1)))
  await once(fetching, 'data')
  await say(other)
  expect(front.forget([1], 1)).toBe(1)
  let heard = 0
  fetching.on('data', () => (heard += 1)).write(frame('hello'))
  expect(await say(other)).toContain('I am 1')
  expect(await say(await dial('127.0.1.1'))).toContain('I am 1')
  expect(heard).toBe(0)
  expect(fetching.readyState).toBe('open')
})

test('a misread text arrives as another one', async () => {
  front.misread(new Map([['hello', 'hallo']]), [1])
  for (const [nodeId, text] of [
    [1, 'hallo'],
    [2, 'hello'],
  ] as const) {
    const socket = await dial(`127.0.1.${nodeId}`)
    socket.write(frame(Buffer.concat([request(36), Buffer.from('hello')])))
    await once(socket, 'data')
    expect(received.at(-1)).toContain(text)
  }
  expect(() => front.misread(new Map([['one', 'three']]))).toThrow('as long as one')
})

test('connections are counted', async () => {
  const socket = await dial('127.0.1.1')
  await say(socket)
  expect(front.connections()).toBe(1)
  socket.end()
  await once(socket, 'close')
  await say(await dial('127.0.1.1'))
  expect(front.connections()).toBe(1)
})

test('a set that does not exist is refused', async () => {
  await expect(front.move(9)).rejects.toThrow('Expected the address set to be 1 to 8, got 9')
})

async function serve(host: string): Promise<Server> {
  const own = Number(host.slice(-1))
  const claim = nodeIds.map((nodeId) => loopback(9, own > 3 ? nodeId + 3 : nodeId)).join(' ')
  const server = createServer((socket) => {
    sockets.push(socket)
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        received.push(chunk.toString())
        socket.write(frame(`I am ${own}, we are ${claim}`))
      })
  })
  server.listen({ host, port })
  await once(server, 'listening')
  return server
}

async function dial(host: string): Promise<Socket> {
  const socket = connect({ host, port })
  sockets.push(socket)
  await once(socket, 'connect')
  socket.on('error', () => {})
  return socket
}

/** Sends a frame and gives the text of the answer. */
async function say(socket: Socket): Promise<string> {
  socket.write(frame('hello'))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return answer.toString('utf8', 4)
}

/** A request with this API key, as far as a front looks. */
const request = (apiKey: number): Buffer => Buffer.from([0, apiKey, 0, 2, 0, 0, 0, 1])

function frame(body: Buffer | string): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(Buffer.byteLength(body))
  return Buffer.concat([size, Buffer.from(body)])
}
