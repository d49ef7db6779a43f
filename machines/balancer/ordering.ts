/** From where a search has ended to a list of steps: one per replica that has really gone, the best first, and none that could be left out. */

import { leastGainOf, rateOf } from './candidates.ts'
import { curedBy } from './cure.ts'
import { isLegal, overloads } from './hard-goals.ts'
import { deciding, gainOf, isBeyond, isWithin } from './imbalance.ts'
import { type Placement, replicaOn, reverse, type Shift, shift, width } from './placement.ts'
import type { HardGoal } from './plan.ts'

/** Where every replica and leader was. */
export interface Origin {
  readonly holder: Int32Array
  readonly leads: Int32Array
}

export const originOf = ({ holder, leads }: Placement): Origin => ({ holder: holder.slice(), leads: leads.slice() })

/** A step, and the hard goal that it cures where it stands. */
export interface Ordered extends Shift {
  readonly cures: HardGoal | null
}

/** A step goes first if it wins this share per price of what the best may win: the queue's keys are of an earlier time. */
const near = 0.9

/** Takes these steps back, which led to where the placement is. */
export const rewind = (placement: Placement, steps: readonly Shift[]): void => {
  for (let at = steps.length - 1; at >= 0; at--) shift(placement, reverse(placement, steps[at]!))
}

type Net = Omit<Shift, 'replica'>

/** The fewest steps of one partition from where it was to where it is; where a leadership comes last, its broker has no replica before. */
const netOf = ({ first, holder, leads }: Placement, origin: Origin, partition: number): Net[] => {
  const was = origin.holder.subarray(first[partition], first[partition + 1])
  const is = holder.subarray(first[partition], first[partition + 1])
  const gone = [...was].filter((broker) => !is.includes(broker))
  const come = [...is].filter((broker) => !was.includes(broker))
  const leader = leads[partition]! < 0 ? -1 : holder[leads[partition]!]!
  const led = leads[partition]! < 0 ? -1 : origin.holder[origin.leads[partition]!]!
  const steps: Net[] = []
  const goesAlong = gone.includes(led) && come.includes(leader)
  if (goesAlong) {
    gone.splice(gone.indexOf(led), 1)
    come.splice(come.indexOf(leader), 1)
    steps.push({ partition, from: led, to: leader, kind: 'replica' })
  }
  gone.forEach((from, at) => {
    steps.push({ partition, from, to: come[at]!, kind: 'replica' })
  })
  if (led !== leader && !goesAlong) steps.push({ partition, from: led, to: leader, kind: 'leader' })
  return steps
}

const resolved = (placement: Placement, { partition, from, to, kind }: Net): Shift => ({
  partition,
  // The lead may have gone along with its replica.
  from: kind === 'leader' ? placement.holder[placement.leads[partition]!]! : from,
  to,
  kind,
  replica: replicaOn(placement, partition, kind === 'replica' ? from : to),
})

/** A queue of numbers from 0 to below `size`, each in it once at most, that gives out the one with the greatest key first. */
const queueOf = (size: number) => {
  const keys = new Float64Array(size)
  const items = new Int32Array(size)
  let length = 0
  return {
    top: (): number => (length > 0 ? keys[0]! : Number.NEGATIVE_INFINITY),
    push: (key: number, item: number): void => {
      let at = length++
      for (let parent = (at - 1) >> 1; at > 0 && keys[parent]! < key; parent = (at - 1) >> 1) {
        keys[at] = keys[parent]!
        items[at] = items[parent]!
        at = parent
      }
      keys[at] = key
      items[at] = item
    },
    /** −1 where it is empty. */
    pop: (): number => {
      if (length === 0) return -1
      const best = items[0]!
      length--
      const key = keys[length]!
      let at = 0
      for (let child = 1; child < length; child = 2 * at + 1) {
        if (child + 1 < length && keys[child + 1]! > keys[child]!) child++
        if (keys[child]! <= key) break
        keys[at] = keys[child]!
        items[at] = items[child]!
        at = child
      }
      keys[at] = key
      items[at] = items[length]!
      return best
    },
  }
}

/**
 * Takes all steps back and then again, merged per partition, by what each wins per price where it stands, cures first. A step that is illegal where
 * it stands waits for the others; those that never become legal are left out. Returns the steps taken.
 */
