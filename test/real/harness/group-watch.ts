/**
 * The group as its coordinator sees it, asked a few times a second through the listener that never moves: committed offsets,
 * state, and on which broker the coordinator is.
 */
import { askCoordinator } from '../../cluster/broker-view.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import type { Ledger } from './ledger.ts'

/** One answer about one partition; `offset` is -1 while nothing is committed. `at` is when the answer arrived. */
export interface CommitSample {
  readonly partition: number
  readonly offset: number
  readonly at: number
}

export interface GroupWatch {
  readonly commits: readonly CommitSample[]
  /** How often the coordinator was found on another broker, or again after it could not be found. */
  readonly coordinatorChanges: number
  /** Resolves after one more question with the last committed offset of each partition. */
  stop(): Promise<Map<number, number>>
}

/** What the samples say about commits. */
export interface CommitAudit {
  /** Samples in which an offset was committed before all below it were handled. */
  readonly beyond: number
  /** Samples in which the committed offset was below an earlier one. */
  readonly back: number
}

export async function watchGroup(cluster: KafkaCluster, groupId: string, topic: string): Promise<GroupWatch> {
  const admin = cluster.kafka().admin({ retry: { retries: 0 } })
  await admin.connect()
  const commits: CommitSample[] = []
  const askCommits = async () => {
    const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const at = Date.now()
    const offsets = (answer?.partitions ?? []).map(({ partition, offset }) => ({
      partition,
      offset: Number(offset),
      at,
    }))
    commits.push(...offsets)
    return new Map(offsets.map(({ partition, offset }) => [partition, offset]))
  }

  let coordinator = await cluster.coordinatorOf(groupId)
  let found = true
  let coordinatorChanges = 0
  const followCoordinator = async () => {
    const answer = await coordinatorNow(cluster, groupId)
    if (answer !== undefined && (answer !== coordinator || !found)) coordinatorChanges += 1
    found = answer !== undefined
    coordinator = answer ?? coordinator
  }

  let stopped = false
  const every = async (waitMs: number, question: () => Promise<unknown>) => {
    while (!stopped) {
      // while brokers restart there may be no answer; the next round asks again
      await question().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
  const loops = [every(300, askCommits), every(100, followCoordinator)]

  return {
    commits,
    get coordinatorChanges() {
      return coordinatorChanges
    },
    async stop() {
      stopped = true
      await Promise.all(loops)
      try {
        return await askCommits()
      } finally {
        await admin.disconnect()
      }
    },
  }
}

/** `low` says where a partition's log begins by now: what is gone from it need not have been handled. */
export function auditCommits(
  commits: readonly CommitSample[],
  ledger: Ledger,
  low: (partition: number) => number,
): CommitAudit {
  const handledAt = new Map<number, number[]>()
  const highest = new Map<number, number>()
  let beyond = 0
  let back = 0
  for (const { partition, offset, at } of commits) {
    if (offset < 0) continue
    const before = highest.get(partition) ?? offset
    if (offset < before) back += 1
    highest.set(partition, Math.max(before, offset))
    const prefix = handledAt.get(partition) ?? prefixTimes(ledger, partition, low(partition))
    handledAt.set(partition, prefix)
    if (offset > 0 && (prefix[offset - 1] ?? Number.POSITIVE_INFINITY) > at) beyond += 1
  }
  return { beyond, back }
}

/** The first broker that answers decides, always in the same order: two brokers of different knowledge are no change. */
async function coordinatorNow(cluster: KafkaCluster, groupId: string): Promise<number | undefined> {
  for (const endpoint of cluster.internal) {
    const answer = await askCoordinator(endpoint, groupId, 500).catch(() => undefined)
    if (answer !== undefined) return answer
  }
  return undefined
}

/** Per offset, when it and all offsets below it had been handled for the first time; ends at the first one that never was. */
function prefixTimes(ledger: Ledger, partition: number, low: number): number[] {
  const firsts: number[] = []
  for (const { offset, endedAt } of ledger.handOuts(partition)) {
    if (endedAt !== undefined) firsts[offset] = Math.min(firsts[offset] ?? endedAt, endedAt)
  }
  const prefix: number[] = []
  let latest = 0
  for (const [offset, time] of Array.from(firsts).entries()) {
    if (time === undefined && offset >= low) break
    latest = Math.max(latest, time ?? 0)
    prefix.push(latest)
  }
  while (prefix.length < low) prefix.push(latest)
  return prefix
}
