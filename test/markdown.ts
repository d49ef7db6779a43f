// A document of this house as its tests read it: the blocks of code in it, and its tables.

/** One row of a table: the text of each cell by the title of its column. */
export type Row = Readonly<Record<string, string>>

/** The blocks of code in this language, in order. */
export function codeBlocks(document: string, language: string): string[] {
  return [...document.matchAll(/^```(\S*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code = '']) => code)
}

/** The rows of the table whose first column has this title. Throws when there is no such table, or one without rows. */
export function tableOf(document: string, firstTitle: string): Row[] {
  const lines = document.split('\n')
  const start = lines.findIndex((line) => line.startsWith('|') && cellsOf(line)[0] === firstTitle)
  const titles = cellsOf(lines[start] ?? '')
  const after = lines.slice(start + 2)
  const end = after.findIndex((line) => !line.startsWith('|'))
  const rows = after.slice(0, end < 0 ? undefined : end).map((line) => {
    const cells = cellsOf(line)
    return Object.fromEntries(titles.map((title, column) => [title, cells[column] ?? '']))
  })
  if (start < 0 || rows.length === 0) throw new Error(`There is no table whose first column is "${firstTitle}"`)
  return rows
}

/** What a text says in code: each part between backticks. */
export const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

const cellsOf = (line: string): string[] =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))
