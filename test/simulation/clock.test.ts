// The clock of a simulation: events come when they are due, and those of an owner that stands still when it goes on.
import { expect, test } from 'vitest'
import { Clock, type Owner } from './clock.ts'

test('events that are put off, again and again, come in the order in which they were due', async () => {
  const clock = new Clock()
  const owner = { alive: true, pending: 0, blockedUntil: 20 } satisfies Owner
  const done: string[] = []
  const note = (what: string) => () => void done.push(`${what} at ${clock.now}`)
  clock.plan(15, note('second'), owner)
  clock.plan(10, note('first'), owner)
  // It stands still for longer, before what was put off has come.
  clock.plan(16, () => {
    owner.blockedUntil = 30
  })
  clock.plan(18, note('third'), owner)
  clock.plan(30, note('fourth'), owner)
  await clock.run(
    () => done.length === 4,
    (error) => {
      throw error
    },
  )
  expect(done).toEqual(['first at 30', 'second at 30', 'third at 30', 'fourth at 30'])
})
