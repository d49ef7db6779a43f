// BENCHMARKS.md: rendered from figures made up here, and the one in the checkout held against the results beside it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tableOf } from '../markdown.ts'
import { createLedger } from '../real/harness/ledger.ts'
import { renderDocument } from './document.ts'
import { movePicture, readPlans, readResults, readTorture } from './document-files.ts'
import { moveGoals } from './goals.ts'
import { plotMove } from './move-plot.ts'
import { planOf } from './plan.ts'
import { plotGaps } from './plot.ts'
import { merged, type Results } from './results.ts'
import { type Row, rowOf } from './row.ts'
import { timelineOf } from './timeline.ts'

const root = join(import.meta.dirname, '..', '..')
const flat = (ms: number) => ({ median: ms, p99: ms, worst: ms, count: 6 })

const row = (given: Partial<Row>): Row => ({
  client: 'relisten-1',
  change: 'instant-fin',
  boot: 'moved',
  secure: false,
  alone: true,
  at: '2026-01-02T03:04:05.000Z',
  moves: 20,
  back: true,
  watchMs: 0,
  gap: { median: 60, p99: 140, worst: 1200, count: 120 },
  above: { median: 10, p99: 90, worst: 1150, count: 120 },
  steady: flat(50),
  log: flat(40),
  ...{ lost: 0, unread: 0, twiceByProcess: 0, twiceByGroup: 0, disorder: 0, rebalances: 0 },
  ...given,
})

const results = (given: Partial<Results> = {}): Results => ({
  runs: [{ command: 'npm run bench', date: '2026-01-02T03:04:05.000Z', minutes: 44.4, commit: 'abc123' }],
  versions: { relisten: '0.1.0', Node: '20.1.2' },
  machine: { cpu: 'Some CPU', cores: 2, memoryGb: 16, platform: 'linux x64' },
  rows: [],
  stages: [],
  costs: [],
  ...given,
})

const others = row({ client: 'java', alone: false, back: false, watchMs: 40_000, unread: 77, moves: 1 })

test('the document says when, with what and on what it was measured', () => {
  const text = renderDocument(results())
  for (const part of ['2026-01-02 03:04 UTC', 'abc123', '`npm run bench`', '44 minutes', 'Node 20.1.2', 'Some CPU']) {
    expect(text).toContain(part)
  }
})

test('a row tells its gaps, and in brackets how far they are above the steady state', () => {
  const [told] = tableOf(renderDocument(results({ rows: [row({})] })), 'client')
  expect(told).toMatchObject({ client: 'relisten, one member', worst: '1,200 (1,150)', lost: '0' })
})

test('a client that is not back has no figures but the time it was watched', () => {
  const told = tableOf(renderDocument(results({ rows: [row({}), others] })), 'client')
  expect(told[0]).toMatchObject({ client: 'Java client', median: 'not back in 40 s', lost: '0 (77 unread)' })
})

test('clients are set side by side by whole gaps at one and the same move, and nobody alone is among them', () => {
  const rows = [row({}), row({ alone: false, gap: flat(126) }), others, row({ boot: 'stable' })]
  const text = renderDocument(results({ rows }))
  expect(tableOf(text, 'change')).toEqual([
    {
      change: 'instant, closed (FIN)',
      ...{ 'relisten, one member': '126 ms', 'Java client': 'not back in 40 s', 'the log': '40 ms' },
    },
  ])
  expect(text).toContain('Measured 2026-01-02, commit abc123.')
})

test('clients that were alone have a table of their own below those of one and the same move', () => {
  const rows = [row({ gap: flat(60) }), row({ alone: false, gap: flat(126) }), others]
  const [, beside = '', alone = ''] = renderDocument(results({ rows })).split(/^(?:Beside each|Alone on)/m)
  expect(tableOf(beside, 'client').map(({ client }) => client)).toEqual(['relisten, one member', 'Java client'])
  expect(tableOf(alone, 'client').map(({ worst }) => worst)).toEqual(['60 (1,150)'])
})

test('goals are judged by the rows, and a goal that is not met says so', () => {
  const rows = [row({ above: { median: 50, p99: 151, worst: 151, count: 120 }, rebalances: 1 }), others]
  const told = tableOf(renderDocument(results({ rows })), 'what')
  expect(told.map(({ figure, measured, '': verdict }) => [figure, measured, verdict])).toEqual([
    ['one member, closed, median', '50 ms', 'met'],
    ['one member, closed, 99 %', '151 ms', '**not met**'],
    ['one member, closed: lost, twice and rebalances', '1 in all', '**not met**'],
  ])
  expect(told[0]).toMatchObject({
    'beside it':
      'the gaps themselves: median 60 ms, 99 % 140 ms, worst 1200 ms, at 20 moves; without a move up to 50 ms',
    of: '2026-01-02, commit abc123',
  })
})

test('the goal of a rolling restart is what Java needed alone', () => {
  const rows = [row({ change: 'rolling-restart' }), row({ change: 'rolling-restart', client: 'java', gap: flat(700) })]
  expect(moveGoals(rows).map(({ value, most }) => [value, most])).toEqual([
    [60, 700],
    [140, 700],
    [1200, 700],
  ])
})

