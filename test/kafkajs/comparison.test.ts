import { expect, test } from 'vitest'
import { compare, type Run, tableOf } from './comparison.ts'
import { outcomesOf } from './spec-file.ts'

const run = (mode: Run['mode'], ...statuses: ('passed' | 'failed' | 'skipped')[]): Run => ({
  ...{ suite: 'admin', mode, file: 'a.spec.js', commit: undefined, ms: 1400, moves: mode === 'moving' ? 5 : 0 },
  ...(mode !== 'stock' && { followed: { clients: 7, moves: 4, reconnects: 0, outages: 0, lostResponses: 0 } }),
  tests: statuses.map((status, index) => ({
    title: `test ${index}`,
    status,
    ...(status === 'failed' && { why: 'late' }),
  })),
})
const listed = { file: 'a.spec.js', title: 'test 0', reason: 'It counts sockets.' }

test('a test that passes on stock and fails over wires is a difference, in each mode', () => {
  const { differences } = compare([run('stock', 'passed'), run('still', 'failed'), run('moving', 'failed')], [])
  const difference = { file: 'a.spec.js', title: 'test 0', why: 'late' }
  expect(differences).toEqual([
    { ...difference, mode: 'still' },
    { ...difference, mode: 'moving' },
  ])
})

test.each([
  ['is skipped', run('still', 'skipped'), 'It was skipped.'],
  ['was not run', run('still'), 'It was not run.'],
])('a test that passes on stock and %s over wires is a difference', (_, still, why) => {
  expect(compare([run('stock', 'passed'), still], []).differences).toMatchObject([{ title: 'test 0', why }])
})

test('what fails on stock, or passes in both, is no difference', () => {
  expect(compare([run('stock', 'failed', 'passed'), run('still', 'failed', 'passed')], []).differences).toEqual([])
})

test('a file that was run over wires only is named', () => {
  expect(compare([run('still', 'passed')], []).withoutStock).toEqual(['a.spec.js'])
  expect(compare([run('stock', 'passed'), run('still', 'passed')], []).withoutStock).toEqual([])
})

test('a difference that is listed has its reason, and is not needless', () => {
  const compared = compare([run('stock', 'passed'), run('still', 'failed')], [listed])
  expect(compared.differences).toMatchObject([{ exception: 'It counts sockets.' }])
  expect(compared.needless).toEqual([])
})

test('an exception is needless where its test passes over wires, and not where its file was not compared', () => {
  expect(compare([run('stock', 'passed'), run('still', 'passed')], [listed]).needless).toEqual([listed])
  expect(compare([run('stock', 'passed')], [listed]).needless).toEqual([])
})

test('an exception that only a move makes is none with still brokers, and is not needless where no move has made it', () => {
  const raced = { ...listed, whileMoving: true as const }
  const exceptionIn = (mode: Run['mode']) =>
    compare([run('stock', 'passed'), run(mode, 'failed')], [raced]).differences.map(({ exception }) => exception)
  expect([exceptionIn('still'), exceptionIn('moving')]).toEqual([[undefined], ['It counts sockets.']])
  expect(compare([run('stock', 'passed'), run('moving', 'passed')], [raced]).needless).toEqual([])
})

test('the table counts per suite and mode', () => {
  const runs = [run('stock', 'passed', 'passed', 'skipped'), run('moving', 'failed', 'failed', 'skipped')]
  const rows = tableOf(runs, compare(runs, [listed])).split('\n')
  const cells = rows.flatMap((row) => (row.includes('admin') ? [row.split('│').map((cell) => cell.trim())] : []))
  expect(cells).toEqual([
    ['', 'admin', 'stock', '2', '0', '1', '1', '0', '', '', '', '', ''],
    ['', 'admin', 'moving', '0', '2', '1', '1', '5', '7', '4', '2', '1', ''],
  ])
})

test('outcomes are those of Jest; a title that comes twice is numbered, and a file that could not be loaded has failed', () => {
  const report = (...assertionResults: { fullName: string; status: string; failureMessages: string[] }[]) => ({
    testResults: [{ message: 'Cannot find module', assertionResults }],
  })
  const one = { fullName: 'Admin > ends', failureMessages: [] }
  expect(
    outcomesOf(report({ ...one, status: 'passed' }, { ...one, status: 'failed', failureMessages: ['a', 'b'] })),
  ).toEqual([
    { title: 'Admin > ends', status: 'passed' },
    { title: 'Admin > ends (2)', status: 'failed', why: 'a\nb' },
  ])
  expect(outcomesOf(report({ ...one, status: 'pending' }))).toEqual([{ title: 'Admin > ends', status: 'skipped' }])
  expect(outcomesOf(report())).toEqual([{ title: '(the file)', status: 'failed', why: 'Cannot find module' }])
})
