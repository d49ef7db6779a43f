// The one command that verifies everything, gate after gate. It goes on after a failure, so that all of them are seen, and ends
// with what failed and the line "N passed, N failed". `--fast` leaves out the tests that need Java or the registry of packages.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './verification/command.ts'
import { type Tally, tally, type VitestReport } from './verification/tally.ts'

const minuteMs = 60_000
const gateTimeoutMs = 5 * minuteMs

const unknown = process.argv.slice(2).filter((argument) => argument !== '--fast')
if (unknown.length > 0) {
  console.error(`Expected no argument or --fast, got "${unknown.join(' ')}".`)
  process.exit(2)
}
process.chdir(join(import.meta.dirname, '..'))

const steps = [
  () => gate('format and lint', 'biome', 'check', '--error-on-warnings'),
  () => gate('types', 'tsc'),
  () => gate('types of the page', 'tsc', '--noEmit', '-p', 'page'),
  () => gate('build', 'npm', 'run', '--silent', 'build'),
  () => tests('fast*', 'default', 10 * minuteMs),
  () => tests('browser', 'verbose', 3 * minuteMs),
  () => gate('unused code', 'knip', '--no-progress'),
  () => gate('package', 'publint', '--strict'),
  () => gate('package types', 'attw', '--pack', '.'),
  ...(process.argv.includes('--fast')
    ? [simulation]
    : [
        () => tests('fixtures', 'verbose', 10 * minuteMs),
        () => tests('real', 'verbose', 30 * minuteMs),
        monitoring,
        () => both(tests('torture', 'verbose', 12 * minuteMs), simulation()),
      ]),
]

let whole: Tally = { passed: 0, failed: 0, reasons: [] }
for (const step of steps) whole = sum(whole, await step())
process.exitCode = whole.failed > 0 ? 1 : 0
for (const reason of whole.reasons) console.log(`\nFAILED: ${reason}`)
console.log(`\n${whole.passed} passed, ${whole.failed} failed`)

async function gate(name: string, program: string, ...args: string[]): Promise<Tally> {
  process.stdout.write(`${name} ... `)
  const startedAt = Date.now()
  const { exitCode, output } = await runCommand(program, args, { timeoutMs: gateTimeoutMs })
  console.log(outcome(exitCode === 0, startedAt))
  if (exitCode === 0) return { passed: 1, failed: 0, reasons: [] }
  console.log(output.trim() || `${program} ended with code ${exitCode} and wrote nothing.`)
  return { passed: 0, failed: 1, reasons: [name] }
}

/** Dashboard and alerts on a real Prometheus, where there is one; the fast tests hold them against the metrics in any case. */
async function monitoring(): Promise<Tally> {
  const { exitCode } = await runCommand('prometheus', ['--version'], { timeoutMs: minuteMs })
  if (exitCode === 0) return gate('dashboard and alerts on Prometheus', 'npm', 'run', '--silent', 'monitoring')
  console.log(
    'dashboard and alerts on Prometheus ... not run: `prometheus`, of the Debian package of that name, is not installed',
  )
  return { passed: 0, failed: 0, reasons: [] }
}

/** What it prints is worth reading also when all is well. */
async function simulation(): Promise<Tally> {
  const startedAt = Date.now()
  const args = ['test/simulation/main.ts', '--seeds', '2000', '--producers', '750']
  const { exitCode, output } = await runCommand('tsx', args, { timeoutMs: 25 * minuteMs })
  console.log(`${output.trim()}\nsimulation ${outcome(exitCode === 0, startedAt)}`)
  return exitCode === 0 ? { passed: 1, failed: 0, reasons: [] } : { passed: 0, failed: 1, reasons: ['simulation'] }
}

/** Neither of them has figures that the other one spoils. */
async function both(one: Promise<Tally>, other: Promise<Tally>): Promise<Tally> {
  return sum(...(await Promise.all([one, other])))
}

function sum(one: Tally, other: Tally): Tally {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    reasons: [...one.reasons, ...other.reasons],
  }
}

async function tests(project: string, reporter: string, timeoutMs: number): Promise<Tally> {
  console.log(`${project} tests ...`)
  const startedAt = Date.now()
  const folder = await mkdtemp(join(tmpdir(), 'relisten-verify-'))
  const file = join(folder, 'report.json')
  const { exitCode, output } = await runCommand(
    'vitest',
    ['run', '--project', project, '--reporter', reporter, '--reporter', 'json', `--outputFile.json=${file}`],
    { timeoutMs, live: true },
  )
  const report = await readFile(file, 'utf8').then(
    (text): VitestReport => JSON.parse(text),
    () => undefined,
  )
  await rm(folder, { recursive: true })
  const result = tally(report, exitCode)
  if (output) console.log(output.trim())
  console.log(
    `${project} tests ${outcome(result.failed === 0, startedAt)}: ${result.passed} passed, ${result.failed} failed`,
  )
  return result
}

function outcome(ok: boolean, startedAt: number): string {
  return `${ok ? 'ok' : 'FAILED'} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`
}
