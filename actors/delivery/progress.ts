/**
 * Progress: how far this process has handled one partition for one group, and what it has committed of that. It outlives
 * sessions and generations, and consumers of one group in one process share it: a partition that changes hands between
 * two of them is not handled twice. Marks move here and nowhere else.
 */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { Topics } from '../topics/topics.ts'
import type { Assignment } from './assignment.ts'

/** So many commits of unknown outcome are told apart; with more of them the oldest are taken for somebody else's. */
const mostUnknown = 100

export class Progress {
  /** End of the contiguous handled prefix, plus one: the first offset that is not handled. Undefined before the first position. */
  mark: bigint | undefined
  /** The last commit of ours the coordinator acknowledged. */
  acknowledged: bigint | undefined
  /** Commits of ours that were acknowledged so far: what the group was asked for before the newest is older. */
  commits = 0
  /** Commits of ours whose outcome is unknown. */
  readonly unknown = new Set<bigint>()
  /** The assignment in which the mark was set anew, by a seek or as the log was cut, until the group knows: that commit may go down. */
  sought: Assignment | undefined
  /** Changes whenever the mark is set anew: what was under way before it neither moves the mark nor is taken for its commit. */
  seeks = 0
  /** The mark before a seek ahead that the group does not know, and its leader epoch: all below it is handled, and what follows is not. */
  private leftBehind: { readonly mark: bigint | undefined; readonly leaderEpoch: number } | undefined
  /** The lowest offset that was sought since the group's last commit of ours; undefined where none was. */
  private soughtFrom: bigint | undefined
  /** The offset reset, and its leader epoch: where nothing is committed by itself, reading begins there until the user has committed. */
  private pinned: { readonly offset: bigint; readonly leaderEpoch: number } | undefined
  /** Where the mark was set anew as the log was cut: up to here the log is the same, and what was under way then counts. */
  private sameTo: bigint | undefined
  /** Leader epoch of the newest records that were fetched, or of the position that was looked up (KIP-320); −1 while none is known. */
  leaderEpoch = -1
  /** Id of the topic that the mark is an offset of; undefined while none is known. */
  topicId: string | undefined
  /** Handlers at work, of whatever assignment and consumer; the partition is not handed out again until they have settled. */
  work: Promise<void> | undefined

  /** What has to be committed; undefined when the group already knows. */
  get uncommitted(): bigint | undefined {
    const { mark, acknowledged, sought } = this
    // A mark that was set anew is committed even where the group has this very offset: its metadata may speak of a log that was cut.
    const isKnown = !sought && (mark ?? -1n) <= (acknowledged ?? -1n)
    return isKnown ? undefined : mark
  }

  /** The least offset that may be committed: our last commit, whose outcome may be unknown, or what was sought since. */
  get floor(): bigint {
    let last = this.acknowledged ?? 0n
    for (const each of this.unknown) if (each > last) last = each
    const { soughtFrom } = this
    return soughtFrom !== undefined && soughtFrom < last ? soughtFrom : last
  }

  /**
   * Moves the mark up to `handled`: everything from `from` to there is handled. False when it does not move, as it is there already, or
   * was set anew since `seeks`. Throws where offsets between the mark and `from` would be stepped over: nobody has handled them.
   */
  advance(from: bigint, handled: bigint, seeks: number): boolean {
    const sameTo = this.seeks === seeks + 1 ? this.sameTo : undefined
    if (this.seeks !== seeks && sameTo === undefined) return false
    const mark = sameTo !== undefined && sameTo < handled ? sameTo : handled
    if (mark <= (this.mark ?? -1n)) return false
    if (this.mark === undefined || from > this.mark) {
      throw new Error(`The mark is ${this.mark} and can't step over to ${from}: what lies between was not handed out`)
    }
    this.mark = mark
    return true
  }

  /** The offset reset: a position that was looked up, as neither the group nor this process had one. */
  resetTo(offset: bigint, leaderEpoch: number): void {
    this.mark = offset
    this.leaderEpoch = leaderEpoch
    this.pinned = { offset, leaderEpoch }
  }

  /**
   * Where users commit by themselves, an assignment begins with nothing that was handled before: reading begins where the group is, or at what was
   * looked up. Handlers that are still at work move the mark no more.
   */
  restart(): void {
    this.seeks++
    this.sameTo = undefined
    this.mark = undefined
    this.leaderEpoch = -1
    this.acknowledged = undefined
    this.unknown.clear()
    this.settleSeek()
  }

  /** The mark is what was looked up before; false where nothing was. */
  backToReset(): boolean {
    if (!this.pinned) return false
    this.mark = this.pinned.offset
    this.leaderEpoch = this.pinned.leaderEpoch
    return true
  }

