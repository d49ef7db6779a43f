/**
 * The default logger, for users who pass none: a line on standard error for each thing that needs a person, as pino writes it at the level
 * `warn`. The same thing is told once a minute, and of one kind of fact ten things at most; what was left out is counted in the next line.
 */

import { codeOf } from '../../machines/failure.ts'
import type { Logger } from './log.ts'
import { pino } from './pino.cjs'

const windowMs = 60_000
const mostThings = 10

/** What was told of one kind of fact in the minute that runs. */
interface Window {
  readonly since: number
  readonly things: Set<string>
  leftOut: number
}

type Write = (fields: object, message: string) => void

/** `load` makes the logger behind it, when the first line is written. */
export function createDefaultLogger(load: () => Record<'warn' | 'error', Write> = standardError): Logger {
  const windows = new Map<string, Window>()
  let behind: Record<'warn' | 'error', Write> | undefined
  const write =
    (level: 'warn' | 'error'): Write =>
    (fields, message) => {
      const leftOut = admitted(windows, fields)
      if (leftOut === undefined) return
      behind ??= load()
      behind[level](fields, leftOut === 0 ? message : `${message} (${leftOut} lines like it were left out)`)
    }
  const nothing = () => {}
  return { debug: nothing, info: nothing, warn: write('warn'), error: write('error') }
}

/** How many lines of this kind were left out before this one; undefined where it is left out as well. */
function admitted(windows: Map<string, Window>, fields: object): number | undefined {
  const { fact = '' } = fields as { readonly fact?: string }
  const thing = thingIn(fields)
  const now = performance.now()
  const before = windows.get(fact)
  if (before && now - before.since < windowMs) {
    if (before.things.has(thing) || before.things.size >= mostThings) {
      before.leftOut++
      return undefined
    }
    before.things.add(thing)
    return 0
  }
  windows.set(fact, { since: now, things: new Set([thing]), leftOut: 0 })
  return before?.leftOut ?? 0
}

/** What a line is about: two of the same thing say the same. */
function thingIn(fields: object): string {
  const { topic, partition, endpoint, failure, reason } = fields as Record<string, unknown>
  const { kind, endpoint: failedAt } = (failure ?? {}) as Record<string, unknown>
  return JSON.stringify([topic, partition, endpoint, reason, kind, codeOf(failure), failedAt])
}

/** Written at once, so that no line is lost when the process ends behind it. */
function standardError(): Record<'warn' | 'error', Write> {
  const load = pino()
  return load({ level: 'warn', name: 'relisten' }, load.destination({ dest: 2, sync: true }))
}
