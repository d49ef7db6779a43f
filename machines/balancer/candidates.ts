/** The steps that are tried from one broker: its leaderships to their followers, its replicas to the brokers that lack most of what it has too much of. */

import { mayGo, mayLead, mayLeave } from './hard-goals.ts'
import { deciding, deviation, gainInLoads, gainOf, gainOfShift, mostInSpread } from './imbalance.ts'
import { type Placement, type Shift, width } from './placement.ts'
import type { GoalSettings } from './plan.ts'

export interface Candidate extends Shift {
  readonly gain: number
  /** Gain per price. */
  readonly rate: number
}

/** As many targets are tried for each replica as this, and `chosen` more that the seed gives to each broker. */
const coolest = 10
const chosen = 3
/** Steps taken at one look: as many, or this share of the replicas that a broker has in the mean. */
const perCopy = 0.01
const perLeader = 0.002

export const bytesOf = ({ keeps }: Placement, { partition, kind }: Shift): number =>
  kind === 'leader' ? 0 : keeps[partition]!

const priceOf = ({ keeps, meanSize }: Placement, partition: number, isReplica: boolean): number =>
  isReplica ? keeps[partition]! + perCopy * meanSize : perLeader * meanSize

export const rateOf = (placement: Placement, shift: Shift): number =>
  gainOfShift(placement, shift) / priceOf(placement, shift.partition, shift.kind === 'replica')

/** The least that a step must win: what noise would win, and for a copy what its share of a broker's bytes is worth. */
const leastGain = ({ eligible, keeps, meanSize, partition }: Placement, p: number, isReplica: boolean): number =>
  (5e-5 + (isReplica ? (0.02 * keeps[p]! * eligible) / (meanSize * partition.length) : 0)) / eligible

export const leastGainOf = (placement: Placement, { partition, kind }: Shift): number =>
  leastGain(placement, partition, kind === 'replica')

/** A number from 0 to below 2³² that hangs on its arguments alone. */
const mixed = (seed: number, broker: number, turn: number): number => {
  let hash =
    Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(broker + 1, 0xc2b2ae35) ^ Math.imul(turn + 1, 0x27d4eb2f)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** The brokers that may receive, those first that have least of what this broker has most of. */
const targetsOf = (placement: Placement, from: number, seed: number): number[] => {
  const { brokers, receives, loads, inverseShare, total, weight, isEligible } = placement
  const slope = new Float64Array(width)
  for (let goal = 0; goal < width; goal++)
    if (weight[goal]! > 0)
      slope[goal] =
        (weight[goal]! *
          (isEligible[from] ? loads[from * width + goal]! + (0.01 * total[goal]!) / placement.eligible : 1)) /
        total[goal]! ** 2
  const found: number[] = []
  const heat = new Float64Array(brokers.length)
  for (let to = 0; to < brokers.length; to++) {
    if (receives[to] === 0 || to === from) continue
    found.push(to)
    for (let goal = 0; goal < width; goal++)
      heat[to]! += slope[goal]! * loads[to * width + goal]! * inverseShare[to * width + goal]!
  }
  if (found.length <= coolest + chosen) return found
  const first: number[] = []
  for (const to of found) {
    let at = first.length < coolest ? first.length : coolest
    while (at > 0 && heat[to]! < heat[first[at - 1]!]!) at--
    if (at === coolest) continue
    first.splice(at, 0, to)
    if (first.length > coolest) first.pop()
  }
  for (let turn = 0; turn < chosen; turn++) first.push(found[mixed(seed, from, turn) % found.length]!)
  return first
}

/** The targets of a broker that has too much; of one that has not, those that lack something. A resource near its mean is left as it is. */
const needyOf = (placement: Placement, from: number, { seed, target }: GoalSettings): number[] => {
  const targets = targetsOf(placement, from, seed)
  if (placement.isEligible[from] === 0) return targets
  const goals = deciding(placement)
  const band = target / 2
  if (goals.some((goal) => deviation(placement, from, goal) > band)) return targets
  return targets.filter((to) => goals.some((goal) => deviation(placement, to, goal) < -band))
}

/** More than any of the targets would win with a replica: the least that any of them has of each goal, all in one. */
const ceilingOver = (placement: Placement, from: number, targets: readonly number[]) => {
  const { loads, inverseShare, weight, total, leads, partition, takesIn, sends, keeps, isEligible } = placement
  const scale = Float64Array.from(weight, (one, goal) => (one > 0 ? one / total[goal]! ** 2 : 0))
  const slope = new Float64Array(width)
  const bend = new Float64Array(width)
  for (let goal = 0; goal < width; goal++) {
    let [least, narrow] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const to of targets) {
      least = Math.min(least, loads[to * width + goal]! * inverseShare[to * width + goal]!)
      narrow = Math.min(narrow, inverseShare[to * width + goal]!)
    }
    slope[goal] = 2 * scale[goal]! * (loads[from * width + goal]! * inverseShare[from * width + goal]! - least)
    bend[goal] = scale[goal]! * (inverseShare[from * width + goal]! + narrow)
  }
  const of = (goal: number, amount: number): number => amount * (slope[goal]! - amount * bend[goal]!)
  return (replica: number): number => {
    if (isEligible[from] === 0) return Number.POSITIVE_INFINITY
    const p = partition[replica]!
    let ceiling = of(0, takesIn[p]!) + of(2, keeps[p]!) + of(4, 1)
    if (leads[p] === replica) ceiling += of(1, sends[p]!) + of(3, 1)
    return ceiling + mostInSpread(placement, p, from)
  }
}

