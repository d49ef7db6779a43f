// The command: what it says to options that can't be, and that a few seeds run through it from end to end, the same each time.
import { expect, test } from 'vitest'
import { runCommand } from '../verification/command.ts'
import { keptProducerSeeds } from './seeds.ts'

const simulate = (...args: string[]) => runCommand('tsx', ['test/simulation/main.ts', ...args], { timeoutMs: 100_000 })

test.each([
  [['--seeds', 'many'], 'Expected a whole number of at least 1, got many.'],
  [['--sedes', '5'], "unknown option '--sedes'"],
  [['5'], 'too many arguments'],
  [['--without', 'weather'], 'Expected names of dimensions, got weather.'],
])('%j is refused with a sentence', { timeout: 110_000 }, async (args, sentence) => {
  const { exitCode, output } = await simulate(...args)
  expect(output).toContain(sentence)
  expect(exitCode).toBe(1)
})

test('one seed tells its story, which ends with the same journal each time', { timeout: 210_000 }, async () => {
  const [first, second] = await Promise.all([
    simulate('--seed', '50', '--without', 'all'),
    simulate('--seed', '50', '--without', 'all'),
  ])
  expect(first.output).toMatch(/Seed 50: journal [0-9a-f]{16}, \d+ events/)
  expect(first.output.split('\n').filter((line) => line.includes(' -- ')).length).toBeGreaterThanOrEqual(20)
  expect(second).toEqual(first)
})

test('seeds of producers run through the command, those that once found a bug first', {
  timeout: 110_000,
}, async () => {
  const { exitCode, output } = await simulate('--producers', '2', '--workers', '1')
  expect(output).toContain(`${keptProducerSeeds.length + 2} seeds, `)
  expect(output).toContain('All invariants held.')
  expect(output).not.toContain('Seeds of consumers')
  expect(exitCode).toBe(0)
})
