/** The import: how long plain Node takes to load the built package, beside what it is built on. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { GoalFigure } from '../goal.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

export async function measureImport({ quick, say }: Pick<CostRun, 'quick' | 'say'>): Promise<GoalFigure[]> {
  const turns = quick ? 15 : 31
  await run('npm', ['run', '--silent', 'build'], { cwd: root })
  const scripts = {
    relisten: "await import('relisten')",
    parts: "for (const name of ['kafkajs', 'xstate', 'rxjs', 'pino']) await import(name)",
    kafkajs: "await import('kafkajs')",
  }
  const times = { relisten: [] as number[], parts: [] as number[], kafkajs: [] as number[] }
  for (let turn = 0; turn < turns; turn += 1) {
    for (const name of ['relisten', 'parts', 'kafkajs'] as const) times[name].push(await timed(scripts[name]))
  }
  const [relisten, parts, kafkajs] = [median(times.relisten), median(times.parts), median(times.kafkajs)]
  const figure: GoalFigure = {
    goal: 'import time of the package',
    name: 'against kafkajs + xstate + rxjs + pino',
    value: relisten / parts,
    unit: '×',
    most: 1.3,
    reference: `relisten ${relisten.toFixed(0)} ms, the four ${parts.toFixed(0)} ms, kafkajs alone ${kafkajs.toFixed(0)} ms`,
    note: `medians of ${turns} processes each, in turns`,
  }
  say(`${figure.name}: ${figure.value.toFixed(3)} (${figure.reference})`)
  return [figure]
}

/** Milliseconds of the import in a fresh process. */
async function timed(script: string): Promise<number> {
  const code = `const startedAt = performance.now(); ${script}; console.log(performance.now() - startedAt)`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: root })
  return Number(stdout)
}
