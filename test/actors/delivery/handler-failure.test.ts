// A handler that fails for long: when its partition is told as degraded, how often, and when that is over.
import { expect, test, vi } from 'vitest'
import { type Stage, settled, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const forEver = { handlerRetries: Number.POSITIVE_INFINITY, onHandlerError: 'retry' } as const
const partitionOf = { topic, partition: 0 }
const throwing = async () => {
  throw new Error('no')
}
const degradedIn = (stage: Stage) => stage.factsOf('partition.degraded')

test('a partition is degraded after ten tries, at once, with its message, age and lag', async () => {
  vi.setSystemTime(7000)
  const stage = await staged({ ...forEver, eachMessage: throwing }, [0, 1, 2])
  await vi.advanceTimersByTimeAsync(45_874)
  expect([stage.factsOf('handler.failed').length, degradedIn(stage)]).toEqual([9, []])
  await vi.advanceTimersByTimeAsync(1)
  expect(degradedIn(stage)).toEqual([
    {
      ...{ type: 'partition.degraded', ...partitionOf, offset: '0', reason: 'retrying', attempts: 10 },
      ...{ forMs: 45_875, ageMs: 52_875, lag: 3 },
    },
  ])
  await vi.advanceTimersByTimeAsync(30_000)
  expect(degradedIn(stage)).toHaveLength(1)
})

test('a partition is degraded after a minute, also while a try is at work', async () => {
  const stage = await staged(forEver)
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(59_999)
  expect(degradedIn(stage)).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(degradedIn(stage)).toMatchObject([{ attempts: 1, forMs: 60_000 }])
})

test('it is told again every ten minutes, with the end of the log by then', async () => {
  const stage = await staged({ ...forEver, eachMessage: throwing })
  stage.reader.end = 5000n
  await vi.advanceTimersByTimeAsync(60_000 + 25 * 60_000)
  expect(degradedIn(stage).map(({ lag }) => lag)).toEqual([3, 5000, 5000])
  const [first, second] = degradedIn(stage)
  expect((second?.forMs ?? 0) - (first?.forMs ?? 0)).toBe(600_000)
  // A leader that does not say holds nothing up.
  stage.reader.failing.set(0, new Error('no leader'))
  await vi.advanceTimersByTimeAsync(600_000)
  expect(degradedIn(stage).map(({ lag }) => lag)).toEqual([3, 5000, 5000, 3])
})

test('it is over with the first call that succeeds', async () => {
  const stage = await staged(forEver)
  for (let call = 0; call < 12; call++) {
    await stage.handlers.at('0/0').throw('no')
    await vi.advanceTimersByTimeAsync(15_000)
  }
  expect(stage.factsOf('partition.recovered')).toEqual([])
  await stage.handlers.end('0/0')
  expect(stage.factsOf('partition.recovered')).toEqual([{ type: 'partition.recovered', ...partitionOf }])
  await stage.handlers.end('0/1', '0/2')
  expect(vi.getTimerCount()).toBe(0)
})

test('a partition that never was degraded is not told as recovered', async () => {
  const stage = await staged(forEver)
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(250)
  await stage.handlers.end('0/0')
  expect([degradedIn(stage), stage.factsOf('partition.recovered')]).toEqual([[], []])
})

test('a seek away from what it fails for ends it', async () => {
  const stage = await staged({ ...forEver, eachMessage: throwing })
  await vi.advanceTimersByTimeAsync(60_000)
  stage.dispatcher.seek(partitionOf, 2n)
  expect(stage.factsOf('partition.recovered')).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('a pause of the user neither begins nor ends it', async () => {
  const stage = await staged(forEver)
  stage.pause(0)
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(degradedIn(stage)).toEqual([])
  const other = await staged({ ...forEver, eachMessage: throwing })
  await vi.advanceTimersByTimeAsync(60_000)
  other.pause(0)
  await vi.advanceTimersByTimeAsync(600_000)
  expect([degradedIn(other).length, other.factsOf('partition.recovered')]).toEqual([2, []])
})

test('the end of an assignment leaves no timer, and the next one begins anew', async () => {
  const stage = await staged({ ...forEver, eachMessage: throwing })
  await vi.advanceTimersByTimeAsync(60_000)
  await stage.dispatcher.close(0)
  expect(vi.getTimerCount()).toBe(0)
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  expect([degradedIn(stage).length, stage.factsOf('handler.failed').at(-1)?.attempt]).toEqual([1, 1])
})

test('a partition that a policy has paused is told again when it comes back, and not while others have it', async () => {
  const stage = await staged({ onHandlerError: 'pause' })
  await stage.handlers.at('0/0').throw('no')
  await stage.dispatcher.close(0)
  await stage.assign({ 1: 0n })
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(degradedIn(stage)).toHaveLength(1)
  await stage.assign({ 0: 0n })
  expect(degradedIn(stage)).toMatchObject([{ reason: 'paused' }, { reason: 'paused', offset: '0' }])
  stage.resume(0)
  await settled()
  expect(stage.factsOf('partition.recovered')).toHaveLength(1)
  await stage.offer(0, [0])
  await stage.handlers.end('0/0')
  expect(vi.getTimerCount()).toBe(0)
})

test('a policy that pauses after its assignment has ended tells it in the next one', async () => {
  let decide = (_decision: 'pause') => {}
  const stage = await staged({
    onHandlerError: () =>
      new Promise((resolve) => {
        decide = resolve
      }),
  })
  await stage.handlers.at('0/0').throw('no')
  const closed = stage.dispatcher.close(1000)
  decide('pause')
  await closed
  expect([degradedIn(stage), vi.getTimerCount()]).toEqual([[], 0])
  await stage.assign({ 0: 0n })
  expect(degradedIn(stage)).toMatchObject([{ reason: 'paused' }])
})