export const order = (placement: Placement, origin: Origin, taken: readonly Shift[]): Ordered[] => {
  const moved = new Set<number>()
  for (const { partition } of taken) moved.add(partition)
  const nets: Net[] = []
  for (const partition of moved) nets.push(...netOf(placement, origin, partition))
  rewind(placement, taken)
  const steps = nets.map((net) => resolved(placement, net))
  const isOverloaded = placement.brokers.some((_, broker) => overloads(placement, broker).length > 0)
  // What cures nothing now cures nothing later, unless a broker carries too much.
  const mayCure = steps.map((one) => isOverloaded || (one.replica >= 0 && curedBy(placement, one) !== null))
  const curesOf = (item: number): HardGoal | null => (mayCure[item]! ? curedBy(placement, steps[item]!) : null)
  const keyOf = (item: number): number => (curesOf(item) === null ? rateOf(placement, steps[item]!) : Number.MAX_VALUE)
  const waiting = queueOf(steps.length)
  const enqueue = (item: number): void => waiting.push(keyOf(item), item)
  const leading = new Map<number, number>()
  steps.forEach(({ partition, kind, replica }, item) => {
    if (kind === 'leader') leading.set(partition, item)
    if (replica >= 0) enqueue(item)
  })
  const ordered: Ordered[] = []
  const take = (item: number): void => {
    const one = steps[item]!
    ordered.push({ ...one, cures: curesOf(item) })
    shift(placement, one)
    const lead = leading.get(one.partition)
    if (lead === undefined || one.kind === 'leader') return
    const { replica } = steps[lead]!
    steps[lead] = resolved(placement, nets[lead]!)
    if (replica < 0 && steps[lead].replica >= 0) enqueue(lead)
  }
  let blocked: number[] = []
  for (let wasBlocked = -1; ; ) {
    const item = waiting.pop()
    if (item < 0) {
      if (blocked.length === 0 || ordered.length === wasBlocked) return ordered
      wasBlocked = ordered.length
      for (const again of blocked) enqueue(again)
      blocked = []
      continue
    }
    const key = keyOf(item)
    if (key < (waiting.top() > 0 ? near : 1) * waiting.top()) waiting.push(key, item)
    else if (isLegal(placement, steps[item]!)) take(item)
    else blocked.push(item)
  }
}

/** The most that each broker ever carries of each resource while the steps that led here are taken. */
const peaksOf = (placement: Placement, steps: readonly Shift[]): Float64Array => {
  const peaks = new Float64Array(placement.brokers.length * 3)
  if (!placement.limits.some(Number.isFinite)) return peaks
  const note = (broker: number): void => {
    for (let resource = 0; resource < 3; resource++)
      peaks[broker * 3 + resource] = Math.max(
        peaks[broker * 3 + resource]!,
        placement.loads[broker * width + resource]!,
      )
  }
  for (let broker = 0; broker < placement.brokers.length; broker++) note(broker)
  for (const one of steps.toReversed()) {
    shift(placement, reverse(placement, one))
    note(one.from)
    note(one.to)
  }
  for (const one of steps) shift(placement, one)
  return peaks
}

/**
 * Takes out every step without which the result is as good: what is left of the imbalance grows by less than the step was worth, and brokers that
 * are within the target stay there. Never a cure, and no step that makes room for another.
 */
export const prune = (placement: Placement, band: number, ordered: readonly Ordered[]): Ordered[] => {
  const peaks = peaksOf(placement, ordered)
  const arrivals = new Int32Array(placement.brokers.length)
  for (const { to } of ordered) arrivals[to]!++
  const wasWithin = isWithin(placement, band)
  const goals = deciding(placement)
  const isOut = new Uint8Array(ordered.length)
  const partitions = Int32Array.from(ordered, ({ partition }) => partition)
  const sources = Int32Array.from(ordered, ({ from }) => from)
  const targets = Int32Array.from(ordered, ({ to }) => to)
  // Of each partition: the last pass that met a step of it which stays.
  const met = new Int32Array(placement.mobility.length)
  // How many were out when a step was looked at, and when a broker last lost one: a step is looked at again where its brokers have changed.
  const lookedAt = new Int32Array(ordered.length).fill(-1)
  const changedAt = new Int32Array(placement.brokers.length)
  let count = 0
  for (let [pass, before] = [1, -1]; before !== count; pass++) {
    before = count
    for (let at = ordered.length - 1; at >= 0; at--) {
      const [partition, from, to] = [partitions[at]!, sources[at]!, targets[at]!]
      if (isOut[at] === 1 || met[partition] === pass) continue
      met[partition] = pass
      if (lookedAt[at]! >= Math.max(changedAt[from]!, changedAt[to]!)) continue
      lookedAt[at] = count
      const one = ordered[at]!
      const { replica, kind, cures } = one
      if (
        cures !== null ||
        -gainOf(placement, partition, replica, to, from, kind === 'replica') >= leastGainOf(placement, one)
      )
        continue
      const back = reverse(placement, one)
      if (lacksRoom(placement, back, peaks, arrivals)) continue
      const loads = placement.loads.slice(from * width, from * width + 3)
      shift(placement, back)
      if (
        wasWithin &&
        goals.some((goal) => isBeyond(placement, from, goal, band) || isBeyond(placement, to, goal, band))
      ) {
        shift(placement, one)
        continue
      }
      for (let resource = 0; resource < 3; resource++)
        peaks[from * 3 + resource]! += placement.loads[from * width + resource]! - loads[resource]!
      arrivals[to]!--
      isOut[at] = 1
      count++
      changedAt[from] = count
      changedAt[to] = count
      met[partition] = 0
    }
  }
  return ordered.filter((_, at) => isOut[at] === 0)
}

/** Whether a later step may have needed the room that would not be made. */
const lacksRoom = (placement: Placement, back: Shift, peaks: Float64Array, arrivals: Int32Array): boolean => {
  if (arrivals[back.to] === 0) return false
  const { takesIn, sends, keeps, limits, leads } = placement
  const isReplica = back.kind === 'replica'
  const amounts = [
    isReplica ? takesIn[back.partition]! : 0,
    !isReplica || leads[back.partition] === back.replica ? sends[back.partition]! : 0,
    isReplica ? keeps[back.partition]! : 0,
  ]
  return amounts.some(
    (amount, resource) => amount > 0 && peaks[back.to * 3 + resource]! + amount > limits[back.to * 3 + resource]!,
  )
}
