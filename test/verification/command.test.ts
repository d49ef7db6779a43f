import { expect, test } from 'vitest'
import { runCommand } from './command.ts'

const timeoutMs = 5_000

test('the output of both streams and the exit code are kept', async () => {
  const result = await runCommand('node', ['-e', 'console.log(1); console.error(2); process.exitCode = 3'], {
    timeoutMs,
  })
  expect(result.exitCode).toBe(3)
  expect(result.output.trim().split('\n').sort()).toEqual(['1', '2'])
})

test('a program that does not exist has no exit code, and the output says so', async () => {
  const result = await runCommand('no-such-program', [], { timeoutMs })
  expect(result).toEqual({ exitCode: null, output: expect.stringContaining('no-such-program could not be started') })
})

test('a command that does not end in time is stopped with what it started', async () => {
  const script = `
    const { spawn } = require('node:child_process')
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
    setInterval(() => {}, 1000)
  `
  // The inner process holds the same pipe, so the command counts as ended only when both are gone.
  const result = await runCommand('node', ['-e', script], { timeoutMs: 1_000 })
  expect(result).toEqual({ exitCode: null, output: expect.stringContaining('did not end within 1 s') })
}, 20_000)
