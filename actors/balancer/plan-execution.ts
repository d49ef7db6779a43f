/** The executions of one life, one after the other: first what an earlier life has left, then plan after plan, with the throttles they share. */

import type { Step } from '../../machines/balancer/plan.ts'
import type { Unfinished } from '../../machines/balancer/unfinished.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Controls } from './controls.ts'
import type { Execution, ExecutionProgress } from './execution-progress.ts'
import type { ExecutorSettings } from './execution-settings.ts'
import { Executor } from './executor.ts'
import { Throttles } from './throttles.ts'

export interface PlanExecutionOptions {
  /** What it asks of the cluster; called when there is something to ask. */
  readonly controls: () => Controls
  readonly settings: ExecutorSettings
  /** Throttles that no record explains are deleted at the beginning. Default: they are said to be there. */
  readonly takeBack?: boolean
}

/** Where an execution records its facts, and what ends it. */
export interface ExecutionContext {
  readonly round: number
  /** Records a fact before it returns. */
  readonly emit: (fact: Fact) => void
  readonly signal: AbortSignal
}

export class PlanExecution {
  private readonly options: PlanExecutionOptions
  private throttles: Throttles | undefined
  private executor: Executor | undefined

  constructor(options: PlanExecutionOptions) {
    this.options = options
  }

  /** Waits for what an earlier life has begun, restores its throttles, and says which others there are. Comes before the first plan; never rejects. */
  async takeUp(unfinished: Unfinished, context: ExecutionContext): Promise<Execution> {
    const { takeBack = false } = this.options
    const controls = this.options.controls()
    this.throttles = new Throttles({ controls, emit: context.emit, held: unfinished.throttles })
    const taken = await this.next(context).takeUp(unfinished, context.signal)
    try {
      await this.throttles.sweep(await controls.topology(), takeBack)
    } catch {
      // What can't be read or changed now is found at the next start.
    }
    return taken
  }

  /** Carries a plan out; never rejects. */
  carryOut(steps: readonly Step[], context: ExecutionContext): Promise<Execution> {
    return this.next(context).carryOut(steps, context.signal)
  }

  /** How far the newest execution is; undefined before the first. */
  progress(): ExecutionProgress | undefined {
    return this.executor?.progress()
  }

  private next({ round, emit }: ExecutionContext): Executor {
    const { settings } = this.options
    const controls = this.options.controls()
    this.throttles ??= new Throttles({ controls, emit, held: new Map() })
    this.executor = new Executor({ controls, settings, emit, round, throttles: this.throttles })
    return this.executor
  }
}
