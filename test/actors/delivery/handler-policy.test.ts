// The policy of a handler that has failed too often: what it is told, what it may decide, and what becomes of the message.
import { expect, test, vi } from 'vitest'
import type { HandlerErrorContext } from '../../../actors/delivery/handler-retry.ts'
import { batchIn, type Stage, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const partitionOf = { topic, partition: 0 }

test('a policy that pauses pauses the partition, which is told and goes on with the same message when it is resumed', async () => {
  const stage = await staged({ onHandlerError: 'pause' })
  await stage.handlers.at('0/0').throw('no')
  expect(stage.factsOf('handler.gave-up')).toEqual([
    { type: 'handler.gave-up', ...partitionOf, offset: '0', decision: 'pause' },
  ])
  expect(stage.factsOf('partition.degraded')).toMatchObject([{ ...partitionOf, offset: '0', reason: 'paused' }])
  expect(stage.dispatcher.paused()).toEqual([partitionOf])
  expect(stage.reader.log).toContain('pause 0')
  expect(stage.queue(0).progress.mark).toBe(0n)
  stage.resume(0)
  await stage.offer(0, [0, 1])
  expect(stage.factsOf('partition.recovered')).toEqual([{ type: 'partition.recovered', ...partitionOf }])
  await stage.handlers.end('0/0')
  expect(stage.handlers.log).toEqual(['0/0', '0/0', '0/1'])
})

test('a policy that skips goes on behind the message', async () => {
  const told: HandlerErrorContext[] = []
  const stage = await staged({
    onHandlerError: (context) => {
      told.push(context)
      return 'skip'
    },
  })
  await stage.handlers.at('0/0').throw('poison')
  expect(told).toMatchObject([{ ...partitionOf, offset: '0', attempts: 1, message: { offset: '0' } }])
  expect(told[0]?.error).toEqual(new Error('poison'))
  expect(stage.queue(0).progress.mark).toBe(1n)
  expect(stage.handlers.log).toEqual(['0/0', '0/1'])
  expect(stage.factsOf('handler.gave-up')[0]?.decision).toBe('skip')
})

test('a policy that retries hands the message out once more after a wait, and is asked again', async () => {
  const decisions = ['retry', 'skip'] as const
  let asked = 0
  const stage = await staged({ onHandlerError: () => decisions[asked++] ?? 'pause' })
  await stage.handlers.at('0/0').throw('no')
  // Without one, a handler that throws at once would keep the event loop for itself.
  await vi.advanceTimersByTimeAsync(124)
  expect(stage.handlers.atWork).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await stage.handlers.at('0/0').throw('no')
  expect(asked).toBe(2)
  expect(stage.handlers.log).toEqual(['0/0', '0/0', '0/1'])
})

test.each([
  ['throws', () => Promise.reject(new Error('policy'))],
  ['answers nonsense', () => 'forget it' as 'skip'],
  ['answers nothing', async () => undefined as unknown as 'skip'],
])(
  'a policy that %s has decided nothing: that is a fact, and it is asked again, and not the handler',
  async (what, bad) => {
    let asked = 0
    const stage = await staged({ concurrency: 1, onHandlerError: () => (asked++ < 2 ? bad() : 'skip') })
    await stage.handlers.at('0/0').throw('no')
    // Others have its slot meanwhile.
    await stage.offer(1, [0])
    await stage.handlers.end('1/0')
    expect([asked, stage.queue(0).progress.mark, stage.factsOf('handler.gave-up')]).toEqual([1, 0n, []])
    await vi.advanceTimersByTimeAsync(250)
    expect(asked).toBe(2)
    await vi.advanceTimersByTimeAsync(500)
    expect(stage.handlers.log).toEqual(['0/0', '1/0', '0/1'])
    const messages = stage.factsOf('policy.failed').map(({ failure }) => failure.message)
    const expected = {
      throws: /policy/,
      'answers nonsense': /returned forget it/,
      'answers nothing': /returned undefined/,
    }
    expect(messages).toHaveLength(2)
    for (const message of messages) expect(message).toMatch(expected[what as keyof typeof expected])
  },
)

test('the policy `stop` keeps the message and says so', async () => {
  const stage = await staged({ onHandlerError: 'stop' })
  await stage.handlers.at('0/0').throw('no')
  expect(stage.factsOf('handler.gave-up')[0]?.decision).toBe('stop')
  expect(stage.handlers.log).toEqual(['0/0'])
  expect(stage.queue(0).progress.mark).toBe(0n)
})

test('a policy is told the tries so far, with the signal of the assignment', async () => {
  const told: HandlerErrorContext[] = []
  const stage = await staged({
    handlerRetries: 1,
    onHandlerError: (context) => {
      told.push(context)
      return Promise.resolve('stop')
    },
  })
  await stage.handlers.at('0/0').throw('no')
  await vi.advanceTimersByTimeAsync(125)
  await stage.handlers.at('0/0').throw('no again')
  expect(told).toMatchObject([{ attempts: 2, error: new Error('no again') }])
  expect(told[0]?.signal).toBe(stage.dispatcher.assignment?.signal)
  expect(stage.factsOf('handler.gave-up')).toMatchObject([{ offset: '0', decision: 'stop' }])
})

test('a message that fails during a drain is not tried again, and no policy is asked', async () => {
  let asked = 0
  const stage = await staged({
    onHandlerError: () => {
      asked++
      return 'skip'
    },
  })
  const closed = stage.dispatcher.close(1000)
  await stage.handlers.at('0/0').throw('no')
  expect([await closed, asked, stage.queue(0).progress.mark]).toEqual([false, 0, 0n])
})

test('a policy that decides to retry when the assignment has ended holds no drain', async () => {
  let decide = (_decision: 'retry') => {}
  const stage = await staged({
    onHandlerError: () =>
      new Promise((resolve) => {
        decide = resolve
      }),
  })
  await stage.handlers.at('0/0').throw('no')
  const closed = stage.dispatcher.close(1000)
  decide('retry')
  expect(await closed).toBe(false)
  expect([stage.handlers.log, stage.queue(0).progress.mark, vi.getTimerCount()]).toEqual([['0/0'], 0n, 0])
})

test.each([
  ['message', false, 0],
  ['batch', true, 1],
])(
  'a partition that is resumed in the turn in which its handler is given up goes on with the same %s',
  async (_what, batches, mark) => {
    const stage: Stage = await staged({
      batches,
      onHandlerError: () => {
        for (let turn = Promise.resolve(), turns = 0; turns < 4; turns++) turn = turn.then(() => stage.resume(0))
        return 'pause'
      },
    })
    if (batches) batchIn(stage, '0/0').resolveOffset('0')
    await stage.handlers.at('0/0').throw('no')
    // What was fetched was forgotten with the pause, and is fetched again from the mark.
    expect(stage.reader.log).toEqual(expect.arrayContaining([`seek 0 ${mark}`, 'resume 0']))
    expect(stage.facts.slice(-2).map(({ type }) => type)).toEqual(['partition.degraded', 'partition.recovered'])
    await stage.offer(0, [0, 1, 2].slice(mark))
    expect(stage.handlers.log).toEqual(['0/0', `0/${mark}`])
    expect([stage.dispatcher.handler.suppressed, stage.dispatcher.paused()]).toEqual([0, []])
  },
)