test('a part that is measured again replaces its rows, and no other', () => {
  const again = row({ moves: 5 })
  const all = merged(results({ rows: [row({}), others] }), results({ rows: [again] }))
  expect(all.rows).toEqual([others, again])
})

test('a row is made of what was handed out: gaps at the move, what is above the steady state, what is unread', () => {
  const ledger = createLedger()
  const hand = (offset: number, startedAt: number) => {
    const message = { member: 'm', process: 'p', partition: 0, sequence: offset, sentAt: startedAt }
    ledger.end(ledger.begin({ ...message, offset, startedAt }))
  }
  const times = [1000, 1030, 1060, 1100, 1500, 1530, 5000]
  for (const [offset, time] of times.entries()) hand(offset, time)
  const made = rowOf({
    ...{ client: 'relisten-1', change: 'instant-fin', boot: 'moved', secure: false, alone: true, watchMs: 0 },
    ...{ rebalances: 0, ledger, partitions: [0], answeredAt: [] },
    log: new Map([[0, { low: 0, sequences: [0, 1, 2, 3, 4, 5, 6, 7], appendedAt: times }]]),
    moves: [{ from: 1110, to: 1520 }],
    whole: { from: 1000, to: 9000 },
  })
  expect(made).toMatchObject({ back: false, lost: 0, unread: 1, steady: { worst: 3470 } })
  expect(made.gap).toEqual({ median: 400, p99: 400, worst: 400, count: 1 })
  expect(made.above.worst).toBe(0)
})

test('the plot has a bar for each row, and a client that is not back is named so', () => {
  const svg = plotGaps([row({}), others])
  expect(svg).toContain('<svg')
  expect(svg).toContain('1,200')
  expect(svg).toContain('not back')
})

test('a time line counts what was handled since five seconds before the move, and knows the gap', () => {
  const ledger = createLedger()
  for (const [offset, startedAt] of [4000, 5500, 9990, 12_000, 12_050].entries()) {
    const message = { member: 'm', process: 'p', partition: 0, sequence: offset, sentAt: startedAt }
    ledger.begin({ ...message, offset, startedAt }).endedAt = startedAt + 5
  }
  const line = timelineOf([{ name: 'relisten-1', ledger }], [0], { from: 10_000, to: 12_100 })
  expect(line).toMatchObject({ at: '1970-01-01T00:00:10.000Z', fromMs: -5000, clients: [{ gapMs: 2010 }] })
  const { handled = [] } = line.clients[0] ?? {}
  expect([0, 5, 6, 49, 50, 69, 70, 71].map((step) => handled[step])).toEqual([0, 0, 1, 1, 2, 2, 2, 4])
})

test('the picture names both clients with their gaps', () => {
  const base = { fromMs: -5000, stepMs: 1000, at: '2026-01-02T03:04:05.000Z' }
  const handled = Array.from({ length: 16 }, (_, step) => step)
  const clients = [
    { client: 'relisten-1' as const, gapMs: 123, handled },
    { client: 'kafkajs-function' as const, gapMs: 23_456, handled },
  ]
  const svg = plotMove({ ...base, clients })
  expect(svg).toContain('relisten: longest gap 0.1 s')
  expect(svg).toContain('KafkaJS: longest gap 23.5 s')
})

test('a quick run needs no Java client, and a filter leaves what was asked for', () => {
  const base = { only: [], apart: false }
  expect(planOf({ ...base, quick: true }).flatMap(({ clients }) => clients)).not.toContain('java')
  const some = planOf({ ...base, quick: false, only: ['java', 'rolling-restart', 'stable'] })
  expect(some.length).toBe(1)
  expect(some.every(({ change, boot }) => change === 'rolling-restart' && boot === 'stable')).toBe(true)
  expect(planOf({ ...base, quick: false, only: ['costs'] })).toEqual([])
  expect(planOf({ ...base, quick: false, only: ['picture'] }).map(({ clients }) => clients)).toEqual([
    ['relisten-1', 'kafkajs-function'],
  ])
})

test('BENCHMARKS.md says what the results beside it say', async () => {
  const published = await readResults(root)
  const text = await readFile(join(root, 'BENCHMARKS.md'), 'utf8').catch(() => undefined)
  expect(text).toBe(published && renderDocument(published, await readTorture(root), await readPlans(root)))
})

test('the picture of the README is drawn from the results, and its words give their figures', async () => {
  const { picture, rows = [] } = (await readResults(root)) ?? {}
  if (picture === undefined) throw new Error('There is no picture: record it with `npm run bench -- --only picture`')
  expect(await readFile(movePicture(root), 'utf8')).toBe(plotMove(picture))
  const [, words = '', below = ''] =
    /!\[([^\]]+)\]\(docs\/move\.svg\)\n\n(.*)/.exec(await readFile(join(root, 'README.md'), 'utf8')) ?? []
  for (const { gapMs } of picture.clients) expect(words).toContain(`${(gapMs / 1000).toFixed(1)} s`)
  const inCompany = (client: string) =>
    rows.find((row) => row.client === client && row.change === 'instant-fin' && row.boot === 'moved' && !row.alone)
  const [ours = 0, theirs = 0] = ['relisten-1', 'kafkajs-function'].map((client) => inCompany(client)?.gap.worst)
  expect(below).toContain(`${(ours / 1000).toFixed(2)} s against ${(theirs / 1000).toFixed(1)} s`)
})
