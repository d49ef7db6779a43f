// `npm run simulate`: seeds by the thousand, or one with its story.

import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { type Job, planFor } from './batch.ts'
import { runSeeds } from './crew.ts'
import { dimensions, drawn } from './dimensions.ts'
import { type Aims, consumerAims, failureReport, missingOf, producerAims, seedsForProof, summary } from './report.ts'
import { run } from './run.ts'
import { keptProducerSeeds, keptSeeds } from './seeds.ts'
import { shrunk } from './shrink.ts'

interface Options {
  readonly seeds?: number
  readonly producers?: number
  readonly from: number
  readonly seed?: number
  readonly producerSeed?: number
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
  .description(
    'Runs whole consumers, and producers, over a simulated network, cluster, disk and clock. Each seed is a plan of faults.',
  )
  .option('--seeds <count>', 'how many seeds of consumers to run; 1000 where `--producers` is left out too', whole(1))
  .option('--producers <count>', 'how many seeds of producers to run; 1000 where `--seeds` is left out too', whole(1))
  .option('--from <seed>', 'the first of them', whole(0), 1)
  .option('--seed <seed>', 'run this one seed of consumers and print its story', whole(0))
  .option('--producer-seed <seed>', 'the same for one of producers', whole(0))
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

const usual = 1000
const options = program.opts<Options>()
process.exitCode = await chosen(options)

async function chosen({ seed, producerSeed, seeds, producers, without }: Options): Promise<number> {
  if (seed !== undefined) return one(jobOf(seed))
  if (producerSeed !== undefined) return one(producerJob(producerSeed))
  const isLeftOut = seeds === undefined && producers === undefined
  const [ofConsumers = 0, ofProducers = 0] = isLeftOut ? [usual, usual] : [seeds, producers]
  let exitCode = 0
  if (ofConsumers > 0) {
    const kept = keptSeeds.map(({ seed, dimensions = [] }) => ({ seed, dimensions }))
    exitCode = await many('consumers', [...kept, ...jobs(ofConsumers, jobOf)], consumerAims(without), options)
  }
  if (ofProducers > 0) {
    const kept = keptProducerSeeds.map(({ seed }) => producerJob(seed))
    const all = [...kept, ...jobs(ofProducers, producerJob)]
    exitCode = Math.max(exitCode, await many('producers', all, producerAims, options))
  }
  return exitCode
}

function jobs(count: number, jobOf: (seed: number) => Job): Job[] {
  return Array.from({ length: count }, (_, index) => jobOf(options.from + index))
}

function producerJob(seed: number): Job {
  return { seed, dimensions: [], isOfProducers: true }
}

/** The seed as these options want it. */
function jobOf(seed: number): Job {
  const names = new Set([...drawn(seed, options.without), ...options.with])
  return { seed, dimensions: dimensions.filter(({ name }) => names.has(name)).map(({ name }) => name) }
}

async function one(job: Job): Promise<number> {
  const { seed } = job
  console.log(`Dimensions: ${job.dimensions.join(', ') || 'none'}.`)
  const outcome = await run(seed, { isTold: true, plan: planFor(job) })
  console.log(outcome.story.join('\n'))
  console.log(`Seed ${seed}: journal ${outcome.hash}, ${outcome.events} events in ${outcome.virtualMs} ms.`)
  if (!outcome.violation) return 0
  await explain(job)
  return 1
}

async function many(ofWhom: string, all: readonly Job[], aims: Aims, { workers }: Options): Promise<number> {
  const startedAt = performance.now()
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
      const line = `${soFar.seeds} of ${all.length} seeds of ${ofWhom}, ${soFar.failures.length} failures`
      process.stderr.write(isTerminal ? `\r${line}` : `${line}\n`)
    },
  })
  if (isTerminal) process.stderr.write('\n')
  console.log(`Seeds of ${ofWhom}:\n${summary(result, performance.now() - startedAt, aims)}`)
  const failed = result.failures.toSorted((first, second) => first.seed - second.seed)
  for (const { seed, violation } of failed) console.log(`Seed ${seed} breaks ${violation.invariant}: ${violation.what}`)
  for (const job of failed.slice(0, told)) await explain(job)
  const missing = result.seeds >= seedsForProof ? missingOf(result, aims) : []
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
async function explain(job: Job): Promise<void> {
  const { seed } = job
  const plan = planFor(job)
  const failed = await run(seed, { plan })
  if (!failed.violation) return console.log(`Seed ${seed} does not fail when it is run again by itself.`)
  const smallest = await shrunk(failed, (faults) => run(seed, { plan: { ...plan, faults } }))
  console.log(`\n${failureReport(smallest, plan.faults.length)}`)
}
