// The logger of those who pass none: what needs a person, once a minute, with nothing loaded before it is needed.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { consoleLogger } from '../../../src/views/console-logger.ts'
import { createDefaultLogger } from '../../../src/views/default-logger.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function stage() {
  const lines: string[] = []
  const load = vi.fn(() => ({
    warn: (_fields: object, message: string) => void lines.push(`warn ${message}`),
    error: (_fields: object, message: string) => void lines.push(`error ${message}`),
  }))
  return { lines, load, logger: createDefaultLogger(load) }
}

const failed = (partition: number) => ({ fact: 'handler.failed', topic: 'orders', partition })

test('nothing is loaded before a line is written, and small steps are no line', () => {
  const { lines, load, logger } = stage()
  logger.info({ fact: 'session.joined' }, 'joined')
  logger.debug({ fact: 'member.named' }, 'named')
  expect(load).not.toHaveBeenCalled()
  logger.warn(failed(0), 'failed')
  logger.error({ fact: 'consumer.failed' }, 'the end')
  expect(load).toHaveBeenCalledTimes(1)
  expect(lines).toEqual(['warn failed', 'error the end'])
})

test('the same thing is one line a minute, and the next line counts what was left out', () => {
  const { lines, logger } = stage()
  for (let call = 0; call < 5; call++) logger.warn(failed(0), 'failed')
  logger.warn(failed(1), 'failed elsewhere')
  logger.error({ fact: 'journal.failed' }, 'no disk')
  expect(lines).toEqual(['warn failed', 'warn failed elsewhere', 'error no disk'])
  vi.advanceTimersByTime(60_000)
  logger.warn(failed(0), 'failed')
  expect(lines.at(-1)).toBe('warn failed (4 lines like it were left out)')
})

test('of one kind of fact there are ten lines a minute at most', () => {
  const { lines, logger } = stage()
  for (let partition = 0; partition < 1000; partition++) logger.warn(failed(partition), 'failed')
  expect(lines).toHaveLength(10)
})

test('another reason for the same fact is another line', () => {
  const { lines, logger } = stage()
  const unreachable = (code: string) => ({ fact: 'cluster.unreachable', failure: { kind: 'dial-failed', code } })
  logger.warn(unreachable('ECONNREFUSED'), 'closed')
  logger.warn(unreachable('HTTP_ANSWERED'), 'a web server')
  expect(lines).toEqual(['warn closed', 'warn a web server'])
})

test('the console gets a line for people, without the fields', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const info = vi.spyOn(console, 'info').mockImplementation(() => {})
  consoleLogger.warn({ consumer: 'orders', fact: 'x' }, 'No broker answers')
  consoleLogger.info({ consumer: 'orders' }, 'Joined')
  consoleLogger.debug({ consumer: 'orders' }, 'a small step')
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/^\S+Z WARN {2}relisten orders: No broker answers$/)]])
  expect(info).toHaveBeenCalledTimes(1)
})
