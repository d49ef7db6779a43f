/** `npm run torture`: brokers and members of a real Kafka are moved, killed, paused and starved for as long as one likes. */
import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { startCluster } from '../cluster/kafka-cluster.ts'
import { type KafkaVersion, kafkaVersions } from '../cluster/kafka-jars.ts'
import { createBoard } from '../demo/board.ts'
import { kinds, torture } from './torture.ts'

interface Asked {
  readonly minutes: number
  readonly kafka: KafkaVersion
  readonly seed?: number
  readonly json?: string
  readonly only?: readonly string[]
}

const LONGEST_MINUTES = 1440
const HIGHEST_SEED = 2 ** 32 - 1
/** How often a line of figures is printed where nothing can be redrawn. */
const NEWS_EVERY_MS = 30_000

const command = new Command('npm run torture --')
  .description('Moves, kills, pauses and starves brokers and members of a real Kafka, and checks that nothing is lost.')
  .addOption(new Option('--minutes <number>', 'how long').argParser(minutesOf).default(5))
  .addOption(new Option('--kafka <version>', 'Apache Kafka version').choices(kafkaVersions).default('4.4.0'))
  .addOption(
    new Option('--seed <number>', 'what decides the actions and their order (default: drawn)').argParser(seedOf),
  )
  .addOption(
    new Option('--only <kinds>', `only these actions, with commas between: ${kinds.join(', ')}`).argParser(kindsOf),
  )
  .option('--json <file>', 'writes the result there')
  .showHelpAfterError('Run `npm run torture -- --help` to see the options.')
  .allowExcessArguments(false)
  .parse()

process.exitCode = await main(command.opts())
process.exit()

async function main({ minutes, kafka, seed = randomInt(HIGHEST_SEED), json, only }: Asked): Promise<number> {
  const interrupted = new AbortController()
  const interrupt = () => {
    if (interrupted.signal.aborted) process.exit(130)
    console.log('\nInterrupted: the log is read again, then all is ended. Once more ends it at once.')
    interrupted.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const board = createBoard(process.stdout)
  console.log(`Seed ${seed}. To repeat: npm run torture -- --minutes ${minutes} --kafka ${kafka} --seed ${seed}`)
  let news: NodeJS.Timeout | undefined
  try {
    // until Kafka runs there is nothing to end in order
    const leave = () => process.exit(130)
    interrupted.signal.addEventListener('abort', leave)
    await using cluster = await startCluster({
      version: kafka,
      bindFixed: true,
      onProgress: (line) => board.progress(line),
    })
    interrupted.signal.removeEventListener('abort', leave)
    const { text, figures, holds } = await torture({
      ...{ cluster, minutes, seed, signal: interrupted.signal },
      ...(only && { only }),
      say: (line) => board.say(line),
      live(line) {
        board.live(() => ['', line()])
        news = setInterval(() => board.news(line()), NEWS_EVERY_MS)
      },
    })
    board.end()
    console.log(text)
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, undefined, 2)}\n`)
    return interrupted.signal.aborted ? 130 : holds ? 0 : 1
  } catch (error) {
    board.end()
    console.error(`The run with seed ${seed} could not go on: ${error instanceof Error ? error.stack : error}`)
    return interrupted.signal.aborted ? 130 : 1
  } finally {
    clearInterval(news)
  }
}

function minutesOf(text: string): number {
  const minutes = Number(text)
  if (minutes > 0 && minutes <= LONGEST_MINUTES) return minutes
  throw new InvalidArgumentError(`Expected a number of minutes above 0, at most ${LONGEST_MINUTES}.`)
}

function seedOf(text: string): number {
  const seed = Number(text)
  if (/^\d+$/.test(text) && seed <= HIGHEST_SEED) return seed
  throw new InvalidArgumentError(`Expected a whole number from 0 to ${HIGHEST_SEED}.`)
}

function kindsOf(text: string): string[] {
  const wanted = text.split(',').map((word) => word.trim())
  const unknown = wanted.filter((word) => !kinds.includes(word))
  if (unknown.length === 0) return wanted
  throw new InvalidArgumentError(`Nothing is called ${unknown.map((word) => `"${word}"`).join(', ')}.`)
}
