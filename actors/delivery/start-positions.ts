/**
 * Start positions: where reading begins in each partition of an assignment.
 *
 * KafkaJS begins where the answer to its OffsetFetch says, and asks again for what that answer leaves out. So partitions whose position is known are
 * answered at once, and the others when it is: a partition without a leader holds up nobody else.
 */

import { setMaxListeners } from 'node:events'
import { backoffMs } from '../../machines/backoff.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import { readCommitMetadata } from '../protocol/commit-metadata.ts'
import { errorCodes } from '../protocol/frames.ts'
import {
  type CommittedOffset,
  offsetFetchAnswer,
  offsetFetchErrorOf,
  readOffsetFetch,
  readOffsetFetchRequest,
} from '../protocol/group-answers.ts'
import { deferred } from '../time/deferred.ts'
import { sleep } from '../time/sleep.ts'
import type { Assignment } from './assignment.ts'
import type { Log } from './log.ts'
import { OffsetReset, type OffsetResetOptions } from './offset-reset.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { Validation } from './validation.ts'

export interface StartPositionsOptions extends OffsetResetOptions {
  /** Commits what was looked up; resolves when the group knows it, or after some attempts. */
  readonly commit: (queue: PartitionQueue) => Promise<void>
  /** The leader epoch that metadata tells of; undefined where it does not. */
  readonly leaderEpochOf: (partition: TopicPartition) => number | undefined
  /** The start position of a partition became known, or could not be looked up. */
  readonly onChange: () => void
  readonly signal: AbortSignal
}

/** How long an answer to KafkaJS waits for positions that are being looked up, in milliseconds. */
const answerWithinMs = 250
const retryPace = { floorMs: 50, baseMs: 100, capMs: 2000 }

export class StartPositions {
  readonly validation: Validation
  readonly log: Log
  private readonly options: StartPositionsOptions
  private readonly offsetReset: OffsetReset
  /** Changes whenever what was asked for before is not wanted any more: with an assignment, and when a topic went or was made again. */
  era = 0
  private assignment: Assignment | undefined
  private taken: Promise<unknown> = Promise.resolve()
  /** Queues whose position KafkaJS may be told. */
  private readonly ready = new Set<PartitionQueue>()
  /** Queues whose position is being looked up, until it is known, with the end of the first attempt. */
  private readonly looking = new Map<PartitionQueue, Promise<void>>()
  /** Of these the last attempt came to nothing. */
  private readonly stuck = new Set<PartitionQueue>()
  /** One answer at a time: KafkaJS asks once per node, for all partitions each time, and at the same moment. */
  private turn: Promise<unknown> = Promise.resolve()
  /** Requests so far, and how many of them had come when the whole assignment was told: those need not be told again. */
  private requests = 0
  private toldTo = 0

  constructor(options: StartPositionsOptions) {
    this.options = options
    this.log = options.log
    // Each partition that can't be looked up waits with it for the next attempt.
    setMaxListeners(0, options.signal)
    this.offsetReset = new OffsetReset(options)
    this.validation = new Validation({
      ...options,
      isFound: (queue) => this.ready.has(queue),
      onCut: (queue) => this.goOn(queue),
    })
  }

  /** Another assignment: all start positions are to be found again, once the user has taken it; none where that rejects. */
  begin(assignment: Assignment, taken: Promise<unknown> = Promise.resolve()): void {
    this.era++
    this.taken = taken
    taken.catch(() => {})
    this.assignment = assignment
    this.ready.clear()
    this.looking.clear()
    this.stuck.clear()
    this.validation.begin(assignment)
    this.toldTo = 0
  }

  /** Whether the start position of every partition is known, those aside that can't be looked up at the moment. */
  get complete(): boolean {
    // No queue is in both, and none of another assignment in either; each position that becomes known asks this.
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
    const { assignment } = this
    if (!assignment?.has(queue) || this.looking.has(queue)) return
    this.ready.delete(queue)
    this.look(queue, assignment, () => this.offsetReset.backInRange(queue, assignment))
  }

