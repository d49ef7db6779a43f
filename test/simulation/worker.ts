// A worker: a process that runs the batches it is sent.

import { type BatchResult, runBatch } from './batch.ts'

export interface WorkerAnswer {
  readonly result?: BatchResult
  /** The simulation itself broke. */
  readonly error?: string
}

process.on('message', (seeds: readonly number[]) => {
  runBatch(seeds).then(
    (result) => process.send?.({ result } satisfies WorkerAnswer),
    (error: Error) => process.send?.({ error: error.stack ?? error.message } satisfies WorkerAnswer),
  )
})
process.on('disconnect', () => process.exit(0))
