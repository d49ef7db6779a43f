// The watch over the event loop: a loop that stands still is told once it moves again.
import { expect, test } from 'vitest'
import { watchEventLoop } from '../../actors/event-loop.ts'

test('a loop that stood still for more than a second is told to every watcher, with how long it did', async () => {
  const ends: (() => void)[] = []
  const heard = [0, 1].map(() => new Promise<number>((resolve) => void ends.push(watchEventLoop(resolve))))
  const left = watchEventLoop(() => expect.unreachable('it has left'))
  left()
  // A beat has to have come before it stands still.
  await new Promise((resolve) => setTimeout(resolve, 400))
  const until = Date.now() + 1400
  while (Date.now() < until);
  for (const forMs of await Promise.all(heard)) {
    expect(forMs).toBeGreaterThan(1000)
    expect(forMs).toBeLessThan(5000)
  }
  for (const end of ends) end()
})
