// Slow brokers, by what they and others report.
import { expect, test } from 'vitest'
import { slowBrokers } from '../../../machines/balancer/slow-broker.ts'

const steady = (ms: number, reports = 20) => Array.from({ length: reports }, () => ms)
const judged = (...histories: (readonly number[])[]) =>
  [...slowBrokers(new Map(histories.map((history, id) => [id, history])))].map(([id, { why }]) => [id, why])

test.each([
  ['nobody says anything', [[], []], []],
  ['all are fast', [steady(5), steady(8), steady(3)], []],
  ['all are equally loaded', [steady(3000), steady(3000), steady(3000)], []],
  ['one reports a long time for once', [[...steady(5), 9000], steady(5), steady(5)], []],
  [
    'one is far above the others and stays below a second',
    [[...steady(5), ...steady(900, 3)], steady(5), steady(5)],
    [],
  ],
  [
    'one is above its history and its peers',
    [[...steady(400), ...steady(1500, 3)], steady(300), steady(400)],
    [[0, 'history-and-peers']],
  ],
  ['all are above their history', [0, 1, 2].map(() => [...steady(400), ...steady(1500, 3)]), []],
  ['one was always slower than its peers', [steady(5000), steady(400), steady(500)], [[0, 'peers']]],
  ['one is above its peers and as always, by less', [steady(2000), steady(400), steady(500)], []],
  ['one has no history and is far above its peers', [steady(5000, 3), steady(400), steady(500)], [[0, 'peers']]],
  ['there are no peers', [[...steady(400), ...steady(1500, 3)]], [[0, 'history']]],
  [
    'all hang',
    [steady(12_000), steady(11_000)],
    [
      [0, 'pending'],
      [1, 'pending'],
    ],
  ],
])('where %s, the slow ones are found', (_, histories, slow) => {
  expect(judged(...histories)).toEqual(slow)
})

test('a slow broker is shown with its figures', () => {
  const histories = [[...steady(400), ...steady(1500, 3)], steady(300), steady(400)]
  const slow = slowBrokers(new Map(histories.map((history, id) => [id, history])))
  expect(slow.get(0)).toEqual({ why: 'history-and-peers', pendingMs: 1500, usualMs: 400, peersMs: 300 })
})