  /** The outcome of a commit, acknowledged or unknown. `seeks` is what it was when the commit was sent. */
  committed(offset: bigint, acknowledged: boolean, seeks: number = this.seeks): void {
    // Since it was sent all was forgotten: it is an offset of another log.
    if (seeks !== this.seeks && !this.sought) return
    if (!acknowledged) {
      this.unknown.add(offset)
      const [oldest = offset] = this.unknown
      if (this.unknown.size > mostUnknown) this.unknown.delete(oldest)
      return
    }
    this.commits++
    this.acknowledged = offset
    // A commit sent before the seek says nothing about it: the sought offset is still to be committed.
    if (seeks === this.seeks) this.settleSeek()
    for (const each of this.unknown) if (each <= offset) this.unknown.delete(each)
  }

  /**
   * Where reading begins in this assignment, given what the group has committed. A seek in this assignment counts whatever the group says. Else the mark
   * counts only if the committed offset is our own last commit, or one of ours with an unknown outcome; otherwise somebody else moved it.
   * `leaderEpoch` is the one in the metadata of the commit. Returns the mark that was dropped, if it was.
   */
  startFrom(committed: bigint, assignment: Assignment, leaderEpoch = -1): bigint | undefined {
    const { mark, acknowledged, unknown, sought } = this
    const ours = sought === assignment || committed === acknowledged || unknown.has(committed)
    const own = mark ?? committed
    // Stryker disable next-line EqualityOperator: a mark at the commit is the same offset
    const isAhead = own > committed
    const counts = ours && (sought !== undefined || isAhead)
    const offset = counts ? own : committed
    const isDropped = sought ? offset !== own : offset < own
    this.mark = offset
    // A commit of ours may be of a log that was cut since: what was read after it is newer. Of what lies ahead of it, it says nothing, and of
    // what lies ahead of our mark, as after a seek, we know nothing.
    const isRead = ours && mark !== undefined && mark >= offset
    if (offset <= committed) this.leaderEpoch = isRead ? Math.max(this.leaderEpoch, leaderEpoch) : leaderEpoch
    if (counts && sought) this.sought = assignment
    else this.settleSeek()
    this.acknowledged = committed
    unknown.clear()
    return isDropped ? own : undefined
  }

  /** Reading goes on at this offset. `sameTo`: as the log was cut there. */
  seek(offset: bigint, assignment: Assignment, sameTo?: bigint): void {
    this.seeks++
    this.sameTo = sameTo
    this.soughtFrom = this.soughtFrom !== undefined && this.soughtFrom < offset ? this.soughtFrom : offset
    const { mark, leaderEpoch, leftBehind } = this
    if (mark === undefined || offset > mark) {
      this.leftBehind ??= { mark, leaderEpoch }
      // Nobody has told the epoch of an offset that lies ahead.
      this.leaderEpoch = -1
    } else if (leftBehind?.mark !== undefined && offset <= leftBehind.mark) this.leftBehind = undefined
    this.mark = offset
    this.sought = assignment
  }

  /** The seek ends before the group knows of it, as the partition is somebody else's now. What was handled here stays so. */
  endSeek(): void {
    const { leftBehind } = this
    this.settleSeek()
    if (!leftBehind) return
    this.seeks++
    this.sameTo = undefined
    this.mark = leftBehind.mark
    this.leaderEpoch = leftBehind.leaderEpoch
  }

  /** Nothing that was known holds any more: another log is under the same name. */
  forget(): void {
    this.seeks++
    this.sameTo = undefined
    this.mark = undefined
    this.acknowledged = undefined
    this.pinned = undefined
    this.settleSeek()
    this.leaderEpoch = -1
    this.topicId = undefined
    this.unknown.clear()
  }

  /** The seek is over: the group knows its offset, or somebody else reads the partition now. */
  private settleSeek(): void {
    this.sought = undefined
    this.soughtFrom = undefined
    this.leftBehind = undefined
  }
}

/** The progress of one group in this process. */
export interface GroupProgress {
  of(partition: TopicPartition): Progress
  /** What this process knows of the topics that the group reads, and what this consumer was told of it. */
  readonly topics: Topics
  /** Forgotten with the last consumer of the group: a later one begins where the group has committed. */
  release(): void
}

interface Group {
  readonly partitions: Map<string, Progress>
  readonly topics: Topics
  holders: number
}

const groups = new Map<string, Group>()

/** The progress of the group under this key, shared by all who give the same one. */
export function acquireProgress(key: string): GroupProgress {
  const group = groups.get(key) ?? { partitions: new Map(), topics: new Topics(), holders: 0 }
  groups.set(key, group)
  group.holders++
  let isReleased = false
  return {
    topics: new Topics(group.topics),
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
