/** From where a search has ended to a list of steps: one per replica that has really gone, the best first, and none that could be left out. */

import { leastGainOf, rateOf } from './candidates.ts'
import { curedBy } from './cure.ts'
import { isLegal } from './hard-goals.ts'
import { deciding, gainOfShift, isBeyond, isWithin } from './imbalance.ts'
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

type Net = Omit<Shift, 'replica'>

/** The fewest steps of one partition from where it was to where it is, in an order that it allows. */
const netOf = ({ first, holder, leads }: Placement, origin: Origin, partition: number): Net[] => {
  const was = origin.holder.subarray(first[partition], first[partition + 1])
  const is = holder.subarray(first[partition], first[partition + 1])
  const gone = [...was].filter((broker) => !is.includes(broker))
  const come = [...is].filter((broker) => !was.includes(broker))
  const leader = leads[partition]! < 0 ? -1 : holder[leads[partition]!]!
  let leading = leads[partition]! < 0 ? -1 : origin.holder[origin.leads[partition]!]!
  const steps: Net[] = []
  const lead = (): void => {
    if (leading !== leader) steps.push({ partition, from: leading, to: leader, kind: 'leader' })
    leading = leader
  }
  if (was.includes(leader)) lead()
  if (gone.includes(leading) && come.includes(leader)) {
    gone.splice(gone.indexOf(leading), 1)
    come.splice(come.indexOf(leader), 1)
    steps.push({ partition, from: leading, to: leader, kind: 'replica' })
    leading = leader
  }
  gone.forEach((from, at) => {
    steps.push({ partition, from, to: come[at]!, kind: 'replica' })
  })
  lead()
  return steps
}

const resolved = (placement: Placement, net: Net): Shift => ({
  ...net,
  replica: replicaOn(placement, net.partition, net.kind === 'replica' ? net.from : net.to),
})

/** A queue that gives out the greatest key first. */
const queue = <Item>() => {
  const heap: { key: number; item: Item }[] = []
  const swap = (one: number, other: number): void => {
    const held = heap[one]!
    heap[one] = heap[other]!
    heap[other] = held
  }
  return {
    top: () => heap[0]?.key ?? Number.NEGATIVE_INFINITY,
    push: (key: number, item: Item): void => {
      let at = heap.push({ key, item }) - 1
      for (let parent = (at - 1) >> 1; at > 0 && heap[parent]!.key < heap[at]!.key; parent = (at - 1) >> 1) {
        swap(at, parent)
        at = parent
      }
    },
    pop: (): Item | undefined => {
      const best = heap[0]
      const last = heap.pop()
      if (best === undefined || last === undefined || heap.length === 0) return best?.item
      heap[0] = last
      for (let at = 0; ; ) {
        let greatest = at
        for (const child of [2 * at + 1, 2 * at + 2])
          if (child < heap.length && heap[child]!.key > heap[greatest]!.key) greatest = child
        if (greatest === at) return best.item
        swap(at, greatest)
        at = greatest
      }
    },
  }
}

/**
 * Takes all steps back and then again, merged per partition, by what each wins per price where it stands, cures first. A step that is illegal where
 * it stands waits for the others; those that never become legal are left out. Returns the steps taken.
 */
export const order = (placement: Placement, origin: Origin, taken: readonly Shift[]): Ordered[] => {
  const nets = new Map(
    [...new Set(taken.map(({ partition }) => partition))].map((partition) => [
      partition,
      netOf(placement, origin, partition),
    ]),
  )
  for (const one of taken.toReversed()) shift(placement, reverse(placement, one))
  const waiting = queue<Net[]>()
  const keyOf = (net: Net): number => {
    const one = resolved(placement, net)
    return curedBy(placement, one) === null ? rateOf(placement, one) : Number.MAX_VALUE
  }
  const enqueue = (steps: Net[]): void => {
    if (steps.length > 0) waiting.push(keyOf(steps[0]!), steps)
  }
  for (const steps of nets.values()) enqueue(steps)
  const ordered: Ordered[] = []
  let blocked: Net[][] = []
  for (let wasBlocked = -1; ; ) {
    const steps = waiting.pop()
    if (steps === undefined) {
      if (blocked.length === 0 || ordered.length === wasBlocked) return ordered
      wasBlocked = ordered.length
      for (const again of blocked) enqueue(again)
      blocked = []
      continue
    }
    const one = resolved(placement, steps[0]!)
    const key = keyOf(steps[0]!)
    if (key < (waiting.top() > 0 ? near : 1) * waiting.top()) waiting.push(key, steps)
    else if (isLegal(placement, one)) {
      ordered.push({ ...one, cures: curedBy(placement, one) })
      shift(placement, one)
      enqueue(steps.slice(1))
    } else blocked.push(steps)
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
  const out = new Set<Ordered>()
  for (let before = -1; before !== out.size; ) {
    before = out.size
    const later = new Set<number>()
    for (const one of ordered.toReversed()) {
      if (out.has(one)) continue
      const isLast = !later.has(one.partition)
      later.add(one.partition)
      if (!isLast || one.cures !== null) continue
      const back = reverse(placement, one)
      if (-gainOfShift(placement, back) >= leastGainOf(placement, one) || lacksRoom(placement, back, peaks, arrivals))
        continue
      const loads = placement.loads.slice(one.from * width, one.from * width + 3)
      shift(placement, back)
      if (
        wasWithin &&
        deciding(placement).some(
          (goal) => isBeyond(placement, one.from, goal, band) || isBeyond(placement, one.to, goal, band),
        )
      ) {
        shift(placement, one)
        continue
      }
      for (let resource = 0; resource < 3; resource++)
        peaks[one.from * 3 + resource]! += placement.loads[one.from * width + resource]! - loads[resource]!
      arrivals[one.to]!--
      out.add(one)
      later.delete(one.partition)
    }
  }
  return ordered.filter((one) => !out.has(one))
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
