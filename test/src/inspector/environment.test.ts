// The inspector that the environment asks for.
import { afterEach, expect, test, vi } from 'vitest'
import { fakeWatched } from './watched.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** What a fresh process makes of this environment, and what it prints. */
async function inspectorOf(port: string | undefined, token?: string) {
  vi.stubEnv('RELISTEN_INSPECT', port)
  vi.stubEnv('RELISTEN_INSPECT_TOKEN', token)
  vi.resetModules()
  const printed: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => printed.push(String(text)) > 0)
  const { ofEnvironment } = await import('../../../src/inspector/environment.ts')
  return { ofEnvironment, printed }
}

test.each([undefined, ''])('with %j there is none, and nothing is printed', async (port) => {
  const { ofEnvironment, printed } = await inspectorOf(port)
  expect(ofEnvironment()).toBeUndefined()
  expect(printed).toEqual([])
})

test('all consumers of a process are in one, whose address is printed once', async () => {
  const { ofEnvironment, printed } = await inspectorOf('0', 'a-token-of-sixteen')
  const feed = ofEnvironment()
  feed?.watch(fakeWatched())
  expect(ofEnvironment()).toBe(feed)
  await expect.poll(() => printed).toHaveLength(1)
  expect(printed[0]).toMatch(/^relisten: the inspector is at http:\/\/127\.0\.0\.1:\d+\/#token=a-token-of-sixteen\n$/)
})

test.each([
  ['http', undefined, 'Expected `port` to be a port'],
  ['0', 'short', 'Expected `token` to be a string of at least 16'],
])('with the port %s and the token %s it says what is wrong, and consumers go on', async (port, token, message) => {
  const { ofEnvironment, printed } = await inspectorOf(port, token)
  expect(() => ofEnvironment()?.watch(fakeWatched())).not.toThrow()
  await expect.poll(() => printed).toHaveLength(1)
  expect(printed[0]).toContain(`relisten: RELISTEN_INSPECT=${port} shows nothing: `)
  expect(printed[0]).toContain(message)
})
