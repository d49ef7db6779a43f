// A crew: worker processes that share the seeds. A process is replaced after some batches, as what crashed lives leave in memory adds up.

import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { type BatchResult, type Job, nothingRun, together } from './batch.ts'
import type { WorkerAnswer } from './worker.ts'

const batchSize = 25
const batchesPerWorker = 10
/** A batch takes seconds: one that takes so many milliseconds has a seed that never ends. */
const longestBatchMs = 600_000

export interface CrewOptions {
  readonly workers: number
  /** Called after each batch with what there is so far. */
  readonly onProgress: (soFar: BatchResult) => void
  /** No further batch is begun after so many failures. */
  readonly mostFailures: number
}

/** Runs all seeds. Rejects when the simulation itself breaks. */
export async function runSeeds(seeds: Iterable<Job>, options: CrewOptions): Promise<BatchResult> {
  const batches = inBatches(seeds)
  let soFar = nothingRun
  const work = async (): Promise<void> => {
    let worker: ChildProcess | undefined
    let left = 0
    try {
      for (const batch of batches) {
        if (left === 0) {
          worker?.disconnect()
          worker = fork(join(import.meta.dirname, 'worker.ts'), { env: { ...process.env, NODE_NO_WARNINGS: '1' } })
          left = batchesPerWorker
        }
        left--
        if (!worker) continue
        const result = await ask(worker, batch)
        soFar = together(soFar, result)
        options.onProgress(soFar)
        if (soFar.failures.length >= options.mostFailures) return
      }
    } finally {
      if (worker?.connected) worker.disconnect()
    }
  }
  await Promise.all(Array.from({ length: options.workers }, work))
  return soFar
}

function* inBatches(seeds: Iterable<Job>): Generator<Job[]> {
  let batch: Job[] = []
  for (const seed of seeds) {
    batch.push(seed)
    if (batch.length < batchSize) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function ask(worker: ChildProcess, batch: readonly Job[]): Promise<BatchResult> {
  return new Promise((resolve, reject) => {
    const about = `the seeds ${batch[0]?.seed} to ${batch.at(-1)?.seed}`
    const hung = setTimeout(() => {
      reject(new Error(`A worker has run ${about} for ${longestBatchMs / 60_000} minutes: one of them hangs.`))
      worker.kill('SIGKILL')
    }, longestBatchMs)
    const onExit = (code: number | null) => {
      clearTimeout(hung)
      reject(new Error(`A worker ended with code ${code} while it ran ${about}.`))
    }
    worker.once('exit', onExit)
    worker.once('message', ({ result, error }: WorkerAnswer) => {
      clearTimeout(hung)
      worker.off('exit', onExit)
      if (result) resolve(result)
      else reject(new Error(`The simulation broke in ${about}: ${error}`))
    })
    worker.send(batch)
  })
}
