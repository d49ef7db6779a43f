/**
 * Positions: where reading begins in each partition of an assignment, and where it goes on when the log no longer has the place.
 *
 * KafkaJS begins where the answer to its OffsetFetch says, and asks again for what that answer leaves out. So partitions whose place is known are
 * answered at once, and the others when it is: a partition without a leader holds up nobody else.
 */

import { setMaxListeners } from 'node:events'
import { backoffMs } from '../../machines/backoff.ts'
import type { Fact, TopicPartition } from '../../machines/fact.ts'
import {
  type CommittedOffset,
  type FetchedPartition,
  offsetFetchAnswer,
  offsetFetchErrorOf,
  readOffsetFetch,
  readOffsetFetchRequest,
} from '../protocol/answers.ts'
import { readCommitNote } from '../protocol/commit-note.ts'
import { errorCodes } from '../protocol/frames.ts'
import type { Topics } from '../topics/topics.ts'
import type { Assignment } from './assignment.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** Where a log begins or goes on. */
export interface LogEdge {
  readonly offset: bigint
  /** The leader epoch of that place (KIP-320); −1 where the leader does not say. */
  readonly leaderEpoch: number
}

/** What a log says of itself. All reject with a ConnectionError where its leader is unknown or does not answer. */
export interface Log {
  /** The first (`start`) or next (`end`) offset of the log. */
  edge(partition: TopicPartition, where: 'start' | 'end'): Promise<LogEdge>
  /** The end of this leader epoch in the log (OffsetForLeaderEpoch, KIP-320); undefined where the leader does not know. */
  epochEnd(partition: TopicPartition, leaderEpoch: number): Promise<bigint | undefined>
}

export interface PositionsOptions {
  readonly dispatcher: Dispatcher
  readonly log: Log
  readonly topics: Topics
  readonly fromBeginning: boolean
  readonly emit: (fact: Fact) => void
  /** What the group has committed of all partitions of a topic: siblings know more than the partition itself. */
  readonly committedOf: (topic: string) => Promise<readonly CommittedOffset[]>
  /** Commits what was looked up; resolves when the group knows it, or after some attempts. */
  readonly commit: (queue: PartitionQueue) => Promise<void>
  /** Asks the brokers for the topics again, and restarts those that were made again. */
  readonly lookAtTopics: () => Promise<void>
  /** The place of a partition became known, or could not be looked up. */
  readonly onChange: () => void
  readonly signal: AbortSignal
}

/** How long an answer to KafkaJS waits for places that are being looked up, in milliseconds. */
const answerWithinMs = 250
const retryPace = { floorMs: 50, baseMs: 100, capMs: 2000 }

export class Positions {
  private readonly options: PositionsOptions
  /** Changes whenever what was asked for before is not wanted any more: with an assignment, and when a topic went or was made again. */
  era = 0
  private assignment: Assignment | undefined
  /** Queues whose place KafkaJS may be told. */
  private readonly ready = new Set<PartitionQueue>()
  /** Queues whose place is being looked up, until it is known, with the end of the first attempt. */
  private readonly looking = new Map<PartitionQueue, Promise<void>>()
  /** Of these the last attempt came to nothing. */
  private readonly stuck = new Set<PartitionQueue>()
  /** One answer at a time: KafkaJS asks once per node, for all partitions each time, and at the same moment. */
  private turn: Promise<unknown> = Promise.resolve()
  /** Requests so far, and how many of them had come when the whole assignment was told: those need not be told again. */
  private requests = 0
  private toldTo = 0

  constructor(options: PositionsOptions) {
    this.options = options
    // Each partition that can't be looked up waits with it for the next attempt.
    setMaxListeners(0, options.signal)
  }

  /** Another assignment: all places are to be found again. */
  begin(assignment: Assignment): void {
    this.era++
    this.assignment = assignment
    this.ready.clear()
    this.looking.clear()
    this.stuck.clear()
    this.toldTo = 0
  }

