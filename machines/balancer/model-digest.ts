/** A digest of what a plan is made from: the same for the same inputs, in whichever order they were read. It is no protection against forgery. */

import type { ClusterModel } from './cluster-model.ts'
import type { GoalSettings } from './plan.ts'

/** 16 hexadecimal digits. */
export function digestOf({ brokers, partitions, storage }: ClusterModel, settings: GoalSettings): string {
  const texts = [...[...brokers, ...partitions].map((each) => textOf(each)).sort(), ...[textOf(settings), storage]]
  // Two sums of 32 bits (FNV-1a), as numbers hold no more of a product exactly.
  let [high, low] = [0x811c9dc5, 0x050c5d1f]
  for (const text of texts) {
    for (let at = 0; at <= text.length; at++) {
      // Behind the last character: what ends one text does not begin the next.
      const unit = at < text.length ? text.charCodeAt(at) : 0xffff
      high = Math.imul(high ^ unit, 0x01000193)
      low = Math.imul(low ^ (unit + at), 0x01000193)
    }
  }
  return [high, low].map((sum) => (sum >>> 0).toString(16).padStart(8, '0')).join('')
}

/** JSON with sorted names; lists keep their order. */
const textOf = (value: object): string =>
  JSON.stringify(value, (_name, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
      : each,
  )
