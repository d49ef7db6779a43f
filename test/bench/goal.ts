/** A goal of the benchmark and what was measured for it: one line of the table of goals. */

export interface GoalFigure {
  /** The row of the table of goals, word for word. */
  readonly goal: string
  /** Which figure of that row, for example `three members, p99`. */
  readonly name: string
  readonly value: number
  /** `ms`, `%`, `MB`, `bytes`, `messages`, `×` and the like. */
  readonly unit: string
  /** The goal is met up to this value. */
  readonly most?: number
  /** The goal is met from this value on. */
  readonly least?: number
  /** What it is compared with, for example the figure of another client in the same run. */
  readonly reference?: string
  /** What a reader has to know about the figure. */
  readonly note?: string
  /** When it was measured, as ISO 8601. */
  readonly at?: string
}

/** Whether the figure is within its bounds; one without bounds is told, not judged. */
export function isMet({
  value,
  most = Number.POSITIVE_INFINITY,
  least = Number.NEGATIVE_INFINITY,
}: GoalFigure): boolean {
  return value <= most && value >= least
}
