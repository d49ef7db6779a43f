/** `relisten inspect`: journals in the page of the inspector, with a slider over time. */

import { once } from 'node:events'
import { basename, resolve } from 'node:path'
import { Command } from 'commander'
import { failureFrom } from '../error.ts'
import { Feed } from '../inspector/feed.ts'
import { printAddress, served } from '../inspector/inspector.ts'
import type { InspectorServer } from '../inspector/inspector-server.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { JournalScan } from '../journal/journal-scan.ts'
import { upcast } from '../journal/upcast.ts'
import { stateAfter } from './fold.ts'
import type { Output } from './output.ts'
import { UsageError } from './usage-error.ts'
import { damageLines } from './verify.ts'

export function inspectCommand(output: Output, end: (code: number) => void): Command {
  return new Command('inspect')
    .usage('PATH… [--port PORT]')
    .description('shows journals as a page on this host, with a slider over time, until Ctrl-C')
    .argument('[paths...]')
    .option('--port <port>', 'where it listens', '0')
    .addHelpText(
      'after',
      '\nPATH is the directory of a file journal, or one file of JSON lines. It prints the address; 0 is any free port.',
    )
    .action(async (paths: string[], { port }: { port: string }) => {
      const server = await inspectJournals(paths, port, output)
      const signal = output.interrupted()
      if (!signal.aborted) await once(signal, 'abort')
      await server.close()
      end(0)
    })
}

/** Reads the journals as they are now, serves them, and prints the address. */
export async function inspectJournals(
  paths: readonly string[],
  port: string,
  output: Pick<Output, 'error'>,
): Promise<InspectorServer> {
  if (paths.length === 0) throw new UsageError('"inspect" needs the path of a journal.')
  if (!/^\d+$/.test(port) || Number(port) > 65_535) throw new UsageError(`Expected --port to be a port, got "${port}".`)
  const feed = new Feed()
  for (const path of paths) show(feed, path, output)
  const server = await served(feed, { port: Number(port), isKept: true })
  printAddress(server.url)
  return server
}

function show(feed: Feed, path: string, output: Pick<Output, 'error'>): void {
  const scan = opened(path)
  const written = [...scan]
  for (const line of damageLines(scan)) output.error(`${path}: ${line}`)
  const upTo = (seq: number) => written.findLastIndex((record) => record.seq <= seq) + 1
  const stateAt = (seq: number) => stateAfter(written.slice(0, upTo(seq)))
  feed.show(nameOf(path, written[0]), written.map(upcast), stateAt)
}

/** The records at `path`. A path without a journal is wrong usage. */
function opened(path: string): JournalScan {
  try {
    return new JournalScan(path)
  } catch (error) {
    throw new UsageError(failureFrom(error, 'journal-failed').message)
  }
}

/** The consumer, and where its journal is. */
const nameOf = (path: string, first: JournalRecord | undefined): string =>
  `${first?.consumer ?? 'empty'} (${basename(resolve(path))})`
