// The stage of the tests of a link: lines that a test holds in its hand, on a clock that it turns.
import { afterEach, beforeEach, expect, vi } from 'vitest'
import { ConnectionError } from '../../../actors/connection/connection.ts'
import { apiKeys } from '../../../actors/protocol/frames.ts'
import { Link, type LinkOptions } from '../../../actors/wire/link.ts'
import type { Failure } from '../../../machines/failure.ts'
import { int32, requestFrame } from '../bytes.ts'
import { FakeCluster } from '../fake-cluster.ts'
import { FakeDials, type FakeLine } from '../fake-line.ts'
import { settled } from '../stage.ts'

export const here = { host: 'here', port: 9092 }
export const there = { host: 'there', port: 9092 }

export let cluster: FakeCluster
export let dials: FakeDials
export let redials: unknown[]
const links: Link[] = []

/** Before each test of this file the clock and the lines are new. */
export function withLines(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    vi.advanceTimersByTime(1000)
    vi.spyOn(Math, 'random').mockReturnValue(1)
    cluster = new FakeCluster()
    cluster.book.put(1, here)
    dials = new FakeDials()
    redials = []
  })
  afterEach(() => {
    for (const link of links.splice(0)) link.close()
    vi.restoreAllMocks()
    vi.useRealTimers()
  })
}

export function linkWith(options: Partial<LinkOptions> = {}): Link {
  const link = new Link({
    nodeId: 1,
    cluster,
    dial: dials.dial,
    holdMs: 5000,
    onRedial: (redial) => redials.push(redial),
    ...options,
  })
  links.push(link)
  return link
}

const frame = (apiKey: number = apiKeys.listOffsets) => requestFrame(apiKey, 3, 0, int32(-1))
/** Sends a request, and resolves with its answer, or with why there is none. */
export const ask = async (link: Link, silenceMs = 60_000, signal?: AbortSignal): Promise<string | Failure> =>
  link.send(frame(), silenceMs, { signal }).then(
    (answer) => String(answer),
    (error) => (error instanceof ConnectionError ? error.failure : expect.unreachable(String(error))),
  )

export const pass = async (ms: number) => {
  await settled()
  await vi.advanceTimersByTimeAsync(ms)
  await settled()
}

/** A link that carries a line, and has nothing to do. */
export async function connected(
  options: Partial<LinkOptions> = {},
  loginValidMs = 0,
): Promise<{ link: Link; line: FakeLine }> {
  const link = linkWith(options)
  const asked = ask(link)
  await settled()
  const line = await dials.newest.open(loginValidMs)
  await line.sent[0]?.answer('yes')
  expect(await asked).toBe('yes')
  return { link, line }
}

export const failed = (reason: string, code: string) => ({
  kind: 'dial-failed',
  message: `Node 1: ${reason}`,
  code,
  nodeId: 1,
})
