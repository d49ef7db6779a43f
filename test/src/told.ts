// What a consumer told its logger, of one kind of fact.
import type { FactData, FactType } from '../../machines/fact.ts'
import type { Logger } from '../../src/views/log.ts'

/** A logger that keeps the lines of this fact, and its data. */
export function reducedTo<Type extends FactType>(type: Type) {
  const lines: string[] = []
  const facts: FactData[Type][] = []
  const keep = (fields: object, message: string) => {
    if ((fields as { fact?: string }).fact !== type) return
    lines.push(message)
    facts.push(fields as FactData[Type])
  }
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep }
  return { lines, facts, logger }
}
