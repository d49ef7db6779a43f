/** What a run leaves behind: journals that have to verify and replay, and logs in which no secret may stand. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { verify } from '../../src/command-line/verify.ts'
import { JournalScan } from '../../src/journal/journal-scan.ts'

/** A sentence if `relisten journal verify` would say that this journal is not good. Nobody may write to it now. */
export function journalFault(path: string): string | undefined {
  try {
    const { isGood, lines } = verify(new JournalScan(path))
    return isGood ? undefined : `the journal ${path} is not good: ${lines.join(' · ')}`
  } catch (error) {
    return `the journal ${path} can't be verified: ${error}`
  }
}

/** Paths of the files, in these folders and files, that hold the text. */
export function filesWith(text: string, paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return []
    if (!statSync(path).isDirectory()) return readFileSync(path).includes(text) ? [path] : []
    return filesWith(
      text,
      readdirSync(path).map((name) => join(path, name)),
    )
  })
}
