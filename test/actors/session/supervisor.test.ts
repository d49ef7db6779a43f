// The supervisor: what becomes of the session it holds.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { advance, fakeSession, TaskStage } from './task-stage.ts'

let stage: TaskStage

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  stage = new TaskStage()
})
afterEach(() => {
  stage.end()
  vi.useRealTimers()
})

test('a supervisor that is abandoned closes its session without leaving the group, and watches nothing any more', async () => {
  const calls: string[] = []
  const supervisor = stage.supervisor()
  supervisor.session = fakeSession({
    commit: async () => void calls.push('commit'),
    leave: async () => calls.push('leave') > 0,
    close: async () => void calls.push('close'),
  })
  supervisor.abandon()
  await advance(20_000)
  expect(calls).toEqual(['close'])
  expect(vi.getTimerCount()).toBe(0)
})
