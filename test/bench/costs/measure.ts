/** The costs of relisten: what it takes of throughput, memory, processor and network, and how long its import takes. */
import type { GoalFigure } from '../goal.ts'
import { measureCrowd } from './crowd.ts'
import { measureIdle } from './idle.ts'
import { measureImport } from './import-time.ts'
import { measureMemory, measureMoves } from './memory.ts'
import { measurePollBytes } from './poll-bytes.ts'
import { measureProduce } from './produce.ts'
import type { CostRun } from './run.ts'
import { measureSlowHandlers } from './slow-handlers.ts'
import { measureFollowed, measureThroughput } from './throughput.ts'

/** The rows, in the order in which they are measured. */
export const costRows = {
  throughput: measureThroughput,
  followed: measureFollowed,
  produce: measureProduce,
  memory: measureMemory,
  moves: measureMoves,
  'slow-handlers': measureSlowHandlers,
  idle: measureIdle,
  'poll-bytes': measurePollBytes,
  crowd: measureCrowd,
  import: measureImport,
} as const satisfies Record<string, (run: CostRun) => Promise<GoalFigure[]>>

export type CostRow = keyof typeof costRows

export interface CostOptions extends CostRun {
  /** Default: all rows. */
  readonly only?: readonly CostRow[] | undefined
}

export async function measureCosts({ only, ...run }: CostOptions): Promise<readonly GoalFigure[]> {
  const figures: GoalFigure[] = []
  for (const [row, measure] of Object.entries(costRows)) {
    if (only && !only.includes(row as CostRow)) continue
    run.say(`${row} …`)
    figures.push(...(await measure(run)))
  }
  return figures
}
