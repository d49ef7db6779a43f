// The wire: a socket as KafkaJS sees one, that connects by itself, answers in any order, and falls silent when it has failed.
import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import { correlationOf } from '../../../actors/protocol/frames.ts'
import { Wire } from '../../../actors/wire/wire.ts'
import { answerFrame, int32, requestFrame } from '../bytes.ts'

/** A wire whose answers wait for the test. */
function open() {
  const moments = new EventEmitter()
  const asked: { request: Buffer; answer: (frame: Buffer) => void; fail: (error: Error) => void }[] = []
  const ends: string[] = []
  const wire = new Wire({
    onConnect: () => moments.emit('connect'),
    answer: (request) =>
      new Promise((answer, fail) => {
        asked.push({ request, answer, fail })
      }),
    onEnd: () => ends.push('end'),
  })
  const heard: unknown[] = []
  wire.on('data', (frame: Buffer) => heard.push(correlationOf('answer', frame)))
  wire.on('error', (error: Error) => heard.push(error.message))
  wire.on('end', () => heard.push('end'))
  return { wire, moments, asked, ends, heard }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('it is connected a moment after it was made', async () => {
  const { moments } = open()
  await once(moments, 'connect')
})

test('each answer carries the correlation id of its request, whatever id it travelled under', async () => {
  const { wire, asked, heard } = open()
  wire.write(requestFrame(3, 6, 71))
  wire.write(requestFrame(1, 10, 72))
  expect(asked).toHaveLength(2)
  asked[1]?.request.writeInt32BE(5, 8)
  asked[1]?.answer(answerFrame(5, int32(0)))
  await settled()
  asked[0]?.answer(answerFrame(6, int32(0)))
  await settled()
  expect(heard).toEqual([72, 71])
})

test('a request that comes in pieces is one request', () => {
  const { wire, asked } = open()
  const request = requestFrame(3, 6, 71, int32(9))
  wire.write(Buffer.from(request.subarray(0, 5)))
  expect(asked).toEqual([])
  wire.write(Buffer.from(request.subarray(5)))
  expect(asked[0]?.request).toEqual(request)
})

test('an answer that fails ends the wire with one error and silence after it, never with `end`', async () => {
  const { wire, asked, ends, heard } = open()
  wire.write(requestFrame(3, 6, 1))
  wire.write(requestFrame(3, 6, 2))
  wire.write(requestFrame(3, 6, 3))
  asked[0]?.fail(new Error('out of reach'))
  await settled()
  asked[1]?.answer(answerFrame(0))
  asked[2]?.fail(new Error('again'))
  await settled()
  wire.fail(new Error('once more'))
  wire.end()
  expect(heard).toEqual(['out of reach'])
  expect(ends).toEqual(['end'])
})

test('a wire that KafkaJS has ended says nothing any more', async () => {
  const { wire, asked, ends, heard } = open()
  wire.write(requestFrame(3, 6, 1))
  wire.end()
  asked[0]?.answer(answerFrame(0))
  await settled()
  expect(heard).toEqual([])
  expect(ends).toEqual(['end'])
})

test('a failure before KafkaJS listens does not end the process', () => {
  const wire = new Wire({ onConnect: () => {}, answer: () => Promise.reject(new Error('no')), onEnd: () => {} })
  expect(() => wire.fail(new Error('early'))).not.toThrow()
})
