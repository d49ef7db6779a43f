/** Where lines go, and how they look there. */

import { styleText } from 'node:util'
import { withoutSecrets } from '../../actors/security/secrets.ts'
import { printable } from '../printable.ts'

/** How a line is meant. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'dim'

export interface Output {
  out(line: string, tone?: Tone): void
  error(line: string): void
  /** What is being done, over what was said before; nothing where nobody watches. */
  progress(line: string): void
}

/** The terminal, or what stands for it. */
export interface Terminal {
  out(line: string): void
  error(line: string): void
  /** Whether standard output shows colours. Default: false. */
  readonly hasColours?: boolean
  /** Writes to standard error as it is. Left out where that is no terminal. */
  readonly draw?: (text: string) => void
}

const colours = { good: 'green', bad: 'red', doubtful: 'yellow', dim: 'dim' } as const

/** Peers wrote parts of what is printed: no line commands the terminal, and none has a secret. */
export function outputTo({ out, error, hasColours = false, draw }: Terminal): Output {
  const clean = (line: string) => printable(withoutSecrets(line))
  let hasProgress = false
  const wipe = () => {
    if (hasProgress) draw?.('\r\u001b[K')
    hasProgress = false
  }
  return {
    out(line, tone) {
      wipe()
      const text = clean(line)
      out(tone && hasColours ? styleText(colours[tone], text) : text)
    },
    error(line) {
      wipe()
      error(clean(line))
    },
    progress(line) {
      wipe()
      draw?.(clean(line).slice(0, 100))
      hasProgress = draw !== undefined
    },
  }
}
