/** The command line: its words, and what each of them does. Exit codes: 0 fine, 1 the journal is not, 2 wrong usage. */

import { parseArgs } from 'node:util'
import { failureFrom } from '../error.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { JournalScan } from '../journal/journal-scan.ts'
import { printable } from '../printable.ts'
import { stateAfter } from './fold.ts'
import { heading, timeLine } from './show.ts'
import { damageLines, verify } from './verify.ts'
import { version } from './version.cjs'

/** Where lines go. */
export interface Output {
  out(line: string): void
  error(line: string): void
}

const usage = `Usage: relisten journal <command> PATH
       relisten inspect PATH... [--port PORT]
       relisten --version
       relisten --help

PATH is the directory of a file journal, or one file of JSON lines. It is only read; a consumer may be writing to it.

  show PATH               a time line: state, fact, cause, duration
  verify PATH             checks chain, order and replay
  replay PATH [--at SEQ]  the state after record SEQ (default: the newest), as JSON
  export PATH             the records as JSON lines

"inspect" shows journals as a page, with a slider over time; it prints the address.

Exit codes: 0 fine, 1 the journal is damaged or can't be replayed, 2 wrong usage.`

/** Runs the command line with these arguments and returns the exit code. Peers wrote parts of a journal; no line of it commands the terminal. */
export function runCommand(args: readonly string[], terminal: Output): number {
  const output: Output = {
    out: (line) => terminal.out(printable(line)),
    error: (line) => terminal.error(printable(line)),
  }
  try {
    const asked = parsed(args)
    if (asked === 'version') {
      output.out(version())
      return 0
    }
    if (asked === 'help') {
      for (const line of usage.split('\n')) output.out(line)
      return 0
    }
    if (asked === 'nothing') {
      for (const line of usage.split('\n')) output.error(line)
      return 2
    }
    return commands[asked.command](asked, output)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    output.error(`${error.message} "relisten --help" tells the usage.`)
    return 2
  }
}

class UsageError extends Error {}

interface Asked {
  readonly command: keyof typeof commands
  readonly path: string
  readonly at: number | undefined
}

function parsed(args: readonly string[]): Asked | 'help' | 'version' | 'nothing' {
  const { values, positionals } = split(args)
  if (values.help || (positionals.length === 1 && positionals[0] === 'help')) return 'help'
  if (values.version) return 'version'
  if (positionals.length === 0) return 'nothing'
  const [area, command, path, ...more] = positionals
  if (area !== 'journal') throw new UsageError(`Expected the word "journal", got "${area}".`)
  if (command === undefined || !Object.hasOwn(commands, command)) {
    const known = Object.keys(commands).join(', ')
    throw new UsageError(`Expected one of ${known} after "journal", got ${command ? `"${command}"` : 'nothing'}.`)
  }
  if (path === undefined) throw new UsageError(`"journal ${command}" needs the path of a journal.`)
  if (more.length > 0) throw new UsageError(`Expected one path, got also "${more.join(' ')}".`)
  if (values.at !== undefined && command !== 'replay') throw new UsageError('--at goes with "journal replay" only.')
  if (values.at !== undefined && !/^[1-9]\d*$/.test(values.at)) {
    throw new UsageError(`Expected --at to be the number of a record, got "${values.at}".`)
  }
  const at = values.at === undefined ? undefined : Number(values.at)
  return { command: command as keyof typeof commands, path, at }
}

function split(args: readonly string[]) {
  try {
    const options = {
      at: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
    } as const
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}.`)
  }
}

const commands = {
  show({ path }: Asked, output: Output): number {
    const line = timeLine()
    let isFirst = true
    return each(path, output, (record) => {
      if (isFirst) output.out(heading)
      isFirst = false
      output.out(line(record))
    })
  },
  export: ({ path }: Asked, output: Output): number =>
    each(path, output, (record) => output.out(JSON.stringify(record))),
  verify({ path }: Asked, output: Output): number {
    const { lines, isGood } = verify(opened(path))
    for (const line of lines) output.out(line)
    return isGood ? 0 : 1
  },
  replay({ path, at }: Asked, output: Output): number {
    const newest = { seq: 0 }
    const records = opened(path)
    function* wanted(): Generator<JournalRecord> {
      for (const record of records) {
        if (at !== undefined && record.seq > at) return
        newest.seq = record.seq
        yield record
      }
    }
    try {
      const state = stateAfter(wanted())
      if (at !== undefined && newest.seq < at) {
        output.error(
          `There is no good record ${at}: the newest is ${newest.seq}. "relisten journal verify" tells more.`,
        )
        return 1
      }
      for (const line of JSON.stringify(state, null, 2).split('\n')) output.out(line)
      return 0
    } catch (error) {
      output.error(`${(error as Error).message}. "relisten journal verify" tells more.`)
      return 1
    }
  },
}

/** Tells each good record; then, if there is damage, where it is and what is good. */
function each(path: string, output: Output, tell: (record: JournalRecord) => void): number {
  const scan = opened(path)
  for (const record of scan) tell(record)
  if (scan.unfinishedBytes > 0) output.error(`The last line has no end: ${scan.unfinishedBytes} bytes are left out.`)
  const damage = damageLines(scan)
  for (const line of damage) output.error(line)
  return damage.length > 0 ? 1 : 0
}

/** The records at `path`. A path without a journal is wrong usage. */
function opened(path: string): JournalScan {
  try {
    return new JournalScan(path)
  } catch (error) {
    throw new UsageError(failureFrom(error, 'journal-failed').message)
  }
}