  /** The topic was deleted and made again: what is known of its partitions is of the old one. */
  restart(topic: string): void {
    this.era++
    const { dispatcher, topics, emit, committedOf } = this.options
    let asked: Promise<readonly CommittedOffset[]> | undefined
    const committed = () => {
      asked ??= committedOf(topic).catch((error) => {
        asked = undefined
        throw error
      })
      return asked
    }
    const id = topics.idOf(topic)
    // Another session of this process may have seen it first: what was found since then is a position in the new one.
    const isOfOld = ({ progress }: PartitionQueue) => id === undefined || progress.topicId !== id
    for (const queue of dispatcher.assigned().filter((each) => each.topic === topic && isOfOld(each))) {
      const { assignment } = this
      if (!assignment) return
      const { partition, position } = queue
      const { mark } = queue.progress
      if (mark !== undefined && position !== undefined && mark < position) {
        const told = { topic, partition, from: `${mark}`, to: `${position}`, next: '0' }
        emit({ type: 'offsets.lost', ...told, reason: 'recreated' })
      }
      queue.close()
      queue.progress.forget()
      this.ready.delete(queue)
      this.looking.delete(queue)
      this.lookAndReread(queue, assignment, () => this.offsetReset.restart(queue, assignment, committed))
    }
  }

  /** The log was cut, and KafkaJS does not know. */
  private goOn(queue: PartitionQueue): void {
    const { assignment } = this
    if (!assignment) return
    this.ready.delete(queue)
    this.lookAndReread(queue, assignment, () => this.offsetReset.backInRange(queue, assignment))
  }

  private async answerNow(request: Buffer, ask: (request: Buffer) => Promise<Buffer>): Promise<Buffer> {
    const { dispatcher } = this.options
    await this.taken
    const { assignment } = this
    const queues = readOffsetFetchRequest(request).map((partition) => dispatcher.queueOf(partition))
    if (queues.some((queue) => !this.ready.has(queue) && !this.looking.has(queue))) {
      const commits = new Map(queues.map((queue) => [queue, queue.progress.commits]))
      const answer = await ask(request)
      if (offsetFetchErrorOf(answer) !== errorCodes.none) return answer
      if (assignment && assignment === this.assignment) await this.take(readOffsetFetch(answer), assignment, commits)
    }
    const waiting = queues.flatMap((queue) => (this.stuck.has(queue) ? [] : (this.looking.get(queue) ?? [])))
    if (waiting.length > 0) await Promise.race([Promise.all(waiting), sleep(answerWithinMs, this.options.signal)])
    const known = assignment === this.assignment ? queues.filter((queue) => this.ready.has(queue)) : []
    if (known.length > 0 && known.length === assignment?.size) this.toldTo = this.requests
    return offsetFetchAnswer(
      known.flatMap(({ topic, partition, position }) =>
        position === undefined ? [] : [{ topic, partition, offset: position }],
      ),
    ).answer()
  }

  /** What the group has committed is where reading begins, unless this process knows better. `commits`: ours, when it was asked. */
  private async take(
    committed: readonly CommittedOffset[],
    assignment: Assignment,
    commits: ReadonlyMap<PartitionQueue, number>,
  ): Promise<void> {
    const { dispatcher, topics, committedOf } = this.options
    const open = committed.filter((entry) => {
      const queue = dispatcher.queueOf(entry)
      return assignment.has(queue) && !this.ready.has(queue) && !this.looking.has(queue)
    })
    const recall = (entry: CommittedOffset) => {
      const found = readCommitMetadata(entry.metadata)
      if (found) topics.recall(entry.topic, found.partitions, found.topicId)
    }
    for (const entry of committed) recall(entry)
    const isNone = ({ offset, errorCode }: CommittedOffset) => errorCode === errorCodes.none && offset < 0n
    const fresh = new Set(open.filter(isNone).map(({ topic }) => topic))
    for (const topic of fresh) for (const entry of await committedOf(topic).catch(() => [])) recall(entry)
    if (assignment !== this.assignment) return
    for (const entry of open) {
      const queue = dispatcher.queueOf(entry)
      // A sought position that was committed meanwhile is newer than this answer.
      if (queue.progress.commits === commits.get(queue)) this.takeOne(entry, assignment)
      else this.found(queue)
    }
    this.options.onChange()
  }