  /** Whether the place of every partition is known, those aside that can't be looked up at the moment. */
  get complete(): boolean {
    // No queue is in both, and none of another assignment in either; each place that becomes known asks this.
    return this.ready.size + this.stuck.size >= (this.assignment?.size ?? 0)
  }

  /** Answers an OffsetFetch of KafkaJS's; `ask` asks the coordinator. What is not known yet is left out. */
  answer(request: Buffer, ask: (request: Buffer) => Promise<Buffer>): Promise<Buffer> {
    const number = ++this.requests
    const answer = this.turn.then(() =>
      number <= this.toldTo ? offsetFetchAnswer([]).answer() : this.answerNow(request, ask),
    )
    this.turn = answer.catch(() => {})
    return answer
  }

  /** KafkaJS gave up its position in this partition: it is out of range. */
  reset(partition: TopicPartition): void {
    const queue = this.options.dispatcher.queueOf(partition)
    if (!this.assignment?.has(queue) || this.looking.has(queue)) return
    this.ready.delete(queue)
    this.look(queue, this.assignment, () => this.backInRange(queue))
  }

  /** The topic was deleted and made again: its partitions are read from their start. */
  restart(topic: string): void {
    this.era++
    const { dispatcher, topics, emit } = this.options
    const id = topics.idOf(topic)
    // Another session of this process may have seen it first: what was placed since then is a place in the new one.
    const isOfOld = ({ progress }: PartitionQueue) => id === undefined || progress.topicId !== id
    for (const queue of dispatcher.assigned().filter((each) => each.topic === topic && isOfOld(each))) {
      const { assignment } = this
      if (!assignment) return
      const { partition, position } = queue
      const { mark } = queue.progress
      if (mark !== undefined && position !== undefined && mark < position) {
        emit({
          type: 'offsets.lost',
          topic,
          partition,
          from: `${mark}`,
          to: `${position}`,
          next: '0',
          reason: 'recreated',
        })
      }
      dispatcher.displace(queue)
      queue.progress.forget()
      this.ready.delete(queue)
      this.looking.delete(queue)
      this.look(queue, assignment, async () => {
        const found = await this.pinned(queue)
        return () => {
          found()
          dispatcher.reread(queue)
        }
      })
    }
  }

  /**
   * Of what a leader answered, the partitions whose log was cut below what was read: their newest records belong to a later leader epoch, and the
   * epoch read before ends before our position (KIP-320). Rejects where nobody can say: then nothing of the answer may be used.
   */
  async diverged(partitions: readonly FetchedPartition[]): Promise<FetchedPartition[]> {
    const cut: FetchedPartition[] = []
    const { dispatcher, log } = this.options
    const look = async (fetched: FetchedPartition) => {
      const queue = dispatcher.queueOf(fetched)
      const { progress, position } = queue
      const { seeks } = progress
      const { firstEpoch, lastEpoch, lastOffset } = fetched
      // What was asked for before a seek says nothing about the place that was sought.
      if (firstEpoch < 0 || !this.assignment?.has(queue) || lastOffset < (position ?? 0n)) return
      if (progress.leaderEpoch >= 0 && firstEpoch > progress.leaderEpoch && position !== undefined) {
        const end = await log.epochEnd(queue, progress.leaderEpoch)
        if (progress.seeks !== seeks) return
        if (end !== undefined && end < position) return void cut.push(fetched)
      }
      progress.leaderEpoch = Math.max(progress.leaderEpoch, lastEpoch)
    }
    await Promise.all(partitions.map(look))
    return cut
  }

