/** `relisten journal`: its words, and what each of them does. Exit codes: 0 fine, 1 the journal is not, 2 wrong usage. */

import { Command } from 'commander'
import type { JournalRecord } from '../journal/journal.ts'
import { stateAfter } from './fold.ts'
import { eachRecord, openedJournal } from './journal-reading.ts'
import type { Output } from './output.ts'
import { heading, timeLine } from './show.ts'
import { UsageError } from './usage-error.ts'
import { verify } from './verify.ts'

/** What its help says. */
export const journalUsage = `PATH is the directory of a file journal, or one file of JSON lines. It is only read; a consumer may be writing to it.

  show PATH               a time line: state, fact, cause, duration
  verify PATH             checks chain, order and replay
  replay PATH [--at SEQ]  the state after record SEQ (default: the newest), as JSON
  export PATH             the records as JSON lines`

export function journalCommand(output: Output, end: (code: number) => void): Command {
  return new Command('journal')
    .usage('<command> PATH')
    .description('reads a journal: show, verify, replay, export')
    .argument('[command]')
    .argument('[path]')
    .argument('[more...]')
    .option('--at <seq>', 'the number of a record, for replay')
    .addHelpText('after', `\n${journalUsage}`)
    .action((command: string | undefined, path: string | undefined, more: string[], { at }: { at?: string }) => {
      const asked = checked(command, path, more, at)
      end(commands[asked.command](asked, output))
    })
}

interface Asked {
  readonly command: keyof typeof commands
  readonly path: string
  readonly at: number | undefined
}

function checked(command: string | undefined, path: string | undefined, more: string[], at: string | undefined): Asked {
  if (command === undefined || !Object.hasOwn(commands, command)) {
    const known = Object.keys(commands).join(', ')
    throw new UsageError(`Expected one of ${known} after "journal", got ${command ? `"${command}"` : 'nothing'}.`)
  }
  if (path === undefined) throw new UsageError(`"journal ${command}" needs the path of a journal.`)
  if (more.length > 0) throw new UsageError(`Expected one path, got also "${more.join(' ')}".`)
  if (at !== undefined && command !== 'replay') throw new UsageError('--at goes with "journal replay" only.')
  if (at !== undefined && !/^[1-9]\d*$/.test(at))
    throw new UsageError(`Expected --at to be the number of a record, got "${at}".`)
  return { command: command as keyof typeof commands, path, at: at === undefined ? undefined : Number(at) }
}

const commands = {
  show({ path }: Asked, output: Output): number {
    const line = timeLine()
    let isFirst = true
    return eachRecord(path, output, (record) => {
      if (isFirst) output.out(heading)
      isFirst = false
      output.out(line(record))
    })
  },
  export: ({ path }: Asked, output: Output): number =>
    eachRecord(path, output, (record) => output.out(JSON.stringify(record))),
  verify({ path }: Asked, output: Output): number {
    const { lines, isGood } = verify(openedJournal(path))
    for (const line of lines) output.out(line)
    return isGood ? 0 : 1
  },
  replay({ path, at }: Asked, output: Output): number {
    const newest = { seq: 0 }
    const records = openedJournal(path)
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
