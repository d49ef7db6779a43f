import { expect, test, vi } from 'vitest'
import { coalesced } from '../../../actors/time/coalesced.ts'

test('calls that come while one runs share one that begins behind it, also when the first fails', async () => {
  const begun: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  const call = coalesced(() => new Promise<void>((resolve, reject) => void begun.push({ resolve, reject })))
  const first = call()
  const second = call()
  const third = call()
  expect(begun).toHaveLength(1)
  begun[0]?.reject(new Error('refused'))
  await expect(first).rejects.toThrow('refused')
  await Promise.resolve()
  expect(begun).toHaveLength(2)
  begun[1]?.resolve()
  await Promise.all([second, third])
  expect(begun).toHaveLength(2)
  void call()
  expect(begun).toHaveLength(3)
})

test('with a distance, calls that come soon after one began share one that begins so long after it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const begunAt: number[] = []
    const call = coalesced(async () => void begunAt.push(performance.now()), 20)
    const start = performance.now()
    await call()
    await vi.advanceTimersByTimeAsync(5)
    const [second, third] = [call(), call()]
    await vi.advanceTimersByTimeAsync(15)
    await Promise.all([second, third])
    await vi.advanceTimersByTimeAsync(30)
    await call()
    expect(begunAt.map((at) => at - start)).toEqual([0, 20, 50])
  } finally {
    vi.useRealTimers()
  }
})
