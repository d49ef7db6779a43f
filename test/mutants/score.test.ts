// The score of a mutated file.
import { expect, test } from 'vitest'
import { scoresOf } from './score.ts'

const mutants = (...statuses: string[]) => ({ mutants: statuses.map((status) => ({ status })) })
const report = {
  files: {
    'actors/a.ts': mutants('Killed', 'Killed', 'Timeout', 'Survived', 'Ignored'),
    'actors/b.ts': mutants('Killed', 'NoCoverage', 'RuntimeError'),
  },
}

test('each file has its own score, without the mutants that are excused', () => {
  expect(scoresOf(report, ['actors/a.ts', 'actors/b.ts'])).toEqual([
    { file: 'actors/a.ts', noticed: 3, missed: 1, excused: 1, percent: 75 },
    { file: 'actors/b.ts', noticed: 1, missed: 2, excused: 0, percent: 100 / 3 },
  ])
})

test('a file that was not mutated has no score', () => {
  expect(scoresOf(report, ['actors/c.ts'])).toMatchObject([{ file: 'actors/c.ts', percent: 0 }])
})
