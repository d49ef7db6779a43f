/** Where lines go, and how they look there. */

import { styleText } from 'node:util'
import { withoutSecrets } from '../../actors/security/secrets.ts'
import { printable } from '../printable.ts'

/** How a line is meant. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'dim'

export interface Output {
  out(line: string, tone?: Tone): void
  /** Prints it over several lines, or on one, without secrets in its texts. */
  json(value: unknown, layout: 'lines' | 'line'): void
  error(line: string): void
  /** What is being done, or how things are, in the place of what was said before; nothing where nobody watches. */
  progress(...lines: string[]): void
  /** Resolves when standard output takes more: who prints much waits for it. */
  drained(): Promise<void>
  /** Aborts when the user wants an end. Until it is asked for, the process ends at once. */
  interrupted(): AbortSignal
}

/** The terminal, or what stands for it. */
export interface Terminal {
  out(line: string): void
  error(line: string): void
  /** Whether standard output shows colours. Default: false. */
  readonly hasColours?: boolean
  /** Writes to standard error as it is. Left out where that is no terminal. */
  readonly draw?: (text: string) => void
  /** Resolves when standard output takes more. Default: at once. */
  readonly drained?: () => Promise<void>
  /** Aborts with the first signal that ends a process. Default: never. */
  readonly interrupted?: () => AbortSignal
}

const colours = { good: 'green', bad: 'red', doubtful: 'yellow', dim: 'dim' } as const
const longest = Number.POSITIVE_INFINITY
const mostColumns = 160

/** Peers wrote parts of what is printed: no line commands the terminal. */
export function outputTo({ out, error, hasColours = false, draw, drained, interrupted }: Terminal): Output {
  let drawn = 0
  const wipe = () => {
    // To the first of the lines, and away with all below it.
    if (drawn > 0) draw?.(`\r${drawn > 1 ? `\u001b[${drawn - 1}A` : ''}\u001b[J`)
    drawn = 0
  }
  const print = (line: string, tone?: Tone) => {
    wipe()
    const text = printable(line)
    // Whether there are colours is decided by the terminal, not by what `styleText` finds.
    out(tone && hasColours ? styleText(colours[tone], text, { validateStream: false }) : text)
  }
  return {
    out: print,
    json(value, layout) {
      const replacer = (_name: string, each: unknown) =>
        typeof each === 'string' ? withoutSecrets(each, longest) : each
      for (const line of JSON.stringify(value, replacer, layout === 'lines' ? 2 : 0).split('\n')) print(line)
    },
    error(line) {
      wipe()
      error(printable(withoutSecrets(line, longest)))
    },
    progress(...lines) {
      if (!draw) return
      wipe()
      draw(lines.map((line) => printable(line).slice(0, mostColumns)).join('\n'))
      drawn = lines.length
    },
    drained: drained ?? (async () => {}),
    interrupted: interrupted ?? (() => new AbortController().signal),
  }
}
