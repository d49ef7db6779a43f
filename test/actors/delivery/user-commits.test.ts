// Without autoCommit: the group's committed offset is where reading begins in every assignment, whatever this process has handled.
import { expect, test, vi } from 'vitest'
import { Stage, topic, withFakeTime } from '../stage.ts'

withFakeTime()

/** With what was committed by itself, of which there has to be nothing. */
const begin = () => {
  const pins = vi.fn(async () => {})
  return { stage: new Stage({ autoCommit: false, commit: pins }), pins }
}

test('what was handled and not committed is handled again after an assignment, without a word of a dropped mark', async () => {
  const { stage } = begin()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1, 2])
  await stage.handlers.end('0/0', '0/1')
  expect((await stage.assign({ 0: 1n })).starts).toEqual([1n])
  // The handler of the assignment before still has its message, and moves nothing here.
  await stage.offer(0, [1, 2])
  await stage.handlers.end('0/2')
  await stage.handlers.end('0/1', '0/2')
  expect(stage.handlers.log).toEqual(['0/0', '0/1', '0/2', '0/1', '0/2'])
  expect([stage.facts, stage.dispatcher.handler.suppressed]).toEqual([[], 0])
})

test('a start that was looked up is not committed, and stays where it was while the user commits nothing', async () => {
  const { stage, pins } = begin()
  expect((await stage.assign({ 0: -1n })).starts).toEqual([100n])
  await stage.offer(0, [100, 101])
  await stage.handlers.end('0/100', '0/101')
  stage.reader.end = 102n
  expect((await stage.assign({ 0: -1n })).starts).toEqual([100n])
  expect(pins).not.toHaveBeenCalled()
  expect(stage.factsOf('offset.reset')).toHaveLength(1)
})

test('a start that was looked up in a topic that was made again since does not hold', async () => {
  const { stage } = begin()
  await stage.assign({ 0: -1n })
  stage.queue(0).progress.forget()
  stage.reader.end = 7n
  expect((await stage.assign({ 0: -1n })).starts).toEqual([7n])
})

test('a seek ends with the assignment, as nobody has committed it', async () => {
  const { stage } = begin()
  await stage.assign({ 0: 5n })
  stage.dispatcher.seek({ topic, partition: 0 }, 2n)
  expect((await stage.assign({ 0: 5n })).starts).toEqual([5n])
})

test('a seek before the position is known is where reading begins', async () => {
  const { stage } = begin()
  stage.begin([0])
  stage.dispatcher.seek({ topic, partition: 0 }, 2n)
  expect(await stage.place({ 0: 5n })).toEqual([2n])
})
