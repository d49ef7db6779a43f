// The candidates: whose connections may be taken over by a link, and when.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Candidates } from '../../../actors/cluster/endpoint-pool.ts'
import { DialPace } from '../../../actors/connection/dial-pace.ts'
import { endpointOf, FakeNetwork } from '../fake-network.ts'

const place = endpointOf('a:1')
let network: FakeNetwork
let candidates: Candidates

beforeEach(() => {
  network = new FakeNetwork()
  network.cluster({ clusterId: 'ours', places: '1@a:1' })
  candidates = new Candidates({
    dial: network.dial,
    pace: new DialPace(),
    onSnapshot: () => undefined,
    onDialFailed: () => {},
    onSilent: () => {},
    onLost: () => {},
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  candidates.close()
})

test('a connection that was just dialled is given away once, and is its new owner’s to close', async () => {
  await candidates.ask(place)
  const line = await candidates.take(place)
  expect([line?.open, await candidates.take(place)]).toEqual([true, undefined])
  candidates.close()
  expect(network.openLines).toEqual(['a:1'])
  line?.close()
})

test('a connection is not closed for an answer that came too late once it was given away', async () => {
  await candidates.ask(place)
  network.silence('a:1')
  const asked = candidates.ask(place)
  const line = await candidates.take(place)
  await expect(asked).rejects.toMatchObject({ failure: { code: 'ETIMEDOUT' } })
  expect(line?.open).toBe(true)
  line?.close()
})

test('a connection that was dialled more than a second ago is not given away', async () => {
  await candidates.ask(place)
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now + 1001)
  expect(await candidates.take(place)).toBeUndefined()
})

test('who takes a connection that is being dialled waits for it; a second one does not', async () => {
  const asked = candidates.ask(place)
  const taken = candidates.take(place)
  expect(await candidates.take(place)).toBeUndefined()
  expect((await taken)?.open).toBe(true)
  expect(network.dials).toEqual(['a:1'])
  await asked
  ;(await taken)?.close()
})

test('who waits for a connection shares the failure of its dial, and the next dial can be taken again', async () => {
  network.close('a:1')
  const asked = candidates.ask(place)
  await expect(candidates.take(place)).rejects.toMatchObject({ failure: { code: 'ECONNREFUSED' } })
  await expect(asked).rejects.toMatchObject({ failure: { code: 'ECONNREFUSED' } })
  expect(await candidates.take(place)).toBeUndefined()
})

test('a connection that is far is not dialled anew while its answer is not late', async () => {
  await candidates.ask(place)
  const line = await candidates.connect(place)
  line.roundTrip.note(150)
  network.silence('a:1')
  const startedAt = performance.now()
  await expect(candidates.ask(place)).rejects.toMatchObject({ failure: { code: 'ETIMEDOUT' } })
  expect([candidates.lateMs, network.dials]).toEqual([0, ['a:1', 'a:1']])
  expect(performance.now() - startedAt).toBeGreaterThan(600)
})

test('how long an answer may take is that of the farthest kept connection', async () => {
  await candidates.ask(place)
  const line = await candidates.connect(place)
  expect(candidates.lateMs).toBe(0)
  line.roundTrip.note(150)
  expect(candidates.lateMs).toBe(450)
})
