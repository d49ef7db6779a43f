// `npm run simulate`: seeds by the thousand, or one with its story.

import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import type { Job } from './batch.ts'
import { runSeeds } from './crew.ts'
import { dimensions, drawn } from './dimensions.ts'
import { planOf } from './faults/plan.ts'
import { failureReport, seedsForProof, summary, tooRare, unreached } from './report.ts'
import { run } from './run.ts'
import { keptSeeds } from './seeds.ts'
import { shrunk } from './shrink.ts'

interface Options {
  readonly seeds: number
  readonly from: number
  readonly seed?: number
  readonly workers: number
  readonly without: ReadonlySet<string>
  readonly with: ReadonlySet<string>
}

const whole =
  (least: number) =>
  (text: string): number => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && Number.isSafeInteger(number)) return number
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}, got ${text}.`)
  }

/** Names of dimensions, between commas; `all` stands for every one. */
function namesOf(text: string): ReadonlySet<string> {
  const known = dimensions.map(({ name }) => name)
  if (text === 'all') return new Set(known)
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return new Set(names)
  throw new InvalidArgumentError(`Expected names of dimensions, got ${unknown}. There are: ${known.join(', ')}.`)
}

/** So many failures are told with their faults; more would be the same again. */
const told = 3

const program = new Command('simulate')
  .description('Runs whole consumers over a simulated network, cluster, disk and clock. Each seed is a plan of faults.')
  .option('--seeds <count>', 'how many seeds to run', whole(1), 1000)
  .option('--from <seed>', 'the first of them', whole(0), 1)
  .option('--seed <seed>', 'run this one seed and print its story', whole(0))
  .option('--workers <count>', 'processes that share the work', whole(1), Math.max(2, availableParallelism()))
  .option(
    '--without <dimensions>',
    'leave these dimensions out, named between commas; `all` for every one',
    namesOf,
    new Set(),
  )
  .option('--with <dimensions>', 'give these dimensions to every seed, beside those it draws', namesOf, new Set())
  .allowExcessArguments(false)
  .parse()

const options = program.opts<Options>()
process.exitCode = options.seed === undefined ? await many(options) : await one(options.seed)

/** The seed as these options want it. */
function jobOf(seed: number): Job {
  const names = new Set([...drawn(seed, options.without), ...options.with])
  return { seed, dimensions: dimensions.filter(({ name }) => names.has(name)).map(({ name }) => name) }
}

async function one(seed: number): Promise<number> {
  const job = jobOf(seed)
  console.log(`Dimensions: ${job.dimensions.join(', ') || 'none'}.`)
  const outcome = await run(seed, { isTold: true, plan: planOf(seed, job.dimensions) })
  console.log(outcome.story.join('\n'))
  console.log(`Seed ${seed}: journal ${outcome.hash}, ${outcome.events} events in ${outcome.virtualMs} ms.`)
  if (!outcome.violation) return 0
  await explain(job)
  return 1
}

async function many({ seeds, from, workers }: Options): Promise<number> {
  const startedAt = performance.now()
  const kept = keptSeeds.map(({ seed, dimensions = [] }) => ({ seed, dimensions }))
  const all: Job[] = [...kept, ...Array.from({ length: seeds }, (_, index) => jobOf(from + index))]
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
  console.log(summary(result, performance.now() - startedAt, options.without))
  const failed = result.failures.toSorted((first, second) => first.seed - second.seed)
  for (const { seed, violation } of failed) console.log(`Seed ${seed} breaks ${violation.invariant}: ${violation.what}`)
  for (const job of failed.slice(0, told)) await explain(job)
  const missing =
    result.seeds >= seedsForProof ? [...unreached(result, options.without), ...tooRare(result, options.without)] : []
  if (missing.length > 0) console.log(`Reached too rarely: ${missing.join(', ')}.`)
  const isGood = failed.length === 0 && missing.length === 0
  console.log(
    isGood
      ? 'All invariants held.'
      : `${failed.length} seeds failed, ${missing.length} kinds of faults or dimensions were not reached.`,
  )
  return isGood ? 0 : 1
}

/** Prints what is needed for a seed to fail. */
async function explain({ seed, dimensions }: Job): Promise<void> {
  const plan = planOf(seed, dimensions)
  const failed = await run(seed, { plan })
  if (!failed.violation) return console.log(`Seed ${seed} does not fail when it is run again by itself.`)
  const smallest = await shrunk(failed, (faults) => run(seed, { plan: { ...plan, faults } }))
  console.log(`\n${failureReport(smallest, plan.faults.length)}`)
}
