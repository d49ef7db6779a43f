// Brokers with several listeners: each announces its own addresses, and only what the one in use does is a move.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AcceptanceInput } from '../../machines/acceptance.ts'
import { accept } from '../../machines/acceptance.ts'
import { all9, died, first, named, old, type Row, run, said } from './said.ts'

test.each<Row>([
  [
    'its answers move nothing, however many of its brokers agree',
    [said(10, 'a:9', all9), said(20, 'b:9', all9), said(30, 'c:9', all9)],
    ['', '', ''],
  ],
  [
    'a source that names both stays with the one in use',
    [named(5, 'a:9 a:1 b:9 b:1'), said(10, 'a:9', all9), said(20, 'b:9', all9), said(30, 'c:9', all9)],
    ['', '', '', ''],
  ],
  [
    'one node whose listener in use is dead goes to the other one by itself',
    [said(10, 'a:9', all9), said(20, 'b:1', old), died(30, 'a:1'), said(40, 'a:9', all9), said(50, 'b:9', all9)],
    ['', '', '', '1>a:9', ''],
  ],
  [
    'and comes back when it answers there again',
    [said(10, 'a:9', all9), died(20, 'a:1'), said(30, 'b:1', old), said(40, 'a:1', old)],
    ['', '1>a:9', '', '1>a:1'],
  ],
  [
    'a node that answers at neither is moved by nobody',
    [died(5, 'a:1'), said(10, 'b:9', all9), said(20, 'c:9', all9), died(30, 'a:9'), said(40, 'b:1', old)],
    ['', '', '', '', ''],
  ],
  [
    'a source that goes from one to the other moves all, once',
    [
      named(5, 'a:1 b:1 c:1'),
      named(10, 'a:9 b:9 c:9'),
      said(20, 'a:9', all9),
      said(30, 'a:1', old),
      said(40, 'b:9', all9),
      said(50, 'b:1', old),
      said(60, 'c:1', old),
      said(70, 'a:1', old),
    ],
    ['', '', '1>a:9', '', '2>b:9 3>c:9', '', '', ''],
  ],
  [
    'what was known of the other one is no obstacle when the source goes there',
    [
      named(5, 'a:1 a:9'),
      said(10, 'a:9', all9),
      said(20, 'a:1', old),
      named(30, 'a:9'),
      said(40, 'a:9', all9),
      said(50, 'b:9', all9),
    ],
    ['', '', '', '', '1>a:9', '2>b:9 3>c:9'],
  ],
  [
    'a source that names now one and now the other moves nothing back',
    [
      named(5, 'a:1'),
      said(10, 'a:9', all9),
      said(20, 'a:1', old),
      named(30, 'a:9'),
      said(40, 'a:9', all9),
      said(50, 'b:9', all9),
      named(60, 'a:1'),
      said(70, 'a:1', old),
      said(80, 'b:1', old),
      named(90, 'a:9'),
    ],
    ['', '', '', '', '1>a:9', '2>b:9 3>c:9', '', '', '', ''],
  ],
  [
    'an endpoint of the source that announces the one in use speaks for it',
    [named(5, 'lb:1 a:9'), said(6, 'lb:1', old), said(10, 'a:9', all9), said(20, 'b:9', all9)],
    ['', '', '', ''],
  ],
  [
    'a listener that announces the addresses of the other one has moved there',
    [said(10, 'a:9', all9), said(20, 'a:1', old), said(30, 'a:1', all9), said(40, 'b:1', all9), said(50, 'c:1', all9)],
    ['', '', '', '1>a:9 2>b:9', '3>c:9'],
  ],
  [
    'brokers that were believed to have swapped are believed when they say they have not',
    [
      said(10, 'a:1', '2@a:1 1@b:1 3@c:1'),
      said(20, 'b:1', '2@a:1 1@b:1 3@c:1'),
      said(30, 'a:1', old),
      said(40, 'a:1', '2@a:1 1@b:1 3@c:1'),
      said(50, 'b:1', '2@a:1 1@b:1 3@c:1'),
      said(60, 'a:1', old),
      said(70, 'b:1', old),
    ],
    ['', '2>a:1 1>b:1', '', '', '', '', '1>a:1 2>b:1'],
  ],
])('beside a second listener: %s', (_, inputs, moves) => {
  expect(run([first, ...inputs]).moves.slice(1)).toEqual(moves)
})

