// A worker: a process that runs the batches it is sent.

import { type BatchResult, type Job, runBatch } from './batch.ts'

export interface WorkerAnswer {
  readonly result?: BatchResult
  /** The simulation itself broke. */
  readonly error?: string
}

process.on('message', (jobs: readonly Job[]) => {
  runBatch(jobs).then(
    (result) => process.send?.({ result } satisfies WorkerAnswer),
    (error: Error) => process.send?.({ error: error.stack ?? error.message } satisfies WorkerAnswer),
  )
})
process.on('disconnect', () => process.exit(0))
