// `npm run simulate`: seeds by the thousand, or one with its story.

import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { runSeeds } from './crew.ts'
import { planOf } from './faults/plan.ts'
import { failureReport, seedsForProof, summary, unreached } from './report.ts'
import { run } from './run.ts'
import { keptSeeds } from './seeds.ts'
import { shrunk } from './shrink.ts'

interface Options {
  readonly seeds: number
  readonly from: number
  readonly seed?: number
  readonly workers: number
}

const whole =
  (least: number) =>
  (text: string): number => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && Number.isSafeInteger(number)) return number
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}, got ${text}.`)
  }

/** So many failures are told with their faults; more would be the same again. */
const told = 3

const program = new Command('simulate')
  .description('Runs whole consumers over a simulated network, cluster, disk and clock. Each seed is a plan of faults.')
  .option('--seeds <count>', 'how many seeds to run', whole(1), 1000)
  .option('--from <seed>', 'the first of them', whole(0), 1)
  .option('--seed <seed>', 'run this one seed and print its story', whole(0))
  .option('--workers <count>', 'processes that share the work', whole(1), Math.max(2, availableParallelism()))
  .allowExcessArguments(false)
  .parse()

const options = program.opts<Options>()
process.exitCode = options.seed === undefined ? await many(options) : await one(options.seed)

async function one(seed: number): Promise<number> {
  const outcome = await run(seed, { isTold: true })
  console.log(outcome.story.join('\n'))
  console.log(`Seed ${seed}: journal ${outcome.hash}, ${outcome.events} events in ${outcome.virtualMs} ms.`)
  if (!outcome.violation) return 0
  await explain(seed)
  return 1
}

async function many({ seeds, from, workers }: Options): Promise<number> {
  const startedAt = performance.now()
  const all = [...keptSeeds.map(({ seed }) => seed), ...Array.from({ length: seeds }, (_, index) => from + index)]
  const isTerminal = process.stderr.isTTY
  let shownAt = 0
  let failures = 0
  const result = await runSeeds(all, {
    workers,
    mostFailures: 20,
    onProgress: (soFar) => {
      for (const { seed, violation } of soFar.failures.slice(failures)) {
        process.stderr.write(`${isTerminal ? '\n' : ''}Seed ${seed}: ${violation.invariant}: ${violation.what}\n`)
      }
      failures = soFar.failures.length
      if (!isTerminal && performance.now() - shownAt < 30_000) return
      shownAt = performance.now()
      const line = `${soFar.seeds} of ${all.length} seeds, ${soFar.failures.length} failures`
      process.stderr.write(isTerminal ? `\r${line}` : `${line}\n`)
    },
  })
  if (isTerminal) process.stderr.write('\n')
  console.log(summary(result, performance.now() - startedAt))
  const failed = result.failures.toSorted((first, second) => first.seed - second.seed)
  for (const { seed, violation } of failed) console.log(`Seed ${seed} breaks ${violation.invariant}: ${violation.what}`)
  for (const { seed } of failed.slice(0, told)) await explain(seed)
  const missing = result.seeds >= seedsForProof ? unreached(result) : []
  const isGood = failed.length === 0 && missing.length === 0
  console.log(
    isGood
      ? 'All invariants held.'
      : `${failed.length} seeds failed, ${missing.length} kinds of faults were not reached.`,
  )
  return isGood ? 0 : 1
}

/** Prints what is needed for a seed to fail. */
async function explain(seed: number): Promise<void> {
  const plan = planOf(seed)
  const failed = await run(seed)
  if (!failed.violation) return console.log(`Seed ${seed} does not fail when it is run again by itself.`)
  const smallest = await shrunk(failed, (faults) => run(seed, { plan: { ...plan, faults } }))
  console.log(`\n${failureReport(smallest, plan.faults.length)}`)
}
