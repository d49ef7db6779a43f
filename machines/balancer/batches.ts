/** Which steps of a plan may begin now: in which order, and how many beside those that are under way. */

import { partitionKey } from '../topic-partition.ts'
import type { Step } from './plan.ts'

/** How much may be under way at once. */
export interface BatchLimits {
  /** Replicas that one broker receives, and as many that leave it. Default 5. */
  readonly movesPerBroker: number
  /** Replicas of one topic. Default 10. */
  readonly movesPerTopic: number
  /** Bytes to copy; a larger replica is moved alone. Default 10 GiB. */
  readonly bytesInFlight: number
  /** Leaderships. Default 100. */
  readonly leaders: number
}

export const usualLimits: BatchLimits = {
  ...{ movesPerBroker: 5, movesPerTopic: 10, bytesInFlight: 10 * 2 ** 30, leaders: 100 },
}

/** A move that has begun, whoever asked for it. */
export type Moving = Pick<Step, 'topic' | 'partition' | 'kind' | 'bytes'> & {
  readonly from: readonly number[]
  readonly to: readonly number[]
}

/** Topics on whose leaders the coordinators of groups and transactions are. */
const coordinatorTopics: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state'])

/**
 * The steps that may begin beside what is under way: leaders first, then replicas, and coordinators' partitions last, one at a time, with nothing
 * beside them. Steps of one partition are taken in the order of the plan, one after the other.
 */
export function nextSteps(waiting: readonly Step[], underWay: readonly Moving[], limits: BatchLimits): Step[] {
  const inUse = new Set(underWay.map(partitionKey))
  const next: Step[] = []
  const load = new Load(underWay, limits)
  const firsts = waiting.filter((step) => {
    const key = partitionKey(step)
    if (inUse.has(key)) return false
    inUse.add(key)
    return true
  })
  const take = (some: readonly Step[]) => {
    for (const step of some) if (load.takes(step)) next.push(step)
  }
  const plain = firsts.filter(({ topic }) => !coordinatorTopics.has(topic))
  take(plain.filter(({ kind }) => kind === 'leader'))
  // Bytes wait until each leader of the plan has moved that can.
  if (next.length === 0 && !underWay.some(({ kind }) => kind === 'leader'))
    take(plain.filter(({ kind }) => kind === 'replica'))
  const isLast = waiting.every(({ topic }) => coordinatorTopics.has(topic)) && underWay.length === 0
  return isLast ? firsts.slice(0, 1) : next
}

class Load {
  private readonly limits: BatchLimits
  private readonly into = new Map<number, number>()
  private readonly outOf = new Map<number, number>()
  private readonly topics = new Map<string, number>()
  private leaders = 0
  private bytes = 0

  constructor(underWay: readonly Moving[], limits: BatchLimits) {
    this.limits = limits
    for (const each of underWay) this.add(each)
  }

  /** Takes the step in, where there is room for it. */
  takes({ from, to, ...step }: Step): boolean {
    const { movesPerBroker, movesPerTopic, bytesInFlight, leaders } = this.limits
    if (step.kind === 'leader' && this.leaders >= leaders) return false
    const isFull =
      (this.into.get(to) ?? 0) >= movesPerBroker ||
      (this.outOf.get(from) ?? 0) >= movesPerBroker ||
      (this.topics.get(step.topic) ?? 0) >= movesPerTopic ||
      (this.bytes > 0 && this.bytes + step.bytes > bytesInFlight)
    if (step.kind === 'replica' && isFull) return false
    this.add({ ...step, from: [from], to: [to] })
    return true
  }

  private add({ kind, topic, from, to, bytes }: Moving): void {
    if (kind === 'leader') {
      this.leaders++
      return
    }
    const count = <Key>(counts: Map<Key, number>, key: Key) => counts.set(key, (counts.get(key) ?? 0) + 1)
    for (const id of to) count(this.into, id)
    for (const id of from) count(this.outOf, id)
    count(this.topics, topic)
    this.bytes += bytes
  }
}
