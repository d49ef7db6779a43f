// The board of the balancer's demo, as lines.
import { expect, test } from 'vitest'
import { even } from '../balancer/decisions.ts'
import { type BoardView, bar, boardLines } from './balance-board.ts'

const status: BoardView['status'] = {
  ...{ state: 'observing', round: 0, execution: null, copiedBytes: 0, throttles: [], blindness: null },
  ...{ moves: { done: 0, cancelled: 0, failed: 0 }, newestSampleAt: 10_000 },
}
const view: BoardView = {
  ...{ now: 10_300, listeners: 'at their first addresses', status },
  before: { ...even, networkOut: 0.98 },
  imbalance: { ...even, networkOut: 0.004 },
  brokers: [
    { id: 1, in: 3072, out: 4096 },
    { id: 2, in: 1024, out: 0 },
  ],
}
const lineOf = (own: Partial<BoardView['status']>, part: string) =>
  boardLines({ ...view, status: { ...status, ...own } }).find((line) => line.includes(part))

test('a bar is filled up to the share of the mean, with the mean marked, and a share beyond its end is an arrow', () => {
  expect([bar(0), bar(0.5), bar(1), bar(1.5)]).toEqual([
    '··········│··············',
    '█████·····│··············',
    '██████████│··············',
    '███████████████··········',
  ])
  expect(bar(2.5)).toBe('█'.repeat(25))
  expect(bar(7)).toBe(`${'█'.repeat(24)}▶`)
})

test('each broker has its network in and out beside each other, against the means', () => {
  const at = boardLines(view).findIndex((line) => line.startsWith('  broker 1'))
  const [first = '', second = '', means = ''] = boardLines(view).slice(at)
  expect(first).toMatch(/^ {2}broker 1 {2}█{15}·{10} 1\.50 {2}3\.0 KiB\/s +█{20}·{5} 2\.00 {2}4\.0 KiB\/s$/)
  expect(second).toMatch(/ 0\.50 {2}1\.0 KiB\/s .*│·+ 0\.00 {2}0 B\/s$/)
  expect(means).toMatch(/│ mean 2\.0 KiB\/s +│ mean 2\.0 KiB\/s$/)
})

test('the lines say how far a plan is while it is carried out, and what was done in all otherwise', () => {
  const execution = {
    ...{ waiting: 3, done: 5, failed: 1, bytes: { copied: 1024, total: 4096 }, leftMs: null },
    underWay: [{ topic: 't', partition: 0, to: 2 }],
  }
  expect(lineOf({ state: 'executing', round: 2, execution }, 'round 2')).toBe(
    '  executing, round 2: 5 of 10 steps done, 1 under way, 1 failed, 1.0 KiB of 4.0 KiB copied',
  )
  const moves = { done: 9, cancelled: 0, failed: 0 }
  expect(lineOf({ state: 'cooling', round: 2, execution, moves, copiedBytes: 2048 }, 'round 2')).toBe(
    '  cooling, round 2: 9 steps done in all, 2.0 KiB copied',
  )
})

test('the lines say how old the newest sample is, when figures are stale, and how many throttles are set', () => {
  expect(lineOf({}, 'newest sample')).toBe('  newest sample 0.3 s old   throttles set 0')
  expect(lineOf({ newestSampleAt: null, throttles: ['a', 'b'] }, 'newest sample')).toBe(
    '  newest sample none yet   throttles set 2',
  )
  expect(lineOf({ blindness: { since: 10_000, reason: 'too-old' } }, 'newest sample')).toContain('nothing is decided')
})

test('the imbalance of each goal stands behind what it was before the plan, and all lines fit on a hundred columns', () => {
  expect(lineOf({}, 'networkOut')).toContain('networkOut 0.980 → 0.004')
  expect(boardLines(view).filter((line) => line.length > 100)).toEqual([])
})
