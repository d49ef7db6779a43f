/** What is measured as clusters grow, and how steeply each figure grows with its cause. */

/** One consumer on a cluster of this size. */
export interface Cell {
  readonly brokers: number
  readonly partitions: number
  readonly figures: Figures
  /** When it was measured, as ISO 8601. */
  readonly at?: string
}

/** The sizes that are measured, each with each. */
export const sizes = { brokers: [3, 30, 100], partitions: [6, 600, 6000] } as const

interface About {
  readonly title: string
  /** Values below this are noise: taken for it. */
  readonly noise: number
  /** The steepest slope with the brokers that its cause explains. Default 1. */
  readonly owed?: number
}

export const figures = {
  connections: { title: 'connections', noise: 1 },
  dialsPerMinute: { title: 'dials a minute', noise: 6 },
  pollsPerMinute: { title: 'polls a minute', noise: 6 },
  lookUpsPerMinute: { title: 'look-ups of names a minute', noise: 6 },
  fetchMbPerMinute: { title: 'MB a minute, of fetches', noise: 0.1 },
  otherMbPerMinute: { title: 'MB a minute, of all else', noise: 0.01 },
  cpuMsPerSecond: { title: 'processor ms a second', noise: 10 },
  dialsPerMove: { title: 'dials per move', noise: 1 },
  lookUpsPerMove: { title: 'look-ups of names per move', noise: 6 },
  otherMbPerMove: { title: 'MB per move, without fetches', noise: 0.01, owed: 2 },
  cpuMsPerMove: { title: 'processor ms per move', noise: 50 },
  factsPerMove: { title: 'facts per move', noise: 1 },
  factKbPerMove: { title: 'KB of facts per move', noise: 1 },
  silenceMs: { title: 'longest silence of a move, ms', noise: 50 },
  heapMb: { title: 'heap in use, MB', noise: 1 },
  rssMb: { title: 'resident set, MB', noise: 10 },
} as const satisfies Record<string, About>

export type Figure = keyof typeof figures
export type Figures = Readonly<Record<Figure, number>>

export const figureNames = Object.keys(figures) as Figure[]

/** Causes of growth. */
export type Cause = keyof typeof sizes

/**
 * How steeply a figure grows with a cause: the exponent of the power that leads from one size to the next, the steepest of all steps; 0: it does not
 * grow, 1: in proportion, 2: with the square. Undefined where no two sizes were measured.
 */
export function slopeOf(cells: readonly Cell[], figure: Figure, cause: Cause): number | undefined {
  const other: Cause = cause === 'brokers' ? 'partitions' : 'brokers'
  const sizeOf = (cell: Cell) => Math.max(cell.figures[figure], figures[figure].noise)
  const slopes = cells.flatMap((small) => {
    const larger = cells.filter((cell) => cell[other] === small[other] && cell[cause] > small[cause])
    const [large] = larger.toSorted((one, next) => one[cause] - next[cause])
    return large ? [Math.log(sizeOf(large) / sizeOf(small)) / Math.log(large[cause] / small[cause])] : []
  })
  return slopes.length > 0 ? Math.max(...slopes) : undefined
}

/** What a measurement may be off. */
const slack = 0.1

/** Whether it grows faster than its cause. */
export function isTooSteep(figure: Figure, cause: Cause, slope: number): boolean {
  const about: About = figures[figure]
  return slope > (cause === 'brokers' ? (about.owed ?? 1) : 1) + slack
}