  private takeOne({ topic, partition, offset, errorCode, metadata }: CommittedOffset, assignment: Assignment): void {
    const { dispatcher, topics, emit } = this.options
    const queue = dispatcher.queueOf({ topic, partition })
    const { progress } = queue
    // An error is no answer: taken for "nothing committed", all that the group has not handled would be skipped.
    if (errorCode !== errorCodes.none) {
      if (!this.ready.has(queue)) this.stuck.add(queue)
      const again = sleep(retryPace.capMs, this.options.signal).then(() => void this.looking.delete(queue))
      this.looking.set(queue, again)
      return
    }
    const found = readCommitMetadata(metadata)
    const topicId = topics.idOf(topic)
    const isOther = (id: string | undefined) => id !== undefined && topicId !== undefined && id !== topicId
    const isOfOther = isOther(found?.topicId)
    if (isOther(progress.topicId) && progress.sought !== assignment) progress.forget()
    if (offset >= 0n && !isOfOther) {
      const dropped = progress.startFrom(offset, assignment, found?.leaderEpoch)
      progress.topicId = found?.topicId ?? topicId
      if (dropped !== undefined)
        emit({ type: 'mark.dropped', topic, partition, mark: `${dropped}`, committed: `${offset}` })
      this.found(queue)
      return
    }
    // The group has no commit of ours, or none any more: what this process knows is put back, before anything behind it is read. It stays
    // unless the group has forgotten it with the topic, and this session has not seen yet that another one has its name.
    progress.acknowledged = undefined
    // A mark of this topic is none of the one that was committed, late, under the same name.
    if (isOfOther && progress.topicId !== topicId && progress.sought !== assignment) progress.forget()
    this.look(queue, assignment, () =>
      progress.mark === undefined && !progress.backToReset()
        ? this.offsetReset.reset(queue)
        : this.offsetReset.lookAt(topic),
    )
  }

  /** Looks the position up until it is found; `work` resolves with what sets it, if it is to be set. A seek meanwhile is the position. */
  private look(queue: PartitionQueue, assignment: Assignment, work: () => Promise<(() => void) | undefined>): void {
    const { promise: first, resolve: tried } = deferred<void>()
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
          if (set && queue.progress.seeks === seeks) set()
          // Also where a seek has set the mark: else nobody sees in another session that the topic was made again.
          queue.progress.topicId ??= this.options.topics.idOf(queue.topic)
          queue.open = true
          const { acknowledged } = queue.progress
          if (acknowledged === undefined && this.options.dispatcher.commitsMarks) await this.options.commit(queue)
          if (isOver()) return
          this.looking.delete(queue)
          this.found(queue)
          this.options.onChange()
          return
        } catch {
          if (isOver()) return
          this.stuck.add(queue)
          tried()
          this.options.onChange()
          await sleep(backoffMs(attempt, retryPace, Math.random()), this.options.signal)
        }
      }
    }
    this.looking.set(queue, first)
    void attempts().finally(tried)
  }

  /** The same where KafkaJS reads meanwhile: it is told the position that was found. */
  private lookAndReread(queue: PartitionQueue, assignment: Assignment, work: () => Promise<() => void>): void {
    this.look(queue, assignment, async () => {
      const set = await work()
      return () => {
        set()
        queue.reread()
      }
    })
  }

  private found(queue: PartitionQueue): void {
    queue.open = true
    this.ready.add(queue)
    this.stuck.delete(queue)
    this.validation.add(queue)
  }
}
