/**
 * Progress: how far this process has handled one partition for one group, and what it has committed of that. It outlives
 * sessions and generations, and consumers of one group in one process share it: a partition that changes hands between
 * two of them is not handled twice.
 */

import type { TopicPartition } from '../machines/fact.ts'

export class Progress {
  /** End of the contiguous handled prefix, plus one: the first offset that is not handled. Undefined before the first position. */
  mark: bigint | undefined
  /** The last commit of ours the coordinator acknowledged. */
  acknowledged: bigint | undefined
  /** The highest commit of ours whose outcome is unknown. */
  unknown: bigint | undefined
  /** An explicit seek: the next commit may go down. */
  sought = false
  /** Changes with each seek: what was under way before it does not move the mark. */
  seeks = 0
  /** Handlers at work, of whatever tenure and consumer; the partition is not handed out again until they have settled. */
  work: Promise<void> | undefined

  /** What has to be committed; undefined when the group already knows. */
  get uncommitted(): bigint | undefined {
    const { mark, acknowledged } = this
    if (mark === undefined || mark === acknowledged) return undefined
    return acknowledged === undefined || mark > acknowledged || this.sought ? mark : undefined
  }

  /** The outcome of a commit: acknowledged, or unknown. */
  committed(offset: bigint, acknowledged: boolean): void {
    if (!acknowledged) {
      if (this.unknown === undefined || offset > this.unknown) this.unknown = offset
      return
    }
    this.acknowledged = offset
    this.sought = false
    if (this.unknown !== undefined && this.unknown <= offset) this.unknown = undefined
  }

  /**
   * Where reading begins after an assignment, given what the group has committed. The mark counts only if the committed
   * offset is our own last commit, or a later one of ours with an unknown outcome; otherwise somebody else moved it.
   */
  startFrom(committed: bigint): { readonly offset: bigint; readonly dropped: bigint | undefined } {
    const { mark, acknowledged, unknown } = this
    const ours =
      this.sought ||
      committed === acknowledged ||
      (unknown !== undefined && committed <= unknown && committed >= (acknowledged ?? 0n))
    const offset = mark !== undefined && ours && (this.sought || mark > committed) ? mark : committed
    const dropped = mark !== undefined && offset < mark ? mark : undefined
    this.mark = offset
    this.acknowledged = committed
    this.unknown = undefined
    return { offset, dropped }
  }

  seek(offset: bigint): void {
    this.seeks++
    this.mark = offset
    this.sought = true
  }
}

/** The progress of one group in this process. */
export interface GroupProgress {
  of(partition: TopicPartition): Progress
  /** Forgotten with the last consumer of the group: a later one begins where the group has committed. */
  release(): void
}

const groups = new Map<string, { readonly partitions: Map<string, Progress>; holders: number }>()

/** The progress of the group under this key, shared by all who give the same one. */
export function acquireProgress(key: string): GroupProgress {
  const group = groups.get(key) ?? { partitions: new Map(), holders: 0 }
  groups.set(key, group)
  group.holders++
  let isReleased = false
  return {
    of({ topic, partition }) {
      const name = `${topic}/${partition}`
      const known = group.partitions.get(name) ?? new Progress()
      group.partitions.set(name, known)
      return known
    },
    release() {
      if (isReleased) return
      isReleased = true
      if (--group.holders === 0) groups.delete(key)
    },
  }
}
