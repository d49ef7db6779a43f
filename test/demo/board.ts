/** The board: shows what happens now. On a terminal a block of lines that is redrawn, elsewhere one line for each news. */

export interface Board {
  /** Shows one line that stays. */
  say(line: string): void
  /** Starts to redraw these lines four times a second. Elsewhere than on a terminal one of them is shown every two seconds. */
  live(lines: () => string[]): void
  /** Replaces the line of progress shown while nothing is live. */
  progress(line: string): void
  /** Ends the redrawing; what is shown stays. */
  end(): void
}

export function createBoard(output: NodeJS.WriteStream): Board {
  const isTerminal = output.isTTY === true
  let drawn = 0
  let progressing = ''
  let lines: (() => string[]) | undefined
  let timer: NodeJS.Timeout | undefined

  const erase = () => {
    if (drawn > 0) output.write(`\x1b[${drawn}A\x1b[0J`)
    drawn = 0
  }
  const draw = () => {
    if (lines === undefined) return
    const width = output.columns || 100
    const now = lines().map((line) => (line.length > width - 1 ? `${line.slice(0, width - 2)}…` : line))
    erase()
    output.write(`${now.join('\n')}\n`)
    drawn = now.length
  }

  return {
    say(line) {
      erase()
      output.write(`${line}\n`)
      progressing = ''
      if (isTerminal) draw()
    },
    live(given) {
      lines = given
      const tick = isTerminal ? draw : () => output.write(`${given().slice(1).join('\n')}\n`)
      timer = setInterval(tick, isTerminal ? 250 : 2000)
    },
    progress(line) {
      if (isTerminal && progressing !== '') {
        output.write(`\x1b[1A\x1b[0J`)
      } else if (!isTerminal && progressing.split(':')[0] === line.split(':')[0]) {
        return
      }
      progressing = line
      output.write(`  ${line}\n`)
    },
    end() {
      clearInterval(timer)
      if (isTerminal) draw()
      lines = undefined
      drawn = 0
    },
  }
}
