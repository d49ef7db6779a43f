import { expect, test } from 'vitest'
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
