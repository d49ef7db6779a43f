// The checkout that figures are measured on.
import { execFileSync } from 'node:child_process'

/** The commit that is checked out, with `+` where files differ from it; undefined outside of a checkout. */
export function checkedOutCommit(): string | undefined {
  const git = (...words: string[]) =>
    execFileSync('git', words, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`
  } catch {
    return undefined
  }
}
