/** What the benchmark of plans has measured, as it is kept in `benchmarks/plans.json`, and as cells of a table. Pairs are ours and the greedy pass's. */

type Pair = readonly [number, number]

export interface PlanCurve {
  readonly name: string
  readonly before: number
  readonly left: Pair
  readonly bytes: Pair
  readonly steps: Pair
  /** What is left after a quarter, half, three quarters and all of the greedy pass's bytes. */
  readonly quarters: readonly Pair[]
  readonly atEqualBytes: Pair
  /** How long ours was planned. */
  readonly ms: number
  readonly isKept: boolean
}

export interface PlanFigures {
  readonly at: string
  /** Null where nothing is checked out. */
  readonly commit: string | null
  readonly minutes: number
  /** The machine's load average when the run began. */
  readonly load: number
  readonly curves: readonly PlanCurve[]
  /** One plan for 100,000 partitions on 1,000 brokers in a process of its own; bytes resident at most. */
  readonly alone: { readonly ms: number; readonly bytes: number; readonly steps: number }
}

export const heads = [
  'cluster',
  'before',
  'left',
  'GB moved',
  'steps',
  ...[25, 50, 75, 100].map((share) => `at ${share} % of its bytes`),
  'at equal bytes',
  'ms',
  'promise',
]

export const cellsOf = (curve: PlanCurve): string[] => {
  const imbalances = ([ours, theirs]: Pair): string => `${ours.toFixed(4)} : ${theirs.toFixed(4)}`
  return [
    curve.name,
    curve.before.toFixed(4),
    imbalances(curve.left),
    curve.bytes.map((bytes) => (bytes / 1e9).toFixed(0)).join(' : '),
    curve.steps.join(' : '),
    ...curve.quarters.map(imbalances),
    imbalances(curve.atEqualBytes),
    curve.ms.toFixed(0),
    curve.isKept ? 'kept' : 'not kept',
  ]
}
