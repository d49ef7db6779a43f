/** The inside of a process that carries out one plan with a journal, and kills itself the moment a record it was given is durable. */
import { appendFileSync } from 'node:fs'
import { PlanExecution } from '../../../actors/balancer/plan-execution.ts'
import type { Step } from '../../../machines/balancer/plan.ts'
import { balancerOn } from '../../../src/balancer/balancer.ts'
import { fileJournal } from '../../../src/index.ts'
import { planOf } from '../../balancer/decisions.ts'
import { quick, realControls } from '../../balancer/execution-stage.ts'

export interface ExecutionTask {
  readonly brokers: readonly string[]
  readonly journal: string
  /** The file that gets a line for each reassignment that is asked for. */
  readonly asked: string
  readonly steps: readonly Step[]
  /** Bytes per second. */
  readonly rate: number
  /** The record it dies of. Left out: it ends by itself when a plan was carried out to its end. */
  readonly kill?: { readonly type: string; readonly nth: number }
}

const task = JSON.parse(process.argv[2] ?? '') as ExecutionTask
const { controls, [Symbol.dispose]: close } = realControls(() => [...task.brokers])
const reassign = controls.reassign.bind(controls)
controls.reassign = (changes) => {
  for (const { topic, partition, replicas } of changes)
    appendFileSync(task.asked, `${topic}/${partition} ${replicas}\n`)
  return reassign(changes)
}
const settings = { ...quick, rates: () => () => task.rate }
const balancer = balancerOn(
  {
    load: {
      start: async () => {},
      stop: async () => {},
      loads: () => ({ partitions: new Map(), slow: new Set() }),
      newestAt: () => Date.now(),
    },
    topology: () => controls.topology(),
    plan: () => planOf(task.steps),
    execution: new PlanExecution({ controls: () => controls, settings }),
  },
  { journal: fileJournal(task.journal) },
)
let seen = 0
balancer.on('*', ({ type, data }) => {
  if (type === task.kill?.type && ++seen === task.kill.nth) process.kill(process.pid, 'SIGKILL')
  if (type === 'execution.ended' && !('reason' in data)) void balancer.stop().then(close)
})
balancer.start()
