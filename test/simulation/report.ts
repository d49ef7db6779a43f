// What a simulation prints: the table of what was run and reached, and the story of a failure.

import Table from 'cli-table3'
import type { BatchResult } from './batch.ts'
import { dimensions, leastShare } from './dimensions.ts'
import { proofsWithout } from './faults/plan.ts'
import { producerProofs } from './faults/produces.ts'
import { goOutAsOne } from './producers/wire-tap.ts'
import type { Outcome } from './run.ts'

/** Fewer seeds than this need not have reached everything. */
export const seedsForProof = 300

/** What a run of many seeds has to reach. */
export interface Aims {
  readonly proofs: readonly string[]
  /** Names of dimensions, each of which has to take effect in a part of the seeds. */
  readonly dimensions: readonly string[]
}

/** Those of consumers, but for what was left out. */
export const consumerAims = (without: ReadonlySet<string>): Aims => ({
  proofs: proofsWithout(without),
  dimensions: dimensions.map(({ name }) => name).filter((name) => !without.has(name)),
})

/** What producers were told has to come up as well: an oracle that hears of nothing sees nothing. */
export const producerAims: Aims = {
  proofs: [
    ...producerProofs,
    ...['an unknown outcome is told', 'what is not written is told', 'a send was rejected', goOutAsOne],
  ],
  dimensions: [],
}

/** Kinds of faults that no seed reached. */
const unreached = ({ counts }: BatchResult, { proofs }: Aims): string[] => proofs.filter((proof) => !counts[proof])

/** What was reached by no seed, or by too few. */
export const missingOf = (result: BatchResult, aims: Aims): string[] => [
  ...unreached(result, aims),
  ...aims.dimensions
    .filter((name) => (result.effects[name] ?? 0) < leastShare * result.seeds)
    .map((name) => `${name} (${result.effects[name] ?? 0} of ${result.seeds} seeds)`),
]

export function summary(result: BatchResult, realMs: number, aims: Aims): string {
  const { seeds, faults, moves, messages, events, virtualMs, twice, counts } = result
  const reached = new Table({ head: ['reached', 'times', 'reached', 'times', 'reached', 'times'], style: { head: [] } })
  const names = [...new Set([...aims.proofs, ...Object.keys(counts)])].toSorted()
  const third = Math.ceil(names.length / 3)
  for (let row = 0; row < third; row++) {
    const cells = [names[row], names[row + third], names[row + 2 * third]]
    reached.push(cells.flatMap((name) => [name ?? '', name === undefined ? '' : `${counts[name] ?? 0}`]))
  }
  const hours = (virtualMs / 3_600_000).toFixed(1)
  const lines = [
    reached.toString(),
    `${seeds} seeds, ${faults} faults, ${moves} moves (${(faults / seeds).toFixed(1)} and ${(moves / seeds).toFixed(1)} per seed), ${messages} messages, ${events} events.`,
    `${hours} hours of simulated time in ${(realMs / 1000).toFixed(0)} s. ${twice} seeds were run twice.`,
  ]
  const shares = aims.dimensions.map((name) => `${name} ${(((result.effects[name] ?? 0) / seeds) * 100).toFixed(1)} %`)
  if (shares.length > 0) lines.push(`Dimensions, by the seeds in which they took effect: ${shares.join(', ')}.`)
  const missing = unreached(result, aims)
  if (missing.length > 0) lines.push(`Never reached: ${missing.join(', ')}.`)
  return lines.join('\n')
}

const journalLines = 60

export function failureReport({ seed, plan, violation, journals }: Outcome, planned: number): string {
  const faults = plan.faults.map(
    ({ kind, atMs, lastsMs }) => `  ${(atMs / 1000).toFixed(3).padStart(7)} s  ${kind} (for ${lastsMs} ms)`,
  )
  const told = [...journals].map(([name, text]) => {
    const lines = text.split('\n').filter((line) => line !== '')
    return `Journal of service ${name}, the last ${Math.min(journalLines, lines.length)} of ${lines.length} records:\n${lines.slice(-journalLines).map(shown).join('\n')}`
  })
  return [
    `Seed ${seed}: ${violation?.invariant} is broken at ${((violation?.atMs ?? 0) / 1000).toFixed(3)} s: ${violation?.what}.`,
    `Dimensions: ${plan.dimensions.join(', ') || 'none'}.`,
    `${plan.faults.length} of ${planned} faults are needed for it:`,
    ...faults,
    ...told,
    `Run it again with its whole story: npm run simulate -- --${plan.isOfProducers ? 'producer-seed' : 'seed'} ${seed}`,
  ].join('\n')
}

function shown(line: string): string {
  try {
    const { seq, at, type, data, from, to } = JSON.parse(line)
    const change =
      JSON.stringify(from) === JSON.stringify(to)
        ? JSON.stringify(to)
        : `${JSON.stringify(from)} → ${JSON.stringify(to)}`
    return `  ${String(seq).padStart(4)} ${new Date(at).toISOString().slice(17, 23)} ${type} ${change} ${JSON.stringify(data).slice(0, 160)}`
  } catch {
    return `  (no record) ${line.slice(0, 160)}`
  }
}
