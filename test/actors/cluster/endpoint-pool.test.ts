// The endpoint pool: whose connections may be taken over by a link, and when.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EndpointPool } from '../../../actors/cluster/endpoint-pool.ts'
import { DialPace } from '../../../actors/connection/dial-pace.ts'
import { endpointOf, FakeNetwork } from '../fake-network.ts'

const place = endpointOf('a:1')
let network: FakeNetwork
let pool: EndpointPool

beforeEach(() => {
  network = new FakeNetwork()
  network.cluster({ clusterId: 'ours', places: '1@a:1' })
  pool = new EndpointPool({ dial: network.dial, pace: new DialPace(), flawIn: () => undefined })
})
afterEach(() => {
  vi.restoreAllMocks()
  pool.close()
})

test('a connection that was just dialled is given away once, and is its new owner’s to close', async () => {
  await pool.at(place).ask()
  const line = await pool.at(place).take()
  expect([line?.open, await pool.at(place).take()]).toEqual([true, undefined])
  pool.close()
  expect(network.openLines).toEqual(['a:1'])
  line?.close()
})

test('a connection is not closed for an answer that came too late once it was given away', async () => {
  await pool.at(place).ask()
  network.silence('a:1')
  const asked = pool.at(place).ask()
  const line = await pool.at(place).take()
  await expect(asked).rejects.toMatchObject({ failure: { code: 'ETIMEDOUT' } })
  expect(line?.open).toBe(true)
  line?.close()
})

test('a connection that was dialled more than a second ago is not given away', async () => {
  await pool.at(place).ask()
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now + 1001)
  expect(await pool.at(place).take()).toBeUndefined()
})

test('who takes a connection that is being dialled waits for it; a second one does not', async () => {
  const asked = pool.at(place).ask()
  const taken = pool.at(place).take()
  expect(await pool.at(place).take()).toBeUndefined()
  expect((await taken)?.open).toBe(true)
  expect(network.dials).toEqual(['a:1'])
  await asked
  ;(await taken)?.close()
})

test('who waits for a connection shares the failure of its dial, and the next dial can be taken again', async () => {
  network.close('a:1')
  const asked = pool.at(place).ask()
  await expect(pool.at(place).take()).rejects.toMatchObject({ failure: { code: 'ECONNREFUSED' } })
  await expect(asked).rejects.toMatchObject({ failure: { code: 'ECONNREFUSED' } })
  expect(await pool.at(place).take()).toBeUndefined()
})

test('a connection that is far is not dialled anew while its answer is not late', async () => {
  await pool.at(place).ask()
  const line = await pool.at(place).connect()
  line.roundTrip.note(150)
  network.silence('a:1')
  const startedAt = performance.now()
  await expect(pool.at(place).ask()).rejects.toMatchObject({ failure: { code: 'ETIMEDOUT' } })
  expect([pool.lateMs, network.dials]).toEqual([0, ['a:1', 'a:1']])
  expect(performance.now() - startedAt).toBeGreaterThan(600)
})

test('how long an answer may take is that of the farthest kept connection', async () => {
  await pool.at(place).ask()
  const line = await pool.at(place).connect()
  expect(pool.lateMs).toBe(0)
  line.roundTrip.note(150)
  expect(pool.lateMs).toBe(450)
})
