/** The board: shows what happens now. On a terminal a block of lines that is redrawn, elsewhere one line for each piece of news. */
import { styleText } from 'node:util'

export interface Board {
  /** Shows a line that stays. */
  say(line: string): void
  /** Shows a line that a terminal does not need, because its live block says the same. */
  news(line: string): void
  /** Redraws these lines four times a second, on a terminal only. */
  live(lines: () => string[]): void
  /** Shows how something proceeds; on a terminal each line replaces the one before. */
  progress(line: string): void
  /** Ends the redrawing; what is shown stays. */
  end(): void
}

export function createBoard(output: NodeJS.WriteStream): Board {
  const isTerminal = output.isTTY === true
  const isColoured = isTerminal && process.env.NO_COLOR === undefined
  let drawn = 0
  let progressing: string | undefined
  let lines: (() => string[]) | undefined
  let timer: NodeJS.Timeout | undefined

  const erase = () => {
    if (drawn > 0) output.write(`\x1b[${drawn}A\x1b[0J`)
    drawn = 0
  }
  const draw = () => {
    if (lines === undefined || !isTerminal) return
    const width = (output.columns || 100) - 1
    const now = lines().map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
    erase()
    output.write(`${now.map(isColoured ? coloured : String).join('\n')}\n`)
    drawn = now.length
  }
  const say: Board['say'] = (line) => {
    erase()
    progressing = undefined
    output.write(`${line}\n`)
    draw()
  }

  return {
    say,
    news(line) {
      if (!isTerminal) say(line)
    },
    live(given) {
      lines = given
      draw()
      if (isTerminal) timer = setInterval(draw, 250)
    },
    progress(line) {
      const continues = progressing !== undefined && subject(progressing) === subject(line)
      // elsewhere than on a terminal a line each half second would bury everything else
      if (continues && !isTerminal) return
      if (continues) output.write('\x1b[1A\x1b[0J')
      progressing = line
      output.write(`  ${line}\n`)
    },
    end() {
      clearInterval(timer)
      draw()
      lines = undefined
      drawn = 0
    },
  }
}

/** What a line of progress is about: the text before its figures. */
const subject = (line: string) => line.split(':')[0]

const coloured = (line: string) =>
  line
    .replace(/silent for [\d.]+ s/, (found) => styleText('red', found))
    .replace(/\bconsuming\b/, (found) => styleText('green', found))
