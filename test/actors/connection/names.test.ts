// Names on a resolver that answers when a test says so.
import type { LookupFunction } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Names } from '../../../actors/connection/names.ts'

type Answer = (addresses: readonly string[] | Error) => void

/** A resolver, and what it was asked and has not answered. */
function resolver() {
  const asked: string[] = []
  const waiting = new Map<string, Answer>()
  const lookup = ((host: string, _how: unknown, done: (...found: unknown[]) => void) => {
    asked.push(host)
    waiting.set(host, (answer) => {
      waiting.delete(host)
      if (answer instanceof Error) done(answer)
      else
        done(
          null,
          answer.map((address) => ({ address, family: 4 })),
        )
    })
  }) as LookupFunction
  const answer = async (host: string, addresses: readonly string[] | Error) => {
    await expect.poll(() => waiting.has(host)).toBe(true)
    waiting.get(host)?.(addresses)
    await turn()
  }
  return { names: new Names(lookup), asked, answer, waiting }
}

const entry = (host: string) => ({ nodeId: 1, host, port: 1, addresses: [] })

/** What a socket gets for this host. */
const dialled = (names: Names, host: string, how = {}): Promise<unknown> =>
  new Promise((resolve) => {
    names.lookup(host, how, (error, found) => resolve(error ? error.code : found))
  })

test('an entry has what is known now, and what comes later is told', async () => {
  const { names, answer } = resolver()
  const changes: string[] = []
  names.onChange((host) => changes.push(host))
  expect(names.fill(entry('a')).addresses).toEqual([])
  await answer('a', ['10.0.0.2', '10.0.0.1'])
  expect(changes).toEqual(['a'])
  expect(names.fill(entry('a')).addresses).toEqual(['10.0.0.1', '10.0.0.2'])
})

test('a look-up under way is shared, and two run at once', async () => {
  const { names, asked, answer } = resolver()
  for (const host of ['a', 'a', 'b', 'c', 'd']) names.fill(entry(host))
  const there = dialled(names, 'a')
  await turn()
  expect(asked).toEqual(['a', 'b'])
  await answer('a', ['10.0.0.1'])
  expect(await there).toBe('10.0.0.1')
  expect(asked).toEqual(['a', 'b', 'c'])
})

test('what a dial waits for goes before what is looked up beside the road', async () => {
  const { names, asked, answer } = resolver()
  for (const host of ['a', 'b', 'c', 'd']) names.fill(entry(host))
  const dial = dialled(names, 'd')
  await answer('a', ['10.0.0.1'])
  expect(asked).toEqual(['a', 'b', 'd'])
  await answer('d', ['10.0.0.4'])
  expect(await dial).toBe('10.0.0.4')
})

test('a dial gets the last good addresses when the name server hangs or fails', async () => {
  const { names, answer, waiting } = resolver()
  const first = dialled(names, 'a', { all: true })
  await answer('a', ['10.0.0.1'])
  expect(await first).toEqual([{ address: '10.0.0.1', family: 4 }])
  await new Promise((resolve) => setTimeout(resolve, 550))
  expect(await dialled(names, 'a')).toBe('10.0.0.1')
  expect(waiting.has('a')).toBe(true)
  const again = dialled(names, 'a')
  await answer('a', Object.assign(new Error('no server'), { code: 'EAI_AGAIN' }))
  expect(await again).toBe('10.0.0.1')
})

test('a name that was never resolved fails with what the resolver says', async () => {
  const { names, answer } = resolver()
  const dial = dialled(names, 'a')
  await answer('a', Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
  expect(await dial).toBe('ENOTFOUND')
})

test('a resolver that gives no addresses, or nonsense, has found nothing', async () => {
  const { names, answer } = resolver()
  for (const nonsense of [[], ['nowhere'], [undefined as unknown as string]]) {
    const dial = dialled(names, 'a')
    await answer('a', nonsense)
    expect(await dial).toBe('ENOTFOUND')
  }
})

test('names that failed hold up no other: one of them is looked up at a time', async () => {
  const { names, asked, answer } = resolver()
  const failed = [dialled(names, 'a'), dialled(names, 'b')]
  for (const host of ['a', 'b']) await answer(host, new Error('no server'))
  await Promise.all(failed)
  void dialled(names, 'a')
  void dialled(names, 'b')
  const there = dialled(names, 'c')
  await turn()
  expect(asked).toEqual(['a', 'b', 'a', 'c'])
  await answer('c', ['10.0.0.3'])
  expect(await there).toBe('10.0.0.3')
})
