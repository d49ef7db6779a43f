/** A demo as a command: its options, its end by Ctrl-C, its exit code. */
import { Command, Option } from 'commander'
import { type KafkaVersion, kafkaVersions } from '../cluster/kafka-jars.ts'
import { type Board, createBoard } from './board.ts'

export interface DemoCommand {
  /** As it is called. */
  readonly name: string
  readonly description: string
  /** Aborts `signal` when the user wants an end. Resolves with what is printed at the end, and whether all of it is as promised. */
  readonly run: (
    version: KafkaVersion,
    board: Board,
    signal: AbortSignal,
  ) => Promise<{ readonly text: string; readonly holds: boolean }>
}

/** Ends the process: what a demo has started may keep timers of its own that nobody can end. */
export async function runDemo({ name, description, run }: DemoCommand): Promise<never> {
  const command = new Command(`${name} --`)
    .description(description)
    .addOption(new Option('--kafka <version>', 'Apache Kafka version').choices(kafkaVersions).default('4.4.0'))
    .showHelpAfterError(`Run \`${name} -- --help\` to see the options.`)
    .allowExcessArguments(false)
    .parse()
  const { kafka } = command.opts<{ kafka: KafkaVersion }>()

  const interrupted = new AbortController()
  const board = createBoard(process.stdout)
  const interrupt = () => {
    board.say('\n  Interrupted: stopping the brokers…')
    interrupted.abort()
  }
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    const { text, holds } = await run(kafka, board, interrupted.signal)
    console.log(text)
    process.exit(holds ? 0 : 1)
  } catch (error) {
    board.end()
    if (interrupted.signal.aborted) process.exit(130)
    console.error(`\nThe demo could not go on: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
}
