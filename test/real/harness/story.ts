/** The story of a scenario that did not hold: a file with everything its members told, to be read by a person. */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Writes the lines to a file of the scenario's name and prints where it is. */
export function writeStory(scenario: string, lines: readonly string[]): void {
  const file = join(tmpdir(), `relisten-story-${process.ppid}-${scenario.replace(/\W+/g, '-')}.txt`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  console.log(`What happened in "${scenario}": ${file}`)
}
