import { expect, test } from 'vitest'
import { createHedge } from '../../../actors/cluster/hedge.ts'

const options = { afterMs: 20, deadlineMs: 100 }

/** A hedge over names: `slow` never answers, `bad` fails at once, others answer with their own name. */
function hedgeOver(names: readonly string[], more: Partial<{ signal: AbortSignal }> = {}) {
  const tried: string[] = []
  const attempt = async (name: string): Promise<string> => {
    tried.push(name)
    if (name.startsWith('slow')) return new Promise(() => {})
    if (name.startsWith('bad')) throw new Error(name)
    return name
  }
  const hedge = createHedge(attempt, { ...options, ...more })
  hedge.add(names)
  return { hedge, tried }
}

test('the first that answers is asked alone', async () => {
  const { hedge, tried } = hedgeOver(['one', 'two'])
  expect(await hedge.answer).toBe('one')
  expect(tried).toEqual(['one'])
})

test('one that fails is followed at once, one that is silent after the pause', async () => {
  const { hedge, tried } = hedgeOver(['bad', 'slow', 'two', 'three'])
  const startedAt = performance.now()
  expect(await hedge.answer).toBe('two')
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(options.afterMs - 2)
  expect(tried).toEqual(['bad', 'slow', 'two'])
})

test('when all have failed it waits for more, and fails once it is sealed', async () => {
  const { hedge } = hedgeOver(['bad'])
  await Promise.resolve()
  hedge.add(['bad 2'])
  hedge.close()
  await expect(hedge.answer).rejects.toThrow('bad 2')
})

test('an empty hedge that is sealed fails', async () => {
  const { hedge } = hedgeOver([])
  hedge.close()
  await expect(hedge.answer).rejects.toThrow('there is no candidate to ask')
})

test('one that is rushed is asked beside the silent one', async () => {
  const { hedge } = hedgeOver(['slow'])
  hedge.addAtOnce(['two'])
  expect(await hedge.answer).toBe('two')
})

test('silence ends at the deadline, and at an abort', async () => {
  const abort = new AbortController()
  const { hedge } = hedgeOver(['slow'])
  const { hedge: aborted } = hedgeOver(['slow'], { signal: abort.signal })
  abort.abort(new Error('not wanted'))
  await expect(aborted.answer).rejects.toThrow('not wanted')
  await expect(hedge.answer).rejects.toThrow('no answer within 100 ms')
})
