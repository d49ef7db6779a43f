import { expect, test } from 'vitest'
import { tally } from './tally.ts'

const file = (status: string, ...statuses: string[]) => ({
  name: 'some.test.ts',
  status,
  assertionResults: statuses.map((each, index) => ({ fullName: `test ${index}`, status: each })),
})

test('passed and failed tests are counted over all files', () => {
  const report = { testResults: [file('passed', 'passed', 'passed'), file('failed', 'failed', 'passed')] }
  expect(tally(report, 1)).toEqual({ passed: 3, failed: 1, reasons: ['test 0'] })
})

test('a failed test is named with its messages', () => {
  const failing = { fullName: 'group › test', status: 'failed', failureMessages: ['expected 2134 to be below 2000'] }
  const report = { testResults: [{ ...file('failed'), assertionResults: [failing] }] }
  expect(tally(report, 1).reasons).toEqual(['group › test\nexpected 2134 to be below 2000'])
})

test.each(['skipped', 'pending', 'todo'])('a test that is %s counts as failed, with the reason', (status) => {
  const result = tally({ testResults: [file('passed', 'passed', status)] }, 0)
  expect(result).toEqual({ passed: 1, failed: 1, reasons: [`did not run (${status}): test 1`] })
})

test('a file that fails outside its tests counts as one failure', () => {
  const result = tally({ testResults: [file('failed'), file('passed', 'passed')] }, 1)
  expect(result).toMatchObject({ passed: 1, failed: 1 })
  expect(result.reasons).toHaveLength(1)
})

test.each([
  ['no report', undefined, 1],
  ['a report without tests', { testResults: [] }, 0],
  ['a bad exit code after tests that passed', { testResults: [file('passed', 'passed')] }, 1],
  ['a killed run after tests that passed', { testResults: [file('passed', 'passed')] }, null],
])('%s is one failure, with the reason', (_, report, exitCode) => {
  const result = tally(report, exitCode)
  expect(result.failed).toBe(1)
  expect(result.reasons).toHaveLength(1)
})
