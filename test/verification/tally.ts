// What the JSON report of one vitest run amounts to. A test that did not run counts as failed: nothing is skipped silently.

/** The part of vitest's JSON report that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly string[]
    }[]
  }[]
}

export interface Tally {
  readonly passed: number
  readonly failed: number
  /** What counts as failed, and why. */
  readonly reasons: readonly string[]
}

/** Counts a report; `undefined` stands for a run that wrote none. */
export function tally(report: VitestReport | undefined, exitCode: number | null): Tally {
  const reasons: string[] = []
  let passed = 0
  let failed = 0
  for (const file of report?.testResults ?? []) {
    const before = failed
    for (const { fullName, status, failureMessages = [] } of file.assertionResults) {
      if (status === 'passed') {
        passed += 1
        continue
      }
      failed += 1
      reasons.push(
        status === 'failed' ? [fullName, ...failureMessages].join('\n') : `did not run (${status}): ${fullName}`,
      )
    }
    if (file.status === 'failed' && failed === before) {
      failed += 1
      reasons.push(`${file.name} failed outside its tests: ${file.message || 'see the output above'}`)
    }
  }
  if (report === undefined) reasons.push(`vitest wrote no report; it ended with code ${exitCode}`)
  else if (passed + failed === 0) reasons.push('no test was found')
  else if (exitCode !== 0 && failed === 0) reasons.push(`all tests passed, yet vitest ended with code ${exitCode}`)
  return { passed, failed: failed === 0 && reasons.length > 0 ? 1 : failed, reasons }
}
