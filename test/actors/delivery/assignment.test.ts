// The assignment: how long its handlers are waited for, and what they are told.
import { expect, test, vi } from 'vitest'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { withFakeTime } from '../stage.ts'

withFakeTime()

const assignmentWith = (...running: Promise<void>[]): Assignment => {
  const assignment = new Assignment(1, 4, { orders: [0] })
  for (const handler of running) assignment.track(handler)
  return assignment
}

test('without handlers at work it is over at once, and says so to handlers that come to look', async () => {
  const assignment = assignmentWith()
  expect([assignment.open, assignment.over]).toEqual([true, false])
  const closed = assignment.close(1000, 500)
  expect(assignment.open).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
  expect(await closed).toBe(false)
  expect(assignment.over).toBe(true)
  expect(assignment.signal.aborted).toBe(true)
})

test('handlers that fail have settled as well', async () => {
  const failed = Promise.reject(new Error('a handler'))
  failed.catch(() => {})
  expect(await assignmentWith(failed, Promise.resolve()).close(1000, 500)).toBe(false)
})

test('the signal comes at the deadline, and giving up after the grace', async () => {
  const assignment = assignmentWith(new Promise(() => {}))
  const closed = assignment.close(1000, 500)
  await vi.advanceTimersByTimeAsync(999)
  expect(assignment.signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(assignment.signal.aborted).toBe(true)
  expect(assignment.signal.reason).toEqual(new Error('the hand-over cannot wait any longer for this handler'))
  expect(assignment.over).toBe(false)
  await vi.advanceTimersByTimeAsync(500)
  expect(await closed).toBe(true)
  expect(assignment.over).toBe(true)
})

test('a wait that ends early leaves no timer behind', async () => {
  let end: () => void = () => {}
  const handler = new Promise<void>((resolve) => {
    end = resolve
  })
  const closed = assignmentWith(handler).close(60_000, 500)
  end()
  expect(await closed).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})

test('handlers of many partitions listen to its signal without a warning', async () => {
  const warnings: string[] = []
  const note = ({ message }: Error) => warnings.push(message)
  process.on('warning', note)
  const { signal } = assignmentWith()
  for (let handlers = 0; handlers < 20; handlers++) signal.addEventListener('abort', () => {})
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  expect(warnings).toEqual([])
})

test('a batch that is turned down is told once for each partition', () => {
  const assignment = assignmentWith()
  expect(['orders/0', 'orders/1', 'orders/0', 'orders/1'].map((each) => assignment.fence(each))).toEqual([
    true,
    true,
    false,
    false,
  ])
})
