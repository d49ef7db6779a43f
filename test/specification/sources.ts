// The sources as the specification sees them: what is defined where, and where something waits or goes round.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

/** A place in the sources: a file, and a function, method, class or constant in it. */
export interface Place {
  readonly file: string
  readonly name: string
}

/** The text of each file of these folders, by its path from the root. */
export async function readSources(folders: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>()
  for (const folder of folders) {
    const names = await readdir(join(root, folder), { recursive: true })
    for (const name of names.filter((each) => each.endsWith('.ts')).toSorted()) {
      sources.set(`${folder}/${name}`, await readFile(join(root, folder, name), 'utf8'))
    }
  }
  return sources
}

/** Whether the text defines a function, method, class or constant of this name. */
export const defines = (text: string, name: string): boolean =>
  new RegExp(
    `^ *${modifiers}(?:(?:function\\*?|class|const|let) )?\\*?${name}\\b[?!]?(?:[(<:]| =| \\{| extends)`,
    'm',
  ).test(text)

/** The places where the code waits, or goes round with a wait inside: timers, and loops that are not over a list. */
export function waitsIn(file: string, text: string): Place[] {
  const found: Place[] = []
  const lines = text.split('\n')
  const isClassBased = /^(?:export )?class /m.test(text)
  let outer: string | undefined
  let inner: string | undefined
  let isQuoted = false
  for (const [index, line] of lines.entries()) {
    if ((line.split('`').length - 1) % 2 === 1) isQuoted = !isQuoted
    const [, indent = '', named] = definition.exec(line) ?? []
    if (named !== undefined && !keywords.has(named) && !isQuoted) {
      if (indent === '') [outer, inner] = [named, undefined]
      else inner = named
    }
    if (/^\s*(?:\/\/|\*|\/\*)/.test(line) || isQuoted) continue
    if (!timers.test(line) && !(loops.test(line) && bodyOf(lines, index).some((each) => /\bawait\b/.test(each))))
      continue
    const name = (isClassBased ? inner : undefined) ?? outer
    if (name !== undefined && !found.some((place) => place.name === name)) found.push({ file, name })
  }
  return found
}

/** The lines up to the one that closes what begins in this line. */
function bodyOf(lines: readonly string[], from: number): string[] {
  const indent = /^ */.exec(lines[from] ?? '')?.[0] ?? ''
  const end = lines.findIndex((line, index) => index > from && line.startsWith(`${indent}}`))
  return lines.slice(from, end + 1)
}

const modifiers = '(?:(?:export|private|static|readonly|async|override|get|set) )*'
/** Those of Node and RxJS, and ours: what `actors/time/` offers. */
const timers =
  /\bsetInterval\(|\bsetTimeout\(|\brepeat\(\{|\btimer\(|AbortSignal\.timeout\(|\b(?:sleep|wait|deadline|within|timeLimit)(?:<\w+>)?\(/
const loops = /^\s*(?:while \(|for \((?!const ))/
/** A function, method or constant that begins in this line, at most one level inside of a class. */
const definition = new RegExp(
  `^( {2})?${modifiers}(?:(?:function\\*?|class|const) )?\\*?([A-Za-z]\\w*)(?:<[^(]*>)?(?: =|: \\w+ =|\\(.*\\{$|\\($| \\{$| extends)`,
)
const keywords: ReadonlySet<string> = new Set([
  'if',
  'for',
  'while',
  'switch',
  'return',
  'catch',
  'try',
  'else',
  'const',
])
