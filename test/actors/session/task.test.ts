// A task whose machine is no more.
import { expect, test, vi } from 'vitest'
import { createActor, createMachine } from 'xstate'
import { task } from '../../../actors/session/task.ts'

test('a task tells a machine that has failed nothing, so that XState warns of nothing', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  let end = () => {}
  const working = new Promise<void>((resolve) => {
    end = resolve
  })
  const machine = createMachine({
    invoke: {
      src: task(() => working.then(() => Promise.reject(new Error('too late')))),
      input: { epoch: 1, plan: null, attempt: 0 },
    },
    on: {
      fail: {
        actions: () => {
          throw new Error('the journal has failed')
        },
      },
    },
  })
  const actor = createActor(machine)
  actor.subscribe({ error: () => {} })
  actor.start()
  actor.send({ type: 'fail' })
  expect(actor.getSnapshot().status).toBe('error')
  end()
  await working
  await new Promise(setImmediate)
  expect(warn.mock.calls).toEqual([])
  warn.mockRestore()
})
