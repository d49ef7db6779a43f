/** What an earlier life has left: steps without an end, and throttles that are not restored. Folded from its facts; the cluster says what is under way. */

import type { FactData } from '../fact.ts'
import { partitionKey } from '../topic-partition.ts'

/** A throttle that we have set. */
export interface HeldThrottle extends Pick<FactData['throttle.set'], 'on' | 'name' | 'config' | 'before'> {
  /** All that we have set there: any of them may be in force after a kill. */
  readonly values: readonly string[]
}

export interface Unfinished {
  /** The round whose execution has not ended; null where there is none. */
  readonly round: number | null
  readonly steps: ReadonlyMap<string, FactData['step.begun']>
  readonly throttles: ReadonlyMap<string, HeldThrottle>
}

export const nothingUnfinished: Unfinished = { round: null, steps: new Map(), throttles: new Map() }

export const throttleKey = ({ on, name, config }: Pick<HeldThrottle, 'on' | 'name' | 'config'>): string =>
  `${on} ${name} ${config}`

/** Folds one fact, given as its type and data. Pure. */
export function reduceUnfinished(
  fold: Unfinished,
  { type, data }: { readonly type: string; readonly data: object },
): Unfinished {
  switch (type) {
    case 'execution.begun':
      return { ...fold, round: (data as FactData['execution.begun']).round }
    case 'execution.ended':
      return { ...fold, round: null }
    case 'step.begun': {
      const step = data as FactData['step.begun']
      return { ...fold, steps: new Map(fold.steps).set(partitionKey(step), step) }
    }
    case 'step.ended': {
      const steps = new Map(fold.steps)
      steps.delete(partitionKey(data as FactData['step.ended']))
      return { ...fold, steps }
    }
    case 'throttle.set': {
      const { on, name, config, before, value } = data as FactData['throttle.set']
      const key = throttleKey({ on, name, config })
      const known = fold.throttles.get(key)
      // What was there before the first is what is to be restored.
      const held = {
        on,
        name,
        config,
        before: known ? known.before : before,
        values: [...(known?.values ?? []), value],
      }
      return { ...fold, throttles: new Map(fold.throttles).set(key, held) }
    }
    case 'throttle.restored':
      return withoutThrottle(fold, data as FactData['throttle.restored'])
    case 'throttle.left': {
      const left = data as FactData['throttle.left']
      return left.reason === 'changed' ? withoutThrottle(fold, left) : fold
    }
    default:
      return fold
  }
}

function withoutThrottle(fold: Unfinished, throttle: Pick<HeldThrottle, 'on' | 'name' | 'config'>): Unfinished {
  const throttles = new Map(fold.throttles)
  throttles.delete(throttleKey(throttle))
  return { ...fold, throttles }
}
