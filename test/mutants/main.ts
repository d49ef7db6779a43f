// `npm run mutants`: breaks the files in which messages can be lost, one place at a time, and fails where the tests of a file notice
// too few of these breaks. `npm run mutants -- actors/delivery/partition-queue.ts` takes one file; all of them take hours.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../verification/command.ts'
import { type MutationReport, scoresOf } from './score.ts'

const longestMs = 6 * 3_600_000

process.chdir(join(import.meta.dirname, '../..'))
const configFile = 'test/mutants/stryker.config.json'
const config = JSON.parse(await readFile(configFile, 'utf8'))
const files: readonly string[] = process.argv.length > 2 ? process.argv.slice(2) : config.mutate

const args = ['run', configFile, '--mutate', files.join(',')]
const { exitCode, output } = await runCommand('stryker', args, { timeoutMs: longestMs, live: true })
if (exitCode !== 0) {
  console.error(output.trim() || `Stryker ended with code ${exitCode}.`)
  process.exit(1)
}
const report: MutationReport = JSON.parse(await readFile(config.jsonReporter.fileName, 'utf8'))
const scores = scoresOf(report, files)
for (const { file, noticed, missed, excused, percent } of scores) {
  console.log(`${percent.toFixed(1).padStart(6)} %  ${file}: ${noticed} noticed, ${missed} missed, ${excused} excused`)
}
const { low } = config.thresholds
const below = scores.filter(({ percent }) => percent < low)
if (below.length > 0) console.error(`\nBelow ${low} %: ${below.map(({ file }) => file).join(', ')}`)
process.exitCode = below.length > 0 ? 1 : 0
