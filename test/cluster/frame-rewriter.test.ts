import { expect, test } from 'vitest'
import { createFrameRewriter, LARGE_FRAME } from './frame-rewriter.ts'

const frame = (body: Buffer | string) => {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(Buffer.byteLength(body))
  return Buffer.concat([size, Buffer.from(body)])
}
const moved = () => new Map([['127.0.9.1', '127.0.3.1']])

test.each([1, 2, 3, 5, 7, 64, 1000])(
  'a stream cut into pieces of %i bytes comes out whole, with hosts replaced',
  (size) => {
    const large = Buffer.alloc(LARGE_FRAME, '127.0.9.1 ')
    const stream = Buffer.concat([
      frame('see 127.0.9.1 and 127.0.9.1'),
      frame(''),
      frame(large),
      frame('127.0.9.10 127.0.8.1'),
    ])
    const rewriter = createFrameRewriter(moved)
    const out: Buffer[] = []
    for (let at = 0; at < stream.length; at += size) out.push(...rewriter.push(stream.subarray(at, at + size)))
    const expected = [frame('see 127.0.3.1 and 127.0.3.1'), frame(''), frame(large), frame('127.0.3.10 127.0.8.1')]
    expect(Buffer.concat(out).equals(Buffer.concat(expected))).toBe(true)
  },
)

test('a small frame is held until it is whole, a large one passes as it comes', () => {
  const rewriter = createFrameRewriter(moved)
  const small = frame('host 127.0.9.1')
  expect(rewriter.push(small.subarray(0, 12))).toEqual([])
  expect(rewriter.push(small.subarray(12))).toEqual([frame('host 127.0.3.1')])
  const large = frame(Buffer.alloc(LARGE_FRAME))
  expect(rewriter.push(large.subarray(0, 100))).toEqual([large.subarray(0, 100)])
})

test('a change of the replacements is in force for the next frame', () => {
  let set = 1
  const rewriter = createFrameRewriter(() => new Map([['127.0.9.1', `127.0.${set}.1`]]))
  expect(rewriter.push(frame('127.0.9.1'))).toEqual([frame('127.0.1.1')])
  set = 2
  expect(rewriter.push(frame('127.0.9.1'))).toEqual([frame('127.0.2.1')])
})

test('the caller keeps its bytes', () => {
  const given = frame('127.0.9.1')
  createFrameRewriter(moved).push(given)
  expect(given).toEqual(frame('127.0.9.1'))
})

test('a frame that is turned down is left out and the next one passes', () => {
  const rewriter = createFrameRewriter(moved, (one) => !one.includes('drop'))
  expect(rewriter.push(Buffer.concat([frame('drop me'), frame('keep me')]))).toEqual([frame('keep me')])
})
