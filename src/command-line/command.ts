/** The command line: its words. Exit codes: 0 fine, 1 something is not, 2 wrong usage. */

import { Command, CommanderError } from 'commander'
import { RelistenError } from '../error.ts'
import { balanceCommand } from './balance-command.ts'
import { doctorCommand } from './doctor-command.ts'
import { inspectCommand } from './inspect-command.ts'
import { journalCommand, journalUsage } from './journal-command.ts'
import { moveCheckCommand } from './move-check-command.ts'
import { type Output, outputTo, type Terminal } from './output.ts'
import { tailCommand } from './tail-command.ts'
import { UsageError } from './usage-error.ts'
import { version } from './version.cjs'
import { watchCommand } from './watch-command.ts'

const exitCodes = 'Exit codes: 0 fine, 1 something was found or failed, 2 wrong usage.'

/** Runs the command line with these arguments and resolves with the exit code. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const output = outputTo(terminal)
  let code = 0
  const program = programFor(output, (ended) => {
    code = ended
  })
  try {
    if (args.length === 0) {
      for (const line of program.helpInformation().trimEnd().split('\n')) output.error(line)
      return 2
    }
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    if (isUsage(error)) {
      output.error(`${sentence(error)} "relisten --help" tells the usage.`)
      return 2
    }
    if (!(error instanceof RelistenError)) throw error
    output.error(error.message)
    return 1
  }
}

function programFor(output: Output, end: (code: number) => void): Command {
  const each = (print: (line: string) => void) => (text: string) => {
    for (const line of text.trimEnd().split('\n')) print(line)
  }
  const program = new Command('relisten')
    .usage('<command> …')
    .description('Looks at brokers as a consumer does, and reads journals.')
    .version(version(), '--version', 'prints the version')
    .helpOption('-h, --help', 'prints the usage')
    .helpCommand('help [command]', 'prints the usage of a command')
    .addHelpText('after', `\nrelisten journal <command> PATH\n${journalUsage}\n\n${exitCodes}`)
    .allowExcessArguments(true)
    .argument('[command]')
    .action((command: string) => {
      const known = program.commands.map((one) => one.name()).join(', ')
      throw new UsageError(`Expected one of ${known}, got "${command}".`)
    })
  const own = [
    doctorCommand,
    moveCheckCommand,
    watchCommand,
    tailCommand,
    balanceCommand,
    inspectCommand,
    journalCommand,
  ]
  for (const command of own) program.addCommand(command(output, end))
  for (const command of [program, ...program.commands]) {
    command
      .helpOption('-h, --help', 'prints the usage')
      .exitOverride()
      .configureOutput({ writeOut: each((line) => output.out(line)), writeErr: () => {}, outputError: () => {} })
  }
  return program
}

const isUsage = (error: unknown): error is Error =>
  error instanceof UsageError ||
  error instanceof CommanderError ||
  (error instanceof RelistenError && error.code === 'invalid-option')

/** Commander begins its messages in its own way. */
function sentence({ message }: Error): string {
  const text = message.replace(/^error: /, '').split('\n')[0] ?? ''
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}
