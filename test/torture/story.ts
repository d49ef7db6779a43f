/** The story of a run: what was done lately, and with a violation everything that was told around it, kept in a file. */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Member } from './member.ts'

export interface Story {
  /** A sentence each. */
  readonly violations: readonly string[]
  /** Files with what was told around the first of them. */
  readonly files: readonly string[]
  begin(kind: string): void
  end(kind: string, how: string): void
  tell(line: string): void
  violated(sentence: string): void
  /** The same, but only the first time for this subject. */
  violatedOnce(subject: string, sentence: string): void
  /** Whose facts belong to it. */
  follow(members: () => readonly Member[]): void
}

const LINES_KEPT = 60
const FILES = 5
const VIOLATIONS_KEPT = 200
/** What follows a violation often explains it. */
const AFTERMATH_MS = 3000

export function createStory(say: (line: string) => void): Story {
  const lines: string[] = []
  const violations: string[] = []
  const files: string[] = []
  const subjects = new Set<string>()
  let members: () => readonly Member[] = () => []
  const tell = (line: string) => {
    lines.push(`${Date.now()} ${line}`)
    if (lines.length > LINES_KEPT) lines.shift()
  }
  const write = (file: string) => {
    const facts = members().flatMap(({ told }) => told)
    writeFileSync(file, `${[...lines, ...facts].toSorted().join('\n')}\n`)
  }

  return {
    violations,
    files,
    begin: (kind) => tell(`BEGIN ${kind}`),
    end: (kind, how) => tell(`END ${kind}: ${how}`),
    tell,
    violated(sentence) {
      tell(`VIOLATION ${sentence}`)
      if (violations.length >= VIOLATIONS_KEPT) return
      violations.push(sentence)
      say(`VIOLATION: ${sentence}`)
      if (files.length >= FILES) return
      const file = join(tmpdir(), `relisten-torture-story-${process.pid}-${files.length + 1}.txt`)
      files.push(file)
      write(file)
      setTimeout(() => write(file), AFTERMATH_MS).unref()
    },
    violatedOnce(subject, sentence) {
      if (subjects.has(subject)) return
      subjects.add(subject)
      this.violated(sentence)
    },
    follow(given) {
      members = given
    },
  }
}
