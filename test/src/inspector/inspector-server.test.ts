// The inspector over HTTP: who is shown what, and what a browser may do with it.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, expect, test, vi } from 'vitest'
import { type Inspector, serveInspector } from '../../../src/inspector/inspector.ts'
import { fakeWatched } from './watched.ts'

const token = 'a-token-of-sixteen'
const inspectors: Inspector[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(inspectors.splice(0).map((each) => each.close()))
})

async function serving(options = {}): Promise<Inspector> {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const inspector = await serveInspector({ port: 0, token, ...options })
  inspectors.push(inspector)
  return inspector
}

const bearer = { authorization: `Bearer ${token}` }

async function get({ port }: Inspector, path: string, headers = {}, method = 'GET'): Promise<IncomingMessage> {
  const sent = request({ host: '127.0.0.1', port, path, headers, method, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  return response
}

/** The code of an answer, which is then hung up on. */
async function codeOf(...asked: Parameters<typeof get>): Promise<number | undefined> {
  const response = await get(...asked)
  response.destroy()
  return response.statusCode
}

test('facts go to whoever has the token, and to nobody else', async () => {
  const inspector = await serving()
  inspector.observe.watch(fakeWatched())
  expect(await codeOf(inspector, '/events')).toBe(401)
  expect(await codeOf(inspector, '/events', { authorization: 'Bearer another-token-here' })).toBe(401)
  expect(await codeOf(inspector, `/events?token=${token}`)).toBe(401)
  expect(await codeOf(inspector, '/state?log=1&seq=1')).toBe(401)
  const response = await get(inspector, '/events', bearer)
  expect(response.statusCode).toBe(200)
  expect(response.headers['content-type']).toBe('text/event-stream')
  const [chunk] = await once(response, 'data')
  expect(String(chunk)).toMatch(/^event: hello\n/)
  response.destroy()
})

test.each([
  ['a name that another site has led here', { host: 'evil.example:PORT' }],
  ['a name of this host with another port', { host: '127.0.0.1:1' }],
  ['another address of this host', { host: '127.0.0.2:PORT' }],
  ['a page of another site', { origin: 'https://evil.example' }],
  ['a page of another server of this host', { origin: 'http://127.0.0.1:1' }],
  ['a page without an origin', { origin: 'null' }],
  ['a browser that says so', { 'sec-fetch-site': 'cross-site' }],
  ['a server beside, as a browser says', { 'sec-fetch-site': 'same-site' }],
])('%s is refused, with the token too', async (_, headers) => {
  const inspector = await serving()
  const filled = Object.entries(headers).map(([name, value]) => [name, value.replace('PORT', String(inspector.port))])
  for (const path of ['/', '/page.js', '/events'])
    expect(await codeOf(inspector, path, { ...bearer, ...Object.fromEntries(filled) })).toBe(403)
})

test.each(['127.0.0.1', 'localhost', '[::1]'])('the page comes by the name %s, also to itself', async (name) => {
  const inspector = await serving()
  const host = `${name}:${inspector.port}`
  const own = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }
  expect(await codeOf(inspector, '/', { host })).toBe(200)
  expect(await codeOf(inspector, '/events', { ...bearer, ...own })).toBe(200)
})

test('nothing is written: other methods than GET and HEAD are refused', async () => {
  const inspector = await serving()
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
    expect(await codeOf(inspector, '/events', bearer, method)).toBe(405)
  expect(await codeOf(inspector, '/', {}, 'HEAD')).toBe(200)
  expect(await codeOf(inspector, '/nothing', bearer)).toBe(404)
})

test('every answer lets a browser run nothing but what comes from here, and put it into no frame', async () => {
  const inspector = await serving()
  for (const path of ['/', '/page.js', '/page.css', '/icon.svg', '/events', '/nothing']) {
    const response = await get(inspector, path, bearer)
    response.destroy()
    const policy = String(response.headers['content-security-policy'])
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    expect(response.headers['access-control-allow-origin']).toBeUndefined()
    expect(response.headers['cross-origin-resource-policy']).toBe('same-origin')
    expect(response.headers['x-content-type-options']).toBe('nosniff')
  }
})

test('the page has no script, style or handler in its text', async () => {
  const inspector = await serving()
  const html = (await (await get(inspector, '/')).toArray()).join('')
  expect(html).toContain('<script type="module" src="/page.js"></script>')
  expect(html).not.toMatch(/<script(?! type="module" src="\/page.js")|<style|\son\w+=|style=|https?:\/\//)
})

test('it listens on the loopback address only', async () => {
  const { port } = await serving()
  const others = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ address }) => address !== '127.0.0.1' && !address.startsWith('fe80'))
    .map(({ address }) => address)
  for (const host of [...others, '127.0.0.2']) {
    const socket = connect(port, host)
    await expect(once(socket, 'connect')).rejects.toThrow(/ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH|EINVAL/)
  }
})

test('the address is printed once, with the token behind the #; without an own one it is another each time', async () => {
  const inspector = await serving({ token: undefined })
  const printed = vi.mocked(process.stderr.write).mock.calls.map(([text]) => String(text))
  expect(printed).toEqual([`relisten: the inspector is at ${inspector.url}\n`])
  expect(inspector.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{24}$/)
  const other = await serving({ token: undefined })
  expect(other.url.split('#')[1]).not.toBe(inspector.url.split('#')[1])
})

test.each([
  [{ port: -1 }, 'Expected `port` to be a port, got'],
  [{ token: 'short' }, 'Expected `token` to be a string of at least 16 letters'],
  [{ host: '0.0.0.0' }, 'host'],
])('%j is refused', async (options, message) => {
  await expect(serving(options)).rejects.toMatchObject({
    ...{ code: 'invalid-option', message: expect.stringContaining(message) },
  })
})

test('a port that is in use is refused', async () => {
  const { port } = await serving()
  await expect(serving({ port })).rejects.toMatchObject({
    message: expect.stringContaining(`The inspector can't listen at 127.0.0.1:${port}: EADDRINUSE`),
  })
})