  private async answerNow(request: Buffer, ask: (request: Buffer) => Promise<Buffer>): Promise<Buffer> {
    const { dispatcher } = this.options
    const { assignment } = this
    const queues = readOffsetFetchRequest(request).map((partition) => dispatcher.queueOf(partition))
    if (queues.some((queue) => !this.ready.has(queue) && !this.looking.has(queue))) {
      const answer = await ask(request)
      if (offsetFetchErrorOf(answer) !== errorCodes.none) return answer
      if (assignment && assignment === this.assignment) await this.take(readOffsetFetch(answer), assignment)
    }
    const waiting = queues.flatMap((queue) => (this.stuck.has(queue) ? [] : (this.looking.get(queue) ?? [])))
    if (waiting.length > 0) await Promise.race([Promise.all(waiting), this.pause(answerWithinMs)])
    const known = assignment === this.assignment ? queues.filter((queue) => this.ready.has(queue)) : []
    if (known.length > 0 && known.length === assignment?.size) this.toldTo = this.requests
    return offsetFetchAnswer(
      known.flatMap(({ topic, partition, position }) =>
        position === undefined ? [] : [{ topic, partition, offset: position }],
      ),
    ).answer()
  }

  /** What the group has committed is where reading begins, unless this process knows better. */
  private async take(committed: readonly CommittedOffset[], assignment: Assignment): Promise<void> {
    const { dispatcher, topics, committedOf } = this.options
    const open = committed.filter((entry) => {
      const queue = dispatcher.queueOf(entry)
      return assignment.has(queue) && !this.ready.has(queue) && !this.looking.has(queue)
    })
    const note = (entry: CommittedOffset) => {
      const found = readCommitNote(entry.metadata)
      if (found) topics.recall(entry.topic, found.partitions, found.topicId)
    }
    for (const entry of committed) note(entry)
    const isNone = ({ offset, errorCode }: CommittedOffset) => errorCode === errorCodes.none && offset < 0n
    const fresh = new Set(open.filter(isNone).map(({ topic }) => topic))
    for (const topic of fresh) for (const entry of await committedOf(topic).catch(() => [])) note(entry)
    if (assignment !== this.assignment) return
    for (const entry of open) this.takeOne(entry, assignment)
    this.options.onChange()
  }

  private takeOne({ topic, partition, offset, errorCode, metadata }: CommittedOffset, assignment: Assignment): void {
    const { dispatcher, topics, emit } = this.options
    const queue = dispatcher.queueOf({ topic, partition })
    const { progress } = queue
    // An error is no answer: taken for "nothing committed", all that the group has not handled would be skipped.
    if (errorCode !== errorCodes.none) {
      if (!this.ready.has(queue)) this.stuck.add(queue)
      const again = this.pause(retryPace.capMs).then(() => void this.looking.delete(queue))
      this.looking.set(queue, again)
      return
    }
    const found = readCommitNote(metadata)
    const topicId = topics.idOf(topic)
    const isOther = (id: string | undefined) => id !== undefined && topicId !== undefined && id !== topicId
    const isOfOther = isOther(found?.topicId)
    if (isOther(progress.topicId) && progress.sought !== assignment) progress.forget()
    if (offset >= 0n && !isOfOther) {
      const begin = progress.startFrom(offset, assignment, found?.leaderEpoch)
      progress.topicId = found?.topicId ?? topicId
      if (begin.dropped !== undefined)
        emit({ type: 'mark.dropped', topic, partition, mark: `${begin.dropped}`, committed: `${offset}` })
      this.place(queue)
      return
    }
    // The group has no commit of ours, or none any more: what this process knows is put back, before anything behind it is read.
    progress.acknowledged = undefined
    // A mark of this topic is none of the one that was committed, late, under the same name.
    if (isOfOther && progress.topicId !== topicId && progress.sought !== assignment) progress.forget()
    this.look(queue, assignment, () => (progress.mark === undefined ? this.pinned(queue) : this.putBack()))
  }

