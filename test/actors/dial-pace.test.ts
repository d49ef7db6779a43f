// The pace of dials: how many run at a time, who goes first, and whose failure counts for whom.

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DialPace, type Miss, placeOf } from '../../actors/dial-pace.ts'

const here = placeOf(1, { host: 'a', port: 1 })
const elsewhere = placeOf(1, { host: 'b', port: 1 })

const missOf = (error: unknown): Miss => {
  const { message } = error as Error
  return message === 'ABORT_ERR' ? 'given-up' : message === 'ETIMEDOUT' ? 'late' : 'refused'
}

/** Dials that are told how they end, in the order in which they began. */
function stage() {
  const pace = new DialPace()
  const begun: { name: string; succeed: () => void; fail: (code?: string) => void }[] = []
  const ended: string[] = []
  const dial = (name: string, where = here, urgent = false) => {
    const work = () =>
      new Promise<void>((resolve, reject) => {
        begun.push({ name, succeed: resolve, fail: (code = 'ECONNREFUSED') => reject(new Error(code)) })
      })
    pace.run(where, urgent, work, missOf).then(
      () => ended.push(`${name} connected`),
      (error: Error) => ended.push(`${name} ${error.message}`),
    )
  }
  return { pace, begun, ended, dial }
}

test('eight dials of a place run at a time, one more after each that succeeds, and never more than 32', async () => {
  const { begun, dial } = stage()
  for (let index = 0; index < 200; index += 1) dial(`dial ${index}`)
  expect(begun).toHaveLength(8)
  const running: number[] = []
  for (let index = 0; index < 100; index += 1) {
    begun[index]?.succeed()
    await turn()
    running.push(begun.length - index - 1)
  }
  expect(running.slice(0, 3)).toEqual([9, 10, 11])
  expect(Math.max(...running)).toBe(32)
})

test('an urgent dial goes before those that wait', async () => {
  const { begun, dial } = stage()
  for (let index = 0; index < 12; index += 1) dial(`dial ${index}`)
  dial('urgent', here, true)
  begun[0]?.succeed()
  await turn()
  expect(begun[8]?.name).toBe('urgent')
})

test('a failure counts for all who wait, and then one at a time tries again until one succeeds', async () => {
  const { begun, ended, dial } = stage()
  for (let index = 0; index < 10; index += 1) dial(`dial ${index}`)
  begun[0]?.fail()
  await turn()
  expect(ended.toSorted()).toEqual(['dial 0 ECONNREFUSED', 'dial 8 ECONNREFUSED', 'dial 9 ECONNREFUSED'])
  for (const { fail } of begun.slice(1)) fail()
  await turn()
  dial('probe')
  dial('second')
  dial('third')
  expect(begun.slice(8).map(({ name }) => name)).toEqual(['probe'])
  begun.at(-1)?.succeed()
  await turn()
  expect(begun.slice(9).map(({ name }) => name)).toEqual(['second', 'third'])
})

test('after a dial without an answer in time four run at a time', async () => {
  const { begun, ended, dial } = stage()
  for (let index = 0; index < 9; index += 1) dial(`dial ${index}`)
  begun[0]?.fail('ETIMEDOUT')
  await turn()
  expect(ended.toSorted()).toEqual(['dial 0 ETIMEDOUT', 'dial 8 ETIMEDOUT'])
  for (const { fail } of begun.slice(1)) fail('ETIMEDOUT')
  await turn()
  for (let index = 10; index < 20; index += 1) dial(`dial ${index}`)
  expect(begun).toHaveLength(12)
})

test('a dial that its owner gave up says nothing about the place', async () => {
  const { begun, ended, dial } = stage()
  for (let index = 0; index < 9; index += 1) dial(`dial ${index}`)
  begun[0]?.fail('ABORT_ERR')
  await turn()
  expect(ended).toEqual(['dial 0 ABORT_ERR'])
  expect(begun.at(-1)?.name).toBe('dial 8')
})

test('another place has turns of its own, also when the first one fails or hangs', async () => {
  const { begun, dial } = stage()
  for (let index = 0; index < 9; index += 1) dial(`dial ${index}`)
  dial('other', elsewhere)
  expect(begun.at(-1)?.name).toBe('other')
})

test('who waits at a place that is not wanted any more is turned away, and who waits at another one is not', async () => {
  const { pace, begun, ended, dial } = stage()
  for (const where of [here, elsewhere]) for (let index = 0; index < 9; index += 1) dial(`${where} ${index}`, where)
  pace.keep(new Set([elsewhere]), new Error('ABORT_ERR'))
  await turn()
  expect([begun.length, ended]).toEqual([16, [`${here} 8 ABORT_ERR`]])
})
