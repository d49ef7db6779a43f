// What share of a file's mutants the tests notice, from Stryker's report. Stryker itself knows one threshold for all files together.

/** The part of Stryker's JSON report that is read here. */
export interface MutationReport {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { readonly status: string }[] }>>
}

export interface Score {
  readonly file: string
  readonly noticed: number
  readonly missed: number
  /** Equal to the original, with the reason beside the code. */
  readonly excused: number
  readonly percent: number
}

/** The score of each of these files; of one that was not mutated it is 0. */
export function scoresOf(report: MutationReport, files: readonly string[]): Score[] {
  return files.map((file) => {
    const of = (...statuses: string[]) =>
      report.files[file]?.mutants.filter(({ status }) => statuses.includes(status)).length ?? 0
    const noticed = of('Killed', 'Timeout')
    // Whatever ended otherwise, or never ran, was not noticed.
    const missed = of('Survived', 'NoCoverage', 'Pending', 'RuntimeError', 'CompileError')
    const percent = noticed === 0 ? 0 : (100 * noticed) / (noticed + missed)
    return { file, noticed, missed, excused: of('Ignored'), percent }
  })
}
