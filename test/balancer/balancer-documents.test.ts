// What README and docs/balancer.md say of the balancer, held against the code it is about.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { usualExecution } from '../../actors/balancer/execution-settings.ts'
import { type Decision, remainderOf, summaryOf } from '../../machines/balancer/decision.ts'
import type { Imbalance, Step } from '../../machines/balancer/plan.ts'
import { resolveBalancerOptions } from '../../src/balancer/balancer-options.ts'
import { runCommand } from '../../src/command-line/command.ts'
import { planTable } from '../../src/command-line/plan-table.ts'
import { factTypes } from '../../src/views/log.ts'
import { codeBlocks, quoted, tableOf } from '../markdown.ts'

const root = join(import.meta.dirname, '..', '..')
const [readme, document] = (await Promise.all(
  ['README.md', 'docs/balancer.md'].map((path) => readFile(join(root, path), 'utf8')),
)) as [string, string]

const units: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }
const bytesIn = (text: string): number => {
  const [, value, unit = ''] = /([\d.]+) (\w+)/.exec(text) ?? []
  return Math.round(Number(value) * (units[unit] ?? Number.NaN))
}

test('the options of an execution have the defaults that the document gives', () => {
  const execution = resolveBalancerOptions({ mode: 'execute' }).execution
  const limits = Object.entries(usualExecution.limits).map(([name, value]) => [`limits.${name}`, value] as const)
  const { rates: _, limits: __, ...usual } = usualExecution
  const real = { ...usual, ...Object.fromEntries(limits), takeBack: execution?.takeBack }
  const named = tableOf(document, 'option of `execution`').flatMap((row) => {
    const [, value] = /Default ([^:.]+)/.exec(row.effect ?? '') ?? []
    const name = quoted(row['option of `execution`'] ?? '')[0] ?? ''
    return value === undefined ? [] : [[name, value.replaceAll(/[`,]/g, '')] as const]
  })
  const asText = (value: unknown) => (value === 10 * 2 ** 30 ? '10 GiB' : String(value))
  expect(Object.fromEntries(named)).toEqual(
    Object.fromEntries(Object.entries(real).map(([name, value]) => [name, asText(value)])),
  )
  const slow = { mode: 'execute', execution: { bytesPerSecond: 2 ** 20 - 1 } } as const
  expect(() => resolveBalancerOptions(slow)).toThrow('bytesPerSecond')
})

test('every fact and every reason that the document names exists', async () => {
  const named = tableOf(document, 'fact').flatMap(({ fact = '' }) => quoted(fact))
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((name) => !factTypes.has(name as never))).toEqual([])
  const sources = await Promise.all(
    ['executor', 'presence'].map((name) => readFile(join(root, `actors/balancer/${name}.ts`), 'utf8')),
  )
  const reasons = ['restarted', 'broker-lost', 'rack-lost', 'under-replicated', 'foreign', 'unreachable']
  for (const reason of reasons) {
    expect(document).toContain(`\`${reason}\``)
    expect(sources.join()).toContain(`'${reason}'`)
  }
})

test('every option of the command line that the document names exists', async () => {
  const lines: string[] = []
  const terminal = { out: (line: string) => void lines.push(line), error: (line: string) => void lines.push(line) }
  await runCommand(['balance', '--help'], terminal)
  const named = [...document.matchAll(/--[a-z-]{3,}/g)].map(([option]) => option)
  expect(new Set(named).size).toBeGreaterThan(8)
  for (const option of named) expect(lines.join('\n')).toContain(option)
})

test('the plan in the README is as the command prints it', () => {
  const [block = ''] = codeBlocks(readme, 'text').filter((each) => each.includes('relisten balance'))
  const [, ...lines] = block.trimEnd().split('\n')
  const decision = decisionIn(lines)
  expect(decision.steps.length).toBeGreaterThan(0)
  expect(lines).toEqual([
    ...[...summaryOf(decision), ...planTable(decision), ...remainderOf(decision)],
    'This is a dry run: no step was taken.',
  ])
})

/** The decision that was printed, as far as it is printed. */
function decisionIn(lines: readonly string[]): Decision {
  const text = lines.join('\n')
  const [, round, at = '', cost = ''] = /Round (\d+), (\S+): \d+ steps?, (.+) to copy/.exec(text) ?? []
  const [, brokers, partitions, digest = ''] = /from (\d+) brokers and (\d+) partitions, digest (\w+)/.exec(text) ?? []
  const changes = [...text.matchAll(/(\w+) +([\d.]+) → ([\d.]+)/g)].map(([, goal, before, after]) => {
    return { goal: goal ?? '', before: Number(before), after: Number(after) }
  })
  const imbalance = (side: 'before' | 'after') =>
    Object.fromEntries(
      changes.flatMap((each) => (each.goal === 'imbalance' ? [] : [[each.goal, each[side]]])),
    ) as unknown as Imbalance
  const total = changes.find(({ goal }) => goal === 'imbalance') ?? { before: Number.NaN, after: Number.NaN }
  const pinned = /coordinators on it: (\S+) (.+)/.exec(text)
  const rows = text.matchAll(/^ *\d+ +(leader|replica) of (\S+)\/(\d+) +(\d+) +(\d+) +(\w+) +([\d.]+) +(.+)$/gm)
  return {
    ...{ round: Number(round), at: Date.parse(at), digest, bytes: bytesIn(cost), left: [], stillness: null },
    ...{ brokers: Array.from({ length: Number(brokers) }, (_, id) => id), topics: { any: Number(partitions) } },
    ...{ before: imbalance('before'), after: imbalance('after'), total },
    steps: [...rows].map(([, kind, topic = '', partition, from, to, why, wins, bytes = '']): Step => {
      const what = { kind: kind as Step['kind'], why: why as Step['why'], topic, partition: Number(partition) }
      return { ...what, from: Number(from), to: Number(to), wins: Number(wins), bytes: bytesIn(bytes), replicas: [] }
    }),
    pinned: pinned ? { internal: { [pinned[1] ?? '']: pinned[2] ?? '' } } : {},
  }
}