  /** Looks the place up until it is found; `work` resolves with what sets it, if it is to be set. A seek meanwhile is the place. */
  private look(queue: PartitionQueue, assignment: Assignment, work: () => Promise<(() => void) | undefined>): void {
    let tried = () => {}
    const first = new Promise<void>((resolve) => {
      tried = resolve
    })
    // Also when another look for this queue has begun: its topic was made again.
    const isOver = () =>
      assignment !== this.assignment ||
      !assignment.open ||
      this.looking.get(queue) !== first ||
      this.options.signal.aborted
    const { seeks } = queue.progress
    const attempts = async () => {
      for (let attempt = 1; !isOver(); attempt++) {
        try {
          const set = await work()
          if (isOver()) return
          if (set && queue.progress.seeks === seeks) {
            set()
            queue.progress.topicId = this.options.topics.idOf(queue.topic)
          }
          this.options.dispatcher.locate(queue)
          if (queue.progress.acknowledged === undefined) await this.options.commit(queue)
          if (isOver()) return
          this.looking.delete(queue)
          this.place(queue)
          this.options.onChange()
          return
        } catch {
          if (isOver()) return
          this.stuck.add(queue)
          tried()
          this.options.onChange()
          await this.pause(backoffMs(attempt, retryPace, Math.random()))
        }
      }
    }
    this.looking.set(queue, first)
    void attempts().finally(tried)
  }

  private place(queue: PartitionQueue): void {
    this.options.dispatcher.locate(queue)
    this.ready.add(queue)
    this.stuck.delete(queue)
  }

  /** Nobody has a place in this partition: one that came while the group was subscribed begins at its start. */
  private async pinned(queue: PartitionQueue): Promise<() => void> {
    const { fromBeginning, topics, log, emit } = this.options
    const { topic, partition } = queue
    const { offset, leaderEpoch } = await log.edge(
      queue,
      fromBeginning || topics.isNew(topic, partition) ? 'start' : 'end',
    )
    // An edge says nothing of whose it is. Where the topic was made again meanwhile, this look begins it anew.
    await this.options.lookAtTopics()
    return () => {
      emit({ type: 'offset.reset', topic, partition, offset: `${offset}` })
      queue.progress.pin(offset, leaderEpoch)
    }
  }

  /** The mark stays, unless the group has forgotten it with the topic, and this session has not seen yet that another one has its name. */
  private async putBack(): Promise<undefined> {
    await this.options.lookAtTopics()
  }

  /**
   * The log no longer has the position. Where its start has passed it by, reading goes on at the start, whatever `fromBeginning` says: nothing
   * more is lost than is gone. Where it was cut below the position, all that is still there and not handled is read again.
   */
  private async backInRange(queue: PartitionQueue): Promise<() => void> {
    const { log, emit, dispatcher } = this.options
    const { topic, partition, position, progress } = queue
    if (position === undefined) return this.pinned(queue)
    const [{ offset: start }, { offset: end, leaderEpoch }] = await Promise.all([
      log.edge(queue, 'start'),
      log.edge(queue, 'end'),
    ])
    // A topic that was made again looks like a log that was cut, until its id is seen: then it is read from its start instead.
    if (end < position) await this.options.lookAtTopics()
    const epochEnd = progress.leaderEpoch < 0 ? undefined : await log.epochEnd(queue, progress.leaderEpoch)
    const cut = epochEnd !== undefined && epochEnd < end ? epochEnd : end
    return () => {
      const mark = progress.mark ?? position
      if (position < start) {
        const told = { topic, partition, from: `${position}`, to: `${start}`, next: `${start}` }
        emit({ type: 'offsets.lost', ...told, reason: 'trimmed' })
        // What waits here is handled first; then the mark steps over what is gone.
        dispatcher.step(queue, start - 1n)
      } else if (cut < position) {
        const next = mark < cut ? mark : cut
        const told = { topic, partition, from: `${mark < cut ? cut : mark}`, to: `${position}`, next: `${next}` }
        emit({ type: 'offsets.lost', ...told, reason: 'truncated' })
        progress.leaderEpoch = leaderEpoch
        dispatcher.rewind(queue, next, epochEnd === undefined ? undefined : cut)
      }
    }
  }

  private pause(waitMs: number): Promise<void> {
    const { signal } = this.options
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      signal.addEventListener('abort', done, { once: true })
    })
  }
}
