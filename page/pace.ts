/** The pace of the charts: a hand-over takes milliseconds, so its steps are shown one after the other, each for long enough to be seen. */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { JournalRecord } from '../src/journal/journal.ts'

/** How long each step is shown, in milliseconds. */
const stepMs = 450
/** With more steps than these to come, the oldest are left out. */
const mostSteps = 8

/** How many records the charts show, on the way to `count`. `isPaced`: what comes is happening now. */
export function usePace(records: readonly JournalRecord[], count: number, isPaced: boolean): number {
  const [shown, show] = useState(count)
  const steppedAt = useRef(0)
  useEffect(() => {
    const steps = isPaced ? stepsIn(records, shown, count) : []
    const next = steps.at(-mostSteps) ?? steps[0]
    if (next === undefined) {
      show(count)
      return
    }
    const timer = setTimeout(
      () => {
        steppedAt.current = performance.now()
        show(next)
      },
      Math.max(0, steppedAt.current + stepMs - performance.now()),
    )
    return () => clearTimeout(timer)
  }, [records, count, shown, isPaced])
  return isPaced ? Math.min(shown, count) : count
}

/** The counts of records behind each of which a machine is in another state. */
function stepsIn(records: readonly JournalRecord[], from: number, to: number): number[] {
  const found: number[] = []
  for (let index = from; index < to; index++) {
    const [before, record] = [records[index - 1], records[index]]
    if (record && (record.from !== record.to || before?.plan?.kind !== record.plan?.kind)) found.push(index + 1)
  }
  return found
}
