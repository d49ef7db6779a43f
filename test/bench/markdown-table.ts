/** Tables of Markdown, and numbers as they are written in them. */

export function table(head: readonly string[], lines: readonly (readonly (string | number)[])[]): string {
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...lines.map(line)].join('\n')
}

/** With commas between thousands; fractions as far as they matter. */
export function number(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 1 ? 2 : 3
  return value.toLocaleString('en', { maximumFractionDigits: digits })
}

const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
