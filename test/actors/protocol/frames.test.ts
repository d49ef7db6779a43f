// Frames: cutting a stream wherever it breaks, and reading what they hold.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameCutter } from '../../../actors/protocol/frame-cutter.ts'
import {
  answerHeaderBytes,
  apiKeyOf,
  correlationOf,
  FrameReader,
  FrameWriter,
  requestBodyOffset,
  setCorrelation,
} from '../../../actors/protocol/frames.ts'
import { answerFrame, int16, int32, int64, list, requestFrame, text } from '../bytes.ts'

/** Pushes the stream in pieces that end at these places. */
function cutAt(stream: Buffer, places: readonly number[]): Buffer[] {
  const cutter = new FrameCutter()
  const ends = [...places, stream.length].sort((one, other) => one - other)
  return ends.flatMap((end, index) => cutter.push(stream.subarray(ends[index - 1] ?? 0, end)))
}

test('frames come out whole, wherever the stream is broken', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 })
  const broken = bodies.chain((list) => {
    const frames = list.map((body, index) => answerFrame(index, Buffer.from(body)))
    const stream = Buffer.concat(frames)
    return fc.record({
      frames: fc.constant(frames),
      stream: fc.constant(stream),
      places: fc.array(fc.nat(stream.length), { maxLength: 30 }),
    })
  })
  fc.assert(
    fc.property(broken, ({ frames, stream, places }) => {
      expect(cutAt(stream, places)).toEqual(frames)
    }),
  )
})

test('a stream of two frames may be broken at every single byte', () => {
  const frames = [answerFrame(1, text('one')), answerFrame(2)]
  const stream = Buffer.concat(frames)
  for (let place = 0; place <= stream.length; place++) expect(cutAt(stream, [place])).toEqual(frames)
  expect(cutAt(stream, Array.from(stream.keys()))).toEqual(frames)
})

test('a frame comes out as soon as its last byte is there, and not before', () => {
  const cutter = new FrameCutter()
  const frame = answerFrame(7, text('late'))
  expect(cutter.push(frame.subarray(0, -1))).toEqual([])
  expect(cutter.push(frame.subarray(-1))).toEqual([frame])
})

test.each([
  ['of another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
  ['shorter than a header', int32(3)],
  ['negative', int32(-1)],
])('a length that is %s throws', (_what, stream) => {
  expect(() => new FrameCutter().push(stream)).toThrow(RangeError)
})

test('the header of a request is read, and its correlation id replaced', () => {
  const request = requestFrame(3, 6, 41, int32(5))
  expect([apiKeyOf(request), correlationOf('request', request)]).toEqual([3, 41])
  expect(request.readInt32BE(requestBodyOffset(request))).toBe(5)
  setCorrelation('request', request, 42)
  expect(request).toEqual(requestFrame(3, 6, 42, int32(5)))
  const anonymous = Buffer.concat([int32(14), int16(3), int16(6), int32(1), text(null), int32(9)])
  expect(anonymous.readInt32BE(requestBodyOffset(anonymous))).toBe(9)
})

test('a reader reads what was written by hand, and refuses to read beyond the end', () => {
  const frame = answerFrame(1, int16(-2), int32(3), int64(4n), text('five'), text(null), list([int16(6), int16(7)]))
  const reader = new FrameReader(frame)
  const read: unknown[] = [reader.int16(), reader.int32(), reader.int64(), reader.string(), reader.string()]
  reader.array(() => read.push(reader.int16()))
  expect(read).toEqual([-2, 3, 4n, 'five', null, 6, 7])
  expect(reader.at).toBe(frame.length)
  expect(() => reader.int16()).toThrow(RangeError)
})

test('a null array has no elements', () => {
  const reader = new FrameReader(answerFrame(1, int32(-1)))
  reader.array(() => expect.unreachable())
  expect(reader.at).toBe(answerHeaderBytes + 4)
})

test('a writer writes what the protocol asks for', () => {
  const written = new FrameWriter().int16(1).int32(-2).string('ä').string(null).bytes(int64(3n)).answer()
  expect(written).toEqual(answerFrame(0, int16(1), int32(-2), text('ä'), text(null), int64(3n)))
})