test('nodes that another listener does not show have not left', () => {
  const step = accept(run([first]).state, said(10, 'a:9', '1@a:9 2@b:9'))
  expect(step).toMatchObject({ joined: [], left: [] })
  expect(step.state.entries.every(({ present }) => present)).toBe(true)
})

/** What the brokers of listener `port` announce, and who of them says it. */
const viewOf = (port: number) => `1@a:${port} 2@b:${port} 3@c:${port}`
const speakers = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 3 }))
const truths = fc.oneof(
  speakers.map(
    ([host, port]) =>
      (at: number) =>
        said(at, `${host}:${port}`, viewOf(port)),
  ),
  speakers.map(
    ([host, port]) =>
      (at: number) =>
        said(at - 150, `${host}:${port}`, viewOf(port)),
  ),
  speakers.map(
    ([host, port]) =>
      (at: number) =>
        said(at, `${host}:${port}`, viewOf(port).split(' ').slice(1).join(' ')),
  ),
  speakers.map(
    ([host, port]) =>
      (at: number) =>
        died(at, `${host}:${port === 1 ? 9 : port}`),
  ),
  fc.subarray(['a:1', 'b:1', 'c:1'], { minLength: 1 }).chain((mine) =>
    fc.subarray(['a:2', 'b:2', 'c:2', 'a:3', 'lb:1']).map((others) => (at: number) => {
      return named(at, [...others, ...mine].join(' '))
    }),
  ),
)

test('no history of brokers with up to three listeners that tell the truth about a still cluster moves anything', () => {
  fc.assert(
    fc.property(fc.array(truths, { maxLength: 40 }), (inputs) => {
      const { moves, book } = run([first, ...inputs.map((make, index) => make(200 + index * 100))])
      expect(moves.join('')).toBe('')
      expect(book).toBe(old)
    }),
    { numRuns: 100 },
  )
})

const closes = [died(0, 'a:1'), died(0, 'b:1'), died(0, 'c:1')]
const tells = ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c']

test.each<[string, string | RegExp, (order: readonly string[]) => AcceptanceInput[]]>([
  [
    'is closed, to those that live',
    /^1@a:[23] 2@b:[23] 3@c:[23]$/,
    (order) => [...closes, ...order.map((host) => said(0, `${host}:2`, viewOf(2)))],
  ],
  [
    'is closed, to new addresses',
    viewOf(7),
    (order) => [...order.map((host) => said(0, `${host}:7`, viewOf(7))), ...closes, said(0, 'a:7', viewOf(7))],
  ],
  ['announces new addresses', viewOf(7), (order) => order.map((host) => said(0, `${host}:1`, viewOf(7)))],
  ['announces those of another one', viewOf(2), (order) => order.map((host) => said(0, `${host}:1`, viewOf(2)))],
  [
    'is left by the source',
    viewOf(2),
    (order) => [named(0, 'a:2 b:2'), ...order.map((host) => said(0, `${host}:2`, viewOf(2)))],
  ],
])('after any history of several listeners the book follows when the one in use %s', (_, book, change) => {
  const orders = fc.shuffledSubarray(tells, { minLength: 6 }).map((order) => [...order, 'a', 'b', 'c', 'a', 'b', 'c'])
  fc.assert(
    fc.property(fc.array(truths, { maxLength: 20 }), orders, (inputs, order) => {
      const before = inputs.map((make, index) => make(200 + index * 100))
      const after = change(order).map((input, index) => {
        const at = 3000 + index * 10
        if ('snapshot' in input) return { snapshot: { ...input.snapshot, at } }
        return 'dead' in input ? { dead: { ...input.dead, at } } : { source: { ...input.source, at } }
      })
      expect(run([first, ...before, ...after]).book).toMatch(book)
    }),
    { numRuns: 400 },
  )
})
