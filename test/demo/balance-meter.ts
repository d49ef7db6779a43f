/**
 * What the balancer's demo measures, apart from what the balancer says: the bytes that were acknowledged, with where replicas and leaders are now,
 * are what each broker carries; and the longest time between two samples that came to the balancer.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { imbalanceOf } from '../../machines/balancer/imbalance.ts'
import type { Imbalance } from '../../machines/balancer/plan.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import { broker, goals, partition as partitionModel } from '../balancer/decisions.ts'
import type { LoadedTopic, Placed } from '../balancer/loaded-topic.ts'

export interface Carried {
  readonly id: number
  /** Bytes per second: to each replica; to the other replicas and to the readers. */
  readonly in: number
  readonly out: number
}

export interface Meter extends AsyncDisposable {
  /** Of each broker, over the last seconds. */
  carried(): readonly Carried[]
  /** Of the loaded topic, by what it carries and where it is now. */
  imbalance(): Imbalance
}

interface Look {
  readonly at: number
  readonly sent: ReadonlyMap<string, number>
}

const everyMs = 500
/** Rates are those of this time, in milliseconds. */
const windowMs = 4000

export async function startMeter({ topic, generator, placed }: LoadedTopic, ids: readonly number[]): Promise<Meter> {
  const looks: Look[] = []
  let places: readonly Placed[] = []
  const look = async () => {
    places = await placed()
    looks.push({ at: performance.now(), sent: new Map(generator.sent) })
    while ((looks.at(-1)?.at ?? 0) - (looks[1]?.at ?? Number.POSITIVE_INFINITY) >= windowMs) looks.shift()
  }
  await look()
  const stop = new AbortController()
  const running = (async () => {
    while (!stop.signal.aborted) {
      await pause(everyMs, undefined, { signal: stop.signal }).catch(() => {})
      // Where brokers do not respond now, what was read before stays.
      await look().catch(() => {})
    }
  })()

  const rateOf = (partition: number): number => {
    const [first, last] = [looks[0], looks.at(-1)]
    if (!first || !last || first === last) return 0
    const key = partitionKey({ topic, partition })
    return (((last.sent.get(key) ?? 0) - (first.sent.get(key) ?? 0)) * 1000) / (last.at - first.at)
  }
  return {
    carried: () =>
      ids.map((id) => {
        let [taken, given] = [0, 0]
        for (const { partition, leader, replicas } of places) {
          const rate = rateOf(partition)
          if (replicas.includes(id)) taken += rate
          // To the group that reads it, and to the other replicas.
          if (leader === id) given += rate * replicas.length
        }
        return { id, in: taken, out: given }
      }),
    imbalance: () =>
      imbalanceOf(
        {
          brokers: ids.map((id) => broker(id)),
          partitions: places.map(({ partition, leader, replicas }) => {
            const bytes = rateOf(partition)
            const size = generator.sent.get(partitionKey({ topic, partition })) ?? 0
            const load = { bytesIn: bytes, bytesOut: bytes, size }
            return partitionModel(topic, partition, { replicas, isr: replicas, leader, ...load })
          }),
          storage: 'replicated',
        },
        goals,
      ),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

export interface GapMeter extends Disposable {
  /** The longest time between two samples in these milliseconds since 1970, and at any other time. */
  longest(from: number, to: number): { readonly within: number; readonly elsewhere: number }
}

/** Watches when samples come, to 20 ms. */
export function watchGaps(newestAt: () => number | null): GapMeter {
  const arrivals: number[] = []
  const timer = setInterval(() => {
    const at = newestAt()
    if (at !== null && at !== arrivals.at(-1)) arrivals.push(at)
  }, 20)
  return {
    longest(from, to) {
      let [within, elsewhere] = [0, 0]
      for (const [index, at] of arrivals.entries()) {
        const before = arrivals[index - 1]
        if (before === undefined) continue
        if (at >= from && before <= to) within = Math.max(within, at - before)
        else elsewhere = Math.max(elsewhere, at - before)
      }
      return { within, elsewhere }
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
