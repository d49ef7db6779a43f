/** The suites of KafkaJS, each on a cluster of its own: on stock KafkaJS, over wires, and over wires while all listeners move. */
import { join } from 'node:path'
import { checkedOutCommit } from '../checkout.ts'
import { startBrokers } from './brokers.ts'
import { type Suite, specFiles } from './checkout.ts'
import type { Mode, Run } from './comparison.ts'
import { runSpecFile } from './spec-file.ts'

export interface Asked {
  readonly checkout: string
  readonly suites: readonly Suite[]
  readonly modes: readonly Mode[]
  /** Only files whose path it matches. */
  readonly only: RegExp
  /** Between two moves. */
  readonly everyMs: number
  readonly say: (line: string) => void
  /** Shows how something proceeds. */
  readonly progress: (line: string) => void
  /** Ends it; brokers are stopped before the call rejects. */
  readonly signal: AbortSignal
  /** Called after each file. */
  readonly onRun: (run: Run) => Promise<void>
}

const built = join(import.meta.dirname, '../../dist/src/index.js')

export async function runSuites(asked: Asked): Promise<void> {
  const { checkout, suites, modes, only, everyMs, say, progress, signal, onRun } = asked
  const commit = checkedOutCommit()
  for (const suite of suites) {
    const files = (await specFiles(checkout, suite)).filter((file) => only.test(file))
    for (const mode of files.length > 0 ? modes : []) {
      // no metadata of an earlier mode's hundred topics
      await using brokers = await startBrokers(progress)
      signal.throwIfAborted()
      const over = new AbortController()
      const moving = mode === 'moving' ? brokers.keepMoving(everyMs, over.signal) : Promise.resolve()
      // a move that fails ends the tests
      const broken = new AbortController()
      moving.catch((error) => broken.abort(error))
      try {
        for (const file of files) {
          const [startedAt, moves] = [Date.now(), brokers.moveCount]
          const tried = await runSpecFile({
            ...{ folder: checkout, file, listeners: brokers.listeners },
            ...(mode !== 'stock' && { relisten: built }),
            signal: AbortSignal.any([signal, broken.signal]),
          })
          const figures = { ms: Date.now() - startedAt, moves: brokers.moveCount - moves }
          const run = { suite, mode, file, commit, ...figures, ...tried }
          say(`${mode} ${file}: ${countsOf(run)}`)
          await onRun(run)
        }
      } finally {
        over.abort()
        await moving.catch(() => {})
      }
    }
  }
}

function countsOf({ tests, ms }: Run): string {
  const count = (wanted: string) => tests.filter(({ status }) => status === wanted).length
  return `${count('passed')} passed, ${count('failed')} failed, ${(ms / 1000).toFixed(1)} s`
}
