/**
 * How uneven a cluster is. For a load per broker: the squared coefficient of variation over eligible brokers, each with the share of the whole that its
 * capacity has (all alike where nobody has said it). Leaders and replicas are shared out by the mean of a broker's shares. For the spread of topics: how far the sum
 * of squares of replicas per topic and broker is above the least it could be, in shares of that.
 */

import type { ClusterModel } from './cluster-model.ts'
import { type Placement, place, type Shift, width } from './placement.ts'
import type { GoalSettings, Imbalance, SoftGoal } from './plan.ts'

/** Of a cluster as it is. Where no broker is eligible all are 0. */
export const imbalanceOf = (model: ClusterModel, settings: GoalSettings): Imbalance =>
  imbalanceIn(place(model, settings))

export const imbalanceIn = ({ total, squares, spread }: Placement): Imbalance => {
  const of = (goal: number): number => (total[goal]! > 0 ? Math.max(0, squares[goal]! / total[goal]! ** 2 - 1) : 0)
  return {
    networkIn: of(0),
    networkOut: of(1),
    disk: of(2),
    leaders: of(3),
    replicas: of(4),
    spread: spread.least > 0 ? Math.max(0, spread.squares / spread.least - 1) : 0,
  }
}

/** The weighted sum over goals that are not idle. */
export const weightedSum = ({ weight, total, squares, spread }: Placement): number => {
  let sum = spread.least > 0 ? spread.weight * Math.max(0, spread.squares / spread.least - 1) : 0
  for (let goal = 0; goal < width; goal++)
    if (total[goal]! > 0) sum += weight[goal]! * Math.max(0, squares[goal]! / total[goal]! ** 2 - 1)
  return sum
}

/** By how much the weighted index of one goal falls when `amount` of it goes from one broker to the other. */
const gainIn = (
  { loads, inverseShare, isEligible, weight, total, squares }: Placement,
  goal: number,
  amount: number,
  from: number,
  to: number,
): number => {
  if (weight[goal] === 0 || amount === 0) return 0
  const source = from * width + goal
  const target = to * width + goal
  const more =
    amount *
    ((2 * loads[target]! + amount) * inverseShare[target]! - (2 * loads[source]! - amount) * inverseShare[source]!)
  const whole = total[goal]!
  if (isEligible[from] === isEligible[to]) return (-weight[goal]! * more) / (whole * whole)
  const after = whole + (isEligible[to] === 1 ? amount : -amount)
  return weight[goal]! * (squares[goal]! / (whole * whole) - (squares[goal]! + more) / (after * after))
}

const gainInSpread = ({ spread, isEligible }: Placement, partition: number, from: number, to: number): number => {
  const row = spread.row[partition]!
  if (row < 0 || spread.weight === 0) return 0
  const source = isEligible[from] === 1 ? 2 * spread.counts[from * spread.rows + row]! - 1 : 0
  const target = isEligible[to] === 1 ? 2 * spread.counts[to * spread.rows + row]! + 1 : 0
  return (spread.weight * (source - target)) / spread.least
}

/** The most that a replica which goes away may win for the spread of its topic. */
export const mostInSpread = ({ spread }: Placement, partition: number, from: number): number => {
  const row = spread.row[partition]!
  if (row < 0 || spread.weight === 0) return 0
  return (spread.weight * 2 * spread.counts[from * spread.rows + row]!) / spread.least
}

/** By how much the weighted sum falls, but for the spread of topics. */
export const gainInLoads = (
  placement: Placement,
  partition: number,
  from: number,
  to: number,
  isReplica: boolean,
  isLead: boolean,
): number => {
  const { takesIn, sends, keeps } = placement
  let gain = 0
  if (isLead) gain += gainIn(placement, 1, sends[partition]!, from, to) + gainIn(placement, 3, 1, from, to)
  if (isReplica)
    gain +=
      gainIn(placement, 0, takesIn[partition]!, from, to) +
      gainIn(placement, 2, keeps[partition]!, from, to) +
      gainIn(placement, 4, 1, from, to)
  return gain
}

/** By how much the weighted sum falls with a step; below 0 where it rises. */
export const gainOf = (
  placement: Placement,
  partition: number,
  replica: number,
  from: number,
  to: number,
  isReplica: boolean,
): number => {
  const isLead = !isReplica || placement.leads[partition] === replica
  const gain = gainInLoads(placement, partition, from, to, isReplica, isLead)
  return isReplica ? gain + gainInSpread(placement, partition, from, to) : gain
}

export const gainOfShift = (placement: Placement, { partition, replica, from, to, kind }: Shift): number =>
  gainOf(placement, partition, replica, from, to, kind === 'replica')

/** The goal that a step wins most for. */
export const servedMost = (placement: Placement, { partition, replica, from, to, kind }: Shift): SoftGoal => {
  const isReplica = kind === 'replica'
  const isLead = !isReplica || placement.leads[partition] === replica
  const gains: [SoftGoal, number][] = []
  if (isLead)
    gains.push(
      ['networkOut', gainIn(placement, 1, placement.sends[partition]!, from, to)],
      ['leaders', gainIn(placement, 3, 1, from, to)],
    )
  if (isReplica)
    gains.push(
      ['networkIn', gainIn(placement, 0, placement.takesIn[partition]!, from, to)],
      ['disk', gainIn(placement, 2, placement.keeps[partition]!, from, to)],
      ['replicas', gainIn(placement, 4, 1, from, to)],
      ['spread', gainInSpread(placement, partition, from, to)],
    )
  return gains.reduce((best, one) => (one[1] > best[1] ? one : best))[0]
}

/** How far a broker is from its share of a counted goal, in shares of that: −1 with nothing, 0 with its share. */
export const deviation = ({ loads, inverseShare, total }: Placement, broker: number, goal: number): number =>
  total[goal]! > 0 ? (loads[broker * width + goal]! * inverseShare[broker * width + goal]!) / total[goal]! - 1 : 0

/** Whether a broker is further than `band` from its share of a goal that counts. One leader or replica too many or too few is no distance. */
export const isBeyond = (placement: Placement, broker: number, goal: number, band: number): boolean => {
  if (placement.weight[goal] === 0 || placement.isEligible[broker] === 0) return false
  const distance = Math.abs(deviation(placement, broker, goal))
  const share = placement.total[goal]! / placement.inverseShare[broker * width + goal]!
  return distance > band && (goal < 3 || distance * share > 1)
}

/** The eligible brokers that are further than `band` from their share of a counted goal. */
export const beyond = (placement: Placement, goal: number, band: number): number[] => {
  const found: number[] = []
  for (let broker = 0; broker < placement.brokers.length; broker++)
    if (isBeyond(placement, broker, goal, band)) found.push(broker)
  return found
}

/** The goals that begin and end a round: the resources that are not idle, and leaders and replicas only where all are. */
export const deciding = ({ weight }: Placement): number[] => {
  const busy = [0, 1, 2].filter((goal) => weight[goal]! > 0)
  return busy.length > 0 ? busy : [3, 4]
}

export const isWithin = (placement: Placement, band: number): boolean =>
  deciding(placement).every((goal) => {
    for (let broker = 0; broker < placement.brokers.length; broker++)
      if (isBeyond(placement, broker, goal, band)) return false
    return true
  })
