// What a diagnostics channel and a tracer see of handlers.
import { afterEach, expect, test, vi } from 'vitest'
import type { HandlerMessage } from '../../../actors/diagnostics/channels.ts'
import { type BatchOutcome, type ToHandle, tracing } from '../../../actors/diagnostics/tracing.ts'
import { heard } from '../diagnostics/heard.ts'
import { batchIn, staged, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const seen: { readonly around: 'batch' | 'call'; readonly offsets: string[]; outcome?: BatchOutcome }[] = []

afterEach(() => {
  tracing.aroundBatch = undefined
  tracing.aroundCall = undefined
  seen.length = 0
})

const offsetsOf = ({ messages }: ToHandle) => messages.map(({ offset }) => offset)

function trace(): void {
  tracing.aroundBatch = async (batch, work, outcome) => {
    const entry: (typeof seen)[number] = { around: 'batch', offsets: offsetsOf(batch) }
    seen.push(entry)
    const result = await work()
    entry.outcome = outcome()
    return result
  }
  tracing.aroundCall = async (call, work) => {
    seen.push({ around: 'call', offsets: offsetsOf(call) })
    return work()
  }
}

test('each call is told with its first offset, its messages, bytes and time, and what it threw', async () => {
  using told = heard<HandlerMessage>('relisten:handler')
  const stage = await staged({ groupId: 'readers' })
  await stage.handlers.end('0/0')
  await stage.handlers.at('0/1').throw('away')
  const about = { groupId: 'readers', topic, partition: 0, messages: 1, bytes: 3, tookMs: 0 }
  expect(told.messages).toEqual([
    { ...about, offset: '0', error: undefined },
    { ...about, offset: '1', error: new Error('away') },
  ])
})

test('a batch is told once, with all of its messages', async () => {
  using told = heard<HandlerMessage>('relisten:handler')
  const stage = await staged({ batches: true })
  await stage.handlers.end('0/0')
  expect(told.messages).toMatchObject([{ offset: '0', messages: 3, bytes: 9, error: undefined }])
})

test('a tracer is around the calls for one batch, and around each call, and hears how many messages were handled', async () => {
  trace()
  const stage = await staged({})
  await stage.handlers.end('0/0', '0/1', '0/2')
  expect(seen).toEqual([
    { around: 'batch', offsets: ['0', '1', '2'], outcome: { messages: 3, error: undefined } },
    { around: 'call', offsets: ['0'] },
    { around: 'call', offsets: ['1'] },
    { around: 'call', offsets: ['2'] },
  ])
  expect(stage.dispatcher.traffic).toMatchObject({ fetchedMessages: 3, handledMessages: 3, handledBytes: 9 })
})

test('of a batch whose handler has failed, a tracer hears what was handled and what was thrown, and then sees the rest', async () => {
  trace()
  const stage = await staged({ batches: true, handlerRetries: 1 })
  batchIn(stage, '0/0').resolveOffset('0')
  await stage.handlers.at('0/0').throw('away')
  expect(seen).toEqual([
    { around: 'batch', offsets: ['0', '1', '2'], outcome: { messages: 1, error: new Error('away') } },
    { around: 'call', offsets: ['0', '1', '2'] },
  ])
  await vi.advanceTimersByTimeAsync(1000)
  await stage.handlers.end('0/1')
  expect(seen.slice(2)).toEqual([
    { around: 'batch', offsets: ['1', '2'], outcome: { messages: 2, error: undefined } },
    { around: 'call', offsets: ['1', '2'] },
  ])
  expect(stage.dispatcher.traffic).toMatchObject({ handledMessages: 3, handledBytes: 9, bufferedBytes: 0 })
})
