/**
 * `npm run test:kafkajs`: KafkaJS's own suites on a real Kafka, with its own sockets and over the wires of `follow`. What passes on the first has to
 * pass on the second, also while all listeners move.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { createBoard } from '../demo/board.ts'
import { KAFKA_VERSION } from './brokers.ts'
import { suites as allSuites, prepareCheckout, type Suite } from './checkout.ts'
import { modes as allModes, compare, type Mode, type Run, tableOf } from './comparison.ts'
import { exceptions } from './exceptions.ts'
import { runSuites } from './suites.ts'

interface Options {
  readonly suite: readonly Suite[]
  readonly mode: readonly Mode[]
  readonly only: RegExp
  readonly every: number
  readonly out: string
}

const command = new Command('npm run test:kafkajs --')
  .description(
    `Runs KafkaJS's own tests over relisten's wires on Kafka ${KAFKA_VERSION}, and compares with what passes on its own sockets.`,
  )
  .argument('<checkout>', "KafkaJS's repository at v2.2.4; Jest is installed there")
  .addOption(several('--suite', allSuites, 'which suites, repeatable', ['admin', 'consumer']))
  .addOption(
    several('--mode', allModes, 'its own sockets, wires, or wires while all listeners move; repeatable', [...allModes]),
  )
  .addOption(
    new Option('--only <pattern>', 'only files whose path it matches').argParser(patternOf).default(/^/, 'all'),
  )
  .addOption(new Option('--every <seconds>', 'between two moves').argParser(secondsOf).default(3))
  .option(
    '--out <folder>',
    'where results.json is; runs of other modes and files in it are kept',
    join(tmpdir(), 'relisten-kafkajs'),
  )
  .showHelpAfterError('Run `npm run test:kafkajs -- --help` to see the options.')
  .allowExcessArguments(false)
  .parse()

process.exitCode = await main(resolve(command.args[0] ?? ''), command.opts())
process.exit()

async function main(checkout: string, { suite, mode, only, every, out }: Options): Promise<number> {
  const interrupted = new AbortController()
  const interrupt = () => {
    // a second time it ends at once, and the watchdog of the cluster kills the brokers
    if (interrupted.signal.aborted) process.exit(130)
    console.log('\nInterrupted: tests and brokers are stopped. Once more ends it at once.')
    interrupted.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const board = createBoard(process.stdout)
  const file = join(out, 'results.json')
  try {
    await mkdir(out, { recursive: true })
    let runs = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')).runs as Run[]) : []
    await prepareCheckout(checkout, board.say)
    const asked: Run[] = []
    await runSuites({
      ...{ checkout, suites: suite, modes: mode, only, everyMs: every * 1000, signal: interrupted.signal },
      ...{ say: board.say, progress: board.progress },
      async onRun(run) {
        asked.push(run)
        runs = [...runs.filter((one) => one.mode !== run.mode || one.file !== run.file), run]
        await writeFile(file, `${JSON.stringify({ kafka: KAFKA_VERSION, runs }, undefined, 2)}\n`)
      },
    })
    const files = new Set(asked.map((run) => run.file))
    const isAsked = (run: Run) => files.has(run.file) && (run.mode === 'stock' || mode.includes(run.mode))
    return report(runs.filter(isAsked))
  } catch (error) {
    board.end()
    if (interrupted.signal.aborted) return 130
    console.error(`\nThe tests could not go on: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  }
}

/** Prints what was compared; the exit code. */
function report(runs: readonly Run[]): number {
  const compared = compare(runs, exceptions)
  console.log(tableOf(runs, compared))
  for (const { title, file } of compared.needless) console.log(`LISTED, but passes: ${file}: ${title}`)
  const broken = compared.differences.filter(({ exception }) => exception === undefined)
  for (const { mode, file, title, why } of broken)
    console.log(`BROKEN (${mode}): ${file}: ${title}\n  ${firstLines(why)}`)
  for (const missing of compared.withoutStock)
    console.log(`NOT COMPARED: ${missing} has not been run with --mode stock`)
  if (runs.length === 0) console.log('No file of the suites matches.')
  return broken.length > 0 || compared.withoutStock.length > 0 || runs.length === 0 ? 1 : 0
}

function firstLines(text: string): string {
  return text.split('\n').slice(0, 3).join('\n  ')
}

function several<Name extends string>(flag: string, names: readonly Name[], text: string, preset: readonly Name[]) {
  let given: Name[] | undefined
  return new Option(`${flag} <name>`, `${text}: ${names.join(', ')}`)
    .default(preset, preset.join(', '))
    .argParser((name) => {
      const known = names.find((one) => one === name)
      if (known === undefined) throw new InvalidArgumentError(`Nothing is called "${name}".`)
      given = [...(given ?? []), known]
      return given
    })
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (seconds >= 0.1 && seconds <= 60) return seconds
  throw new InvalidArgumentError('Expected a number of seconds from 0.1 to 60.')
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch {
    throw new InvalidArgumentError('Expected a regular expression.')
  }
}
