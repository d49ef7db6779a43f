// The quick look while one works: format, types, the tests of `machines/`, and those that import what changed since the last commit. It is no
// proof: that is `npm test`. `--watch` runs the same tests again at each change.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readModules } from './import-graph.ts'
import { runCommand } from './verification/command.ts'

const withinMs = 60_000
const isWatched = process.argv.includes('--watch')
const unknown = process.argv.slice(2).filter((argument) => argument !== '--watch')
if (unknown.length > 0) {
  console.error(`Expected no argument or --watch, got "${unknown.join(' ')}".`)
  process.exit(2)
}
process.chdir(join(import.meta.dirname, '..'))

const changed = new Set([
  ...git('diff', '--name-only', '--relative', 'HEAD'),
  ...git('ls-files', '--others', '--exclude-standard'),
])
const modules = await readModules('.')
const importers = modules.filter(({ path, imports }) => changed.has(path) || imports.some((name) => changed.has(name)))
const tests = importers
  .map(({ path }) => path)
  .filter((path) => path.endsWith('.test.ts') && !path.startsWith('test/real/'))
const vitest = ['--project', 'fast*', '--reporter', 'dot', 'test/machines', 'test/arrows.test.ts', ...tests]

if (isWatched) {
  await runCommand('vitest', ['watch', ...vitest], { timeoutMs: 2 ** 31 - 1, live: true })
} else {
  const results = await Promise.all([
    runCommand('tsc', ['--incremental', '--tsBuildInfoFile', '.cache/check.tsbuildinfo'], { timeoutMs: withinMs }),
    runCommand('tsc', ['--noEmit', '-p', 'page'], { timeoutMs: withinMs }),
    runCommand('biome', ['check', '--error-on-warnings'], { timeoutMs: withinMs }),
    runCommand('vitest', ['run', ...vitest], { timeoutMs: withinMs }),
  ])
  const failed = results.filter(({ exitCode }) => exitCode !== 0)
  for (const { output } of failed) console.log(output.trim())
  process.exitCode = failed.length > 0 ? 1 : 0
}

function git(...args: string[]): string[] {
  return execFileSync('git', args, { encoding: 'utf8' }).split('\n').filter(Boolean)
}
