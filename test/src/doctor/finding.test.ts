// The list of findings, and what docs/doctor.md says of it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type FindingCode, finding, known } from '../../../src/doctor/finding.ts'
import { quoted, tableOf } from '../../markdown.ts'

const codes = Object.keys(known) as FindingCode[]

test('docs/doctor.md has each finding with its severity, and no other', async () => {
  const rows = tableOf(await readFile(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8'), 'finding')
  const told = rows.map((row) => `${quoted(row.finding ?? '').join()} ${row['is a']}`)
  expect(told.toSorted()).toEqual(codes.map((code) => `${code} ${known[code].severity}`).toSorted())
})

test.each(codes)('%s has a cause and a next step, also where it is that of a failure', (code) => {
  const failure = { kind: 'dial-failed', message: 'refused', code: 'ECONNREFUSED' } as const
  const { likelyCause, nextStep } = finding(code, 'what', failure)
  for (const text of [likelyCause, nextStep]) expect(text).toMatch(/^[^A-Z].{10,}\.$/)
  expect(finding(code, 'what', failure).failure).toEqual(failure)
})
