// The silence: what puts a judgement off, and that a process that stood still reads what waits before it judges.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { onSilence, type SilenceOptions } from '../../../actors/connection/silence.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Advances a clock on which something is heard at these times. Says when the silence was judged, in milliseconds. */
async function judgedAt(options: SilenceOptions, heard: readonly number[] = []): Promise<number | undefined> {
  vi.useFakeTimers()
  const startedAt = performance.now()
  let judged: number | undefined
  const heardAt = () =>
    Math.max(startedAt, ...heard.map((at) => startedAt + at).filter((at) => at <= performance.now()))
  onSilence({ heardAt, ...options }, () => {
    judged = performance.now() - startedAt
  })
  await vi.advanceTimersByTimeAsync(2000)
  return judged
}

test('silence is judged when its time is over, counted from the last byte', async () => {
  expect(await judgedAt({ forMs: 100 })).toBeCloseTo(100, -1)
  expect(await judgedAt({ forMs: 100 }, [60, 120, 200, 500])).toBeCloseTo(300, -1)
})

test('bytes that keep coming put it off to the end of the whole time', async () => {
  const always = Array.from({ length: 100 }, (_, index) => index * 50)
  expect(await judgedAt({ forMs: 100, atMostMs: 900 }, always)).toBeCloseTo(900, -1)
  expect(await judgedAt({ forMs: 100 }, always)).toBeUndefined()
})

test('a wait that was ended judges nobody, also between its timer and its judgement', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const judge = vi.fn()
  onSilence({ forMs: 10 }, judge)()
  const end = onSilence({ forMs: 10 }, judge)
  vi.advanceTimersByTime(20)
  end()
  await turn()
  expect(judge).not.toHaveBeenCalled()
})

test('a process that stood still reads what waits in the kernel before it judges', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const [[peer], socket] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, connected(port)])
  let heardAt = performance.now()
  const before = heardAt
  socket.on('data', () => {
    heardAt = performance.now()
  })
  const judge = vi.fn()
  const end = onSilence({ forMs: 60, heardAt: () => heardAt }, judge)
  peer.write('here')
  const until = performance.now() + 120
  while (performance.now() < until);
  await turn()
  await turn()
  expect(heardAt).toBeGreaterThan(before)
  expect(judge).not.toHaveBeenCalled()
  end()
  socket.destroy()
  peer.destroy()
  server.close()
})

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}
