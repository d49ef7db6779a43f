/** A suggestion: the known name that an unknown one was probably meant to be. */

import { optionError } from '../error.ts'

/** Which names there may be, and what to use in place of others that people bring along from KafkaJS. */
export interface OptionNames {
  readonly known: readonly string[]
  readonly elsewhere: Readonly<Record<string, string>>
  /** What to do about a name that is neither. */
  readonly nextStep: string
}

/** Throws `invalid-option` for a name that is not known. `path` stands before it in the message. */
export function checkName(name: string, { known, elsewhere, nextStep }: OptionNames, path = ''): void {
  if (known.includes(name)) return
  const instead = elsewhere[name]
  if (instead !== undefined)
    throw optionError(`Expected \`${path}${name}\` to be left out, as it has no effect here`, instead)
  const near = suggestion(name, known)
  const question = near === undefined ? '' : ` Did you mean \`${near}\`?`
  throw optionError(`Unknown option \`${path}${name}\`.${question}`, nextStep)
}

/** The known name nearest to `name`; undefined when none is near. */
export function suggestion(name: string, known: readonly string[]): string | undefined {
  const allowed = Math.max(1, Math.floor(name.length / 3))
  const ranked = known
    .map((each) => ({ each, distance: distance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((one, other) => one.distance - other.distance)
  const [nearest] = ranked
  return nearest && nearest.distance <= allowed ? nearest.each : undefined
}

/** How many letters have to be changed, added or taken away. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let line = 1; line <= one.length; line += 1) {
    const next = [line]
    for (let column = 1; column <= other.length; column += 1) {
      const changed = (row[column - 1] ?? 0) + (one[line - 1] === other[column - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