/** The best legal step of a replica that wins more per price than `bar` and is worth its least gain. */
const bestOf = (
  placement: Placement,
  replica: number,
  targets: readonly number[],
  bar: number,
): Candidate | undefined => {
  const { partition, leads, first, holder } = placement
  const p = partition[replica]!
  const from = holder[replica]!
  let [rate, gained, moved, to] = [bar, 0, -1, -1]
  if (leads[p] === replica) {
    const price = priceOf(placement, p, false)
    const least = leastGain(placement, p, false)
    for (let other = first[p]!; other < first[p + 1]!; other++) {
      if (other === replica) continue
      const gain = gainOf(placement, p, other, from, holder[other]!, false)
      if (gain / price <= rate || gain < least || !mayLead(placement, p, holder[other]!)) continue
      ;[rate, gained, moved, to] = [gain / price, gain, other, holder[other]!]
    }
  }
  if (targets.length > 0) {
    const price = priceOf(placement, p, true)
    const least = leastGain(placement, p, true)
    const isLead = leads[p] === replica
    const spread = mostInSpread(placement, p, from)
    for (const target of targets) {
      const most = gainInLoads(placement, p, from, target, true, isLead) + spread
      if (most < least || most / price <= rate) continue
      const gain = gainOf(placement, p, replica, from, target, true)
      if (gain < least || gain / price <= rate || !mayGo(placement, replica, target)) continue
      ;[rate, gained, moved, to] = [gain / price, gain, replica, target]
    }
  }
  if (moved < 0) return undefined
  return { partition: p, replica: moved, from, to, kind: moved === replica ? 'replica' : 'leader', gain: gained, rate }
}

const nowhere: readonly number[] = []

/** Takes every step from a broker that wins more per price than `bar`, as they come; says the most that one of the others may win. */
export const takeFrom = (
  placement: Placement,
  from: number,
  settings: GoalSettings,
  bar: number,
  take: (one: Candidate) => void,
): number => {
  const { brokers, head, next, partition, mobility, leads } = placement
  if (brokers[from]!.isExcluded) return 0
  const targets = needyOf(placement, from, settings)
  if (targets.length === 0) return 0
  const ceilingOf = ceilingOver(placement, from, targets)
  let promise = 0
  for (let replica = head[from]!; replica >= 0; ) {
    const following = next[replica]!
    const p = partition[replica]!
    if (mobility[p] === 1) {
      const ceiling = ceilingOf(replica)
      const most = ceiling < leastGain(placement, p, true) ? 0 : ceiling / priceOf(placement, p, true)
      const reachable = most > bar ? targets : nowhere
      if (reachable.length === 0) promise = Math.max(promise, most)
      if (reachable.length > 0 || leads[p] === replica) {
        const best = bestOf(placement, replica, reachable, 0)
        if (best !== undefined && best.rate > bar) take(best)
        else promise = Math.max(promise, best?.rate ?? 0)
      }
    }
    replica = following
  }
  return promise
}

/** The best legal step of each partition on a broker by gain alone, and even at a loss; the best first. */
export const candidatesFrom = (placement: Placement, from: number, settings: GoalSettings): Candidate[] => {
  const { brokers, head, next, partition, mobility, leads, first, holder } = placement
  if (brokers[from]!.isExcluded) return []
  const targets = targetsOf(placement, from, settings.seed)
  const found: Candidate[] = []
  for (let replica = head[from]!; replica >= 0; replica = next[replica]!) {
    const p = partition[replica]!
    if (mobility[p] !== 1) continue
    let best: Candidate | undefined
    const attempt = (gained: number, to: number, moved: number, kind: Shift['kind']): void => {
      best = { partition: p, replica: moved, from, to, kind, gain: gained, rate: gained }
    }
    if (leads[p] === replica)
      for (let other = first[p]!; other < first[p + 1]!; other++) {
        if (other === replica) continue
        const gain = gainOf(placement, p, other, from, holder[other]!, false)
        if (gain > (best?.gain ?? Number.NEGATIVE_INFINITY) && mayLead(placement, p, holder[other]!))
          attempt(gain, holder[other]!, other, 'leader')
      }
    for (const to of targets) {
      const gain = gainOf(placement, p, replica, from, to, true)
      if (gain > (best?.gain ?? Number.NEGATIVE_INFINITY) && mayGo(placement, replica, to))
        attempt(gain, to, replica, 'replica')
    }
    if (best !== undefined) found.push(best)
  }
  return found.sort((one, other) => other.gain - one.gain || one.partition - other.partition)
}

/** The least harmful place for a replica that has to go: among the usual targets, or else anywhere. */
export const refugeFor = (
  placement: Placement,
  replica: number,
  seed: number,
  isWanted: (to: number) => boolean = () => true,
): Candidate | undefined => {
  if (!mayLeave(placement, replica)) return undefined
  const from = placement.holder[replica]!
  const partition = placement.partition[replica]!
  let best: Candidate | undefined
  const attempt = (to: number): void => {
    if (!isWanted(to) || !mayGo(placement, replica, to)) return
    const gain = gainOf(placement, partition, replica, from, to, true)
    if (best === undefined || gain > best.gain)
      best = { partition, replica, from, to, kind: 'replica', gain, rate: gain }
  }
  targetsOf(placement, from, seed).forEach(attempt)
  if (best === undefined) for (let to = 0; to < placement.brokers.length; to++) attempt(to)
  return best
}
