/** `relisten inspect`: journals in the page of the inspector, with a slider over time. */

import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../machines/failure.ts'
import { failureFrom } from '../error.ts'
import { Feed } from '../inspector/feed.ts'
import { printAddress, served } from '../inspector/inspector.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { JournalScan } from '../journal/journal-scan.ts'
import { upcast } from '../journal/upcast.ts'
import { printable } from '../printable.ts'
import type { Output } from './command.ts'
import { stateAfter } from './fold.ts'
import { damageLines } from './verify.ts'

const usage = `Usage: relisten inspect PATH... [--port PORT]

Shows journals as a page, on this host only, until it is ended with Ctrl-C. It prints the address.

  --port PORT  where it listens (default: any free port)`

/** A server that shows journals, or the exit code where there is none: 0 for help, 2 for wrong usage. */
export type Inspecting = { readonly exitCode: number } | { readonly url: string; close(): Promise<void> }

/** Reads the journals as they are now, and serves them. */
export async function inspect(args: readonly string[], output: Output): Promise<Inspecting> {
  const wrong = (message: string) => {
    output.error(`${printable(message)} "relisten inspect --help" tells the usage.`)
    return { exitCode: 2 }
  }
  const feed = new Feed()
  let port = 0
  try {
    const options = { port: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    if (values.help) {
      for (const line of usage.split('\n')) output.out(line)
      return { exitCode: 0 }
    }
    if (positionals.length === 0) return wrong('"inspect" needs the path of a journal.')
    port = Number(values.port ?? 0)
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      return wrong(`Expected --port to be a port, got "${values.port}".`)
    for (const path of positionals) show(feed, path, output)
  } catch (error) {
    // Of what Node and the journal say, the first sentence is about the arguments.
    const [sentence = ''] = failureFrom(error, 'journal-failed').message.split('. ')
    return wrong(`${sentence.replace(/\.$/, '')}.`)
  }
  try {
    const { url, close } = await served(feed, { port, isKept: true })
    printAddress(url)
    return { url, close }
  } catch (error) {
    return wrong(messageOf(error))
  }
}

function show(feed: Feed, path: string, output: Output): void {
  const scan = new JournalScan(path)
  const written = [...scan]
  for (const line of damageLines(scan)) output.error(printable(`${path}: ${line}`))
  const upTo = (seq: number) => written.findLastIndex((record) => record.seq <= seq) + 1
  const stateAt = (seq: number) => stateAfter(written.slice(0, upTo(seq)))
  feed.show(nameOf(path, written[0]), written.map(upcast), stateAt)
}

/** The consumer, and where its journal is. */
const nameOf = (path: string, first: JournalRecord | undefined): string =>
  `${first?.consumer ?? 'empty'} (${basename(resolve(path))})`
