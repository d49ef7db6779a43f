/** Looks at all logs of a cluster and at what groups have committed. What could not be asked is missing from a look. */

import type { Batches, GroupCommits, LogPlace, LogState, Look, PastEnds } from '../../machines/balancer/log-rates.ts'
import { messageOf } from '../../machines/failure.ts'
import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import type { TopicDescription } from '../protocol/cluster-description.ts'
import type { LogSource } from './log-source.ts'

/** What was asked of which broker, of any where it is null, and why nobody told. */
export interface FailedQuestion {
  readonly question: string
  readonly nodeId: number | null
  readonly why: string
}

/** How topics are cleaned up is asked again after this time, in milliseconds. */
const policiesKeptMs = 600_000
/** After so many questions in a row that failed, a broker is asked about no more groups in this look. */
const mostFailures = 3

export class LogLooks {
  private readonly source: LogSource
  private readonly onFailure: (failed: FailedQuestion) => void
  private policies = { at: 0, asked: new Set<string>(), uncompacted: new Set<string>() }

  constructor(source: LogSource, onFailure: (failed: FailedQuestion) => void) {
    this.source = source
    this.onFailure = onFailure
  }

  /** Undefined where nobody says which topics there are. Never rejects, as none of these. */
  async look(): Promise<Look | undefined> {
    const { source } = this
    const topics = await this.asked('topics', null, () => source.topics())
    if (!topics) return undefined
    const nodes = source.nodes()
    const uncompacted = await this.uncompacted(topics)
    const sizes = new Map<number, ReadonlyMap<string, number>>()
    const measured = nodes.map(async (nodeId) => {
      const found = await this.asked('sizes', nodeId, () => source.sizes(nodeId))
      if (found) sizes.set(nodeId, found)
    })
    const edges = [...byLeader(placesIn(topics))].map(([leader, places]) => this.edges(leader, places))
    const [commits, logs] = await Promise.all([this.commits(nodes), Promise.all(edges), ...measured])
    const states = logs.flat().map((log): [string, LogState] => {
      const key = partitionKey(log)
      const known = [...sizes].flatMap(([nodeId, found]) => {
        const size = found.get(key)
        return size === undefined ? [] : [[nodeId, size] as const]
      })
      return [key, { ...log, sizes: new Map(known), isCompacted: !uncompacted.has(log.topic) }]
    })
    return { logs: new Map(states), ...commits }
  }

  /** Where these logs ended at past times, in milliseconds since 1970. */
  past({ logs }: Look, times: readonly number[]): Promise<readonly PastEnds[]> {
    const leaders = [...byLeader([...logs.values()])]
    return Promise.all(
      times.map(async (at) => {
        const ends = new Map<string, bigint>()
        await Promise.all(
          leaders.map(async ([leader, led]) => {
            const found = await this.asked('offsets', leader, () => this.source.offsets(leader, led, at))
            for (const log of found ? led : []) {
              const offset = found?.get(partitionKey(log))
              // −1: no message is as late as that.
              if (offset !== undefined) ends.set(partitionKey(log), offset < 0n ? log.end : offset)
            }
          }),
        )
        return { at, ends }
      }),
    )
  }

  async batches(places: readonly LogPlace[]): Promise<ReadonlyMap<string, Batches>> {
    const found = await Promise.all(
      [...byLeader(places)].map(([leader, led]) =>
        this.asked('batches', leader, () => this.source.batches(leader, led)),
      ),
    )
    return new Map(found.flatMap((batches) => [...(batches ?? [])]))
  }

  private async edges(leader: number, places: readonly Place[]) {
    const sentAt = { at: Date.now(), steadyMs: performance.now() }
    const [starts, ends] = await Promise.all([
      this.asked('offsets', leader, () => this.source.offsets(leader, places, 'start')),
      this.asked('offsets', leader, () => this.source.offsets(leader, places, 'end')),
    ])
    const halfMs = (performance.now() - sentAt.steadyMs) / 2
    const when = { at: Math.round(sentAt.at + halfMs), steadyMs: sentAt.steadyMs + halfMs }
    return places.flatMap((place) => {
      const [start, end] = [starts?.get(partitionKey(place)), ends?.get(partitionKey(place))]
      return start === undefined || end === undefined ? [] : [{ ...place, ...when, start, end }]
    })
  }

  private async commits(nodes: readonly number[]): Promise<Pick<Look, 'groups' | 'hasAllGroups'>> {
    const groups = new Map<string, GroupCommits>()
    let hasAllGroups = true
    await Promise.all(
      nodes.map(async (nodeId) => {
        const found = await this.asked('groups', nodeId, () => this.source.groups(nodeId))
        if (!found) hasAllGroups = false
        let failures = 0
        for (const groupId of found ?? []) {
          const offsets = await this.asked('commits', nodeId, () => this.source.committed(nodeId, groupId))
          failures = offsets ? 0 : failures + 1
          if (offsets) groups.set(groupId, { steadyMs: performance.now(), offsets })
          else hasAllGroups = false
          if (failures === mostFailures) break
        }
      }),
    )
    return { groups, hasAllGroups }
  }

  /** Topics of which nobody says how they are cleaned up count as compacted. */
  private async uncompacted(topics: readonly TopicDescription[]): Promise<ReadonlySet<string>> {
    const now = performance.now()
    if (now - this.policies.at > policiesKeptMs) this.policies = { at: now, asked: new Set(), uncompacted: new Set() }
    const { asked, uncompacted } = this.policies
    const names = topics.map(({ topic }) => topic).filter((topic) => !asked.has(topic))
    const found = names.length > 0 && (await this.asked('policies', null, () => this.source.uncompacted(names)))
    if (!found) return uncompacted
    for (const topic of names) asked.add(topic)
    for (const topic of found) uncompacted.add(topic)
    return uncompacted
  }

  private async asked<Answer>(
    question: string,
    nodeId: number | null,
    ask: () => Promise<Answer>,
  ): Promise<Answer | undefined> {
    try {
      return await ask()
    } catch (error) {
      this.onFailure({ question, nodeId, why: messageOf(error) })
      return undefined
    }
  }
}

type Place = TopicPartition & { readonly leader: number; readonly topicId: string | undefined }

function placesIn(topics: readonly TopicDescription[]): Place[] {
  return topics
    .flatMap(({ topic, id, partitions }) =>
      partitions.map(({ partition, leader }) => ({ topic, partition, leader, topicId: id })),
    )
    .filter(({ leader }) => leader >= 0)
}

function byLeader<Led extends { readonly leader: number }>(places: readonly Led[]): ReadonlyMap<number, Led[]> {
  const found = new Map<number, Led[]>()
  for (const place of places) {
    const led = found.get(place.leader) ?? []
    found.set(place.leader, led)
    led.push(place)
  }
  return found
}
