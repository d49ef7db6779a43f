/**
 * The benchmark: relisten and other clients through the same changes of a real cluster, and what relisten costs. It writes its
 * results as JSON, BENCHMARKS.md and the plots after each part, so that what was measured stays when it is ended early.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { createBoard } from '../demo/board.ts'
import { runBenchmark } from './benchmark.ts'
import { publish, readResults } from './document-files.ts'
import { parts } from './plan.ts'

interface Asked {
  readonly quick?: boolean
  readonly only?: readonly string[]
  readonly apart?: boolean
  readonly render?: boolean
  readonly out?: string
}

const root = join(import.meta.dirname, '..', '..')

const command = new Command('npm run bench --')
  .description(
    'Measures relisten beside other clients while the brokers of a real Kafka move, and what relisten costs.',
  )
  .option('--quick', 'five minutes, without the Java client; the results go to a temporary folder')
  .option('--only <parts>', `only these parts, with commas between: ${parts.join(', ')}`, partsOf)
  .option('--apart', 'every other client is measured by itself too: about twice as long')
  .option('--render', 'measures nothing, writes BENCHMARKS.md and the plots from the results there are')
  .option('--out <folder>', 'where BENCHMARKS.md and the folders benchmarks and docs go (default: this checkout)')
  .showHelpAfterError('Run `npm run bench -- --help` to see the options.')
  .allowExcessArguments(false)
  .parse()

process.exitCode = await main(command.opts())
// a client in a crash loop keeps timers of its own that nobody can end
process.exit()

async function main({ quick = false, only = [], apart = false, render = false, out }: Asked): Promise<number> {
  const folder = out ?? (quick ? join(tmpdir(), 'relisten-bench') : root)
  if (render) {
    const results = await readResults(folder)
    if (results === undefined) {
      console.error(`There are no results in ${folder}: measure some first, with \`npm run bench\`.`)
      return 2
    }
    await publish(folder, results)
    return 0
  }

  const interrupted = new AbortController()
  const interrupt = () => {
    if (interrupted.signal.aborted) process.exit(130)
    console.log('\nInterrupted: clients and brokers are stopped. Once more ends it at once.')
    interrupted.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const board = createBoard(process.stdout)
  const asked = [quick && '--quick', apart && '--apart', only.length > 0 && `--only ${only.join()}`].filter(Boolean)
  const name = ['npm run bench', ...(asked.length > 0 ? ['--', ...asked] : [])].join(' ')
  try {
    const broken = await runBenchmark({ ...{ quick, only, apart, folder, name, board }, signal: interrupted.signal })
    for (const sentence of broken) console.log(`BROKEN: ${sentence}`)
    return broken.length > 0 ? 1 : 0
  } catch (error) {
    board.end()
    if (interrupted.signal.aborted) return 130
    console.error(`\nThe benchmark could not go on: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  }
}

function partsOf(text: string): string[] {
  const wanted = text.split(',').map((word) => word.trim())
  const unknown = wanted.filter((word) => !parts.includes(word))
  if (unknown.length === 0) return wanted
  throw new InvalidArgumentError(`Nothing is called ${unknown.map((word) => `"${word}"`).join(', ')}.`)
}
