// The pace of dials: how many run at a time, who goes first, and whose failure counts for whom.

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DialPace, placeOf } from '../../actors/dial-pace.ts'

const here = placeOf(1, { host: 'a', port: 1 })
const elsewhere = placeOf(1, { host: 'b', port: 1 })

/** Dials that are told how they end, in the order in which they began. */
function stage() {
  const pace = new DialPace(8)
  const begun: { name: string; succeed: () => void; fail: (code?: string) => void }[] = []
  const ended: string[] = []
  const dial = (name: string, where = here, urgent = false) => {
    const work = () =>
      new Promise<void>((resolve, reject) => {
        begun.push({ name, succeed: resolve, fail: (code = 'ECONNREFUSED') => reject(new Error(code)) })
      })
    pace
      .run(where, urgent, work, (error) => (error as Error).message !== 'ABORT_ERR')
      .then(
        () => ended.push(`${name} connected`),
        (error: Error) => ended.push(`${name} ${error.message}`),
      )
  }
  return { pace, begun, ended, dial }
}

test('so many dials of a place run at a time, and each that ends lets the next one begin', async () => {
  const { begun, dial } = stage()
  for (let index = 0; index < 20; index += 1) dial(`dial ${index}`)
  expect(begun).toHaveLength(8)
  begun[0]?.succeed()
  await turn()
  expect(begun.map(({ name }) => name).at(-1)).toBe('dial 8')
  for (let index = 1; index < 20; index += 1) {
    begun[index]?.succeed()
    await turn()
  }
  expect(begun).toHaveLength(20)
})

test('an urgent dial goes before those that wait', async () => {
  const { begun, dial } = stage()
  for (let index = 0; index < 9; index += 1) dial(`dial ${index}`)
  dial('urgent', here, true)
  begun[0]?.succeed()
  await turn()
  expect(begun.at(-1)?.name).toBe('urgent')
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
