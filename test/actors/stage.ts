// A stage: a dispatcher between a reader that writes down what it is told and handlers that a test ends by hand.

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, vi } from 'vitest'
import { Assignment } from '../../actors/delivery/assignment.ts'
import { Dispatcher, type DispatcherOptions } from '../../actors/delivery/dispatcher.ts'
import type { Log, LogEdge } from '../../actors/delivery/log.ts'
import type { PartitionQueue, Reader } from '../../actors/delivery/partition-queue.ts'
import { acquireProgress } from '../../actors/delivery/progress.ts'
import { StartPositions, type StartPositionsOptions } from '../../actors/delivery/start-positions.ts'
import type { Batch, EachBatchPayload, EachMessagePayload } from '../../actors/kafkajs/consumer.ts'
import { apiKeys } from '../../actors/protocol/frames.ts'
import { readOffsetFetch } from '../../actors/protocol/group-answers.ts'
import type { EpochPlace } from '../../actors/protocol/requests.ts'
import { Topics } from '../../actors/topics/topics.ts'
import type { Fact, FactOf, FactType } from '../../machines/fact.ts'
import type { TopicPartition } from '../../machines/topic-partition.ts'

import { answerFrame, int16, int32, int64, list, requestFrame, text } from './bytes.ts'

export const topic = 'orders'

/** Promises that are ready have had their turn; no time passes. */
export const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 3; turns++) await turn()
}

/** A batch as KafkaJS gives it. `last` is its last offset, beyond its messages where the log ends in control records. */
export function batchOf(
  partition: number,
  offsets: readonly number[],
  { last = offsets.at(-1) ?? 0, fetchedAt = offsets[0] ?? 0 }: { last?: number; fetchedAt?: number } = {},
): Batch {
  const messages = offsets.map((offset) => ({
    key: null,
    value: Buffer.from(`${partition}/${offset}`),
    timestamp: '0',
    attributes: 0,
    offset: String(offset),
    headers: {},
  }))
  return {
    topic,
    partition,
    highWatermark: String(last + 1),
    messages,
    fetchedOffset: String(fetchedAt),
    isEmpty: () => messages.length === 0,
    firstOffset: () => messages[0]?.offset ?? null,
    lastOffset: () => String(last),
    offsetLag: () => '0',
    offsetLagLow: () => '0',
  } as Batch
}

/** One call of the user's handler. */
export interface HandlerCall {
  /** `partition/offset`, of a batch its first. */
  readonly at: string
  readonly signal: AbortSignal
  readonly payload: EachMessagePayload | EachBatchPayload
  end(): Promise<void>
  throw(message: string): Promise<void>
}

/** Handlers that are at work until a test ends them. */
class Handlers {
  /** Every call so far, `partition/offset`. */
  readonly log: string[] = []
  readonly atWork: HandlerCall[] = []

  readonly eachMessage = (payload: EachMessagePayload & { signal: AbortSignal }): Promise<void> =>
    this.take(`${payload.partition}/${payload.message.offset}`, payload)

  readonly eachBatch = (payload: EachBatchPayload & { signal: AbortSignal }): Promise<void> =>
    this.take(`${payload.batch.partition}/${payload.batch.firstOffset()}`, payload)

  /** The call at work on this message. */
  at(where: string): HandlerCall {
    const call = this.atWork.find(({ at }) => at === where)
    if (!call) throw new Error(`No handler is at work on ${where}, but on ${this.atWork.map(({ at }) => at)}`)
    return call
  }

  /** Ends the calls on these messages, one after the other. */
  async end(...messages: string[]): Promise<void> {
    for (const each of messages) await this.at(each).end()
  }

  private take(at: string, payload: (EachMessagePayload | EachBatchPayload) & { signal: AbortSignal }): Promise<void> {
    this.log.push(at)
    return new Promise((resolve, reject) => {
      const leave = async (finish: () => void) => {
        this.atWork.splice(this.atWork.indexOf(call), 1)
        finish()
        await settled()
      }
      const call: HandlerCall = {
        at,
        payload,
        signal: payload.signal,
        end: () => leave(resolve),
        throw: (message) => leave(() => reject(new Error(message))),
      }
      this.atWork.push(call)
    })
  }
}

/** A reader that writes down what it is told, and finds the ends of the log where a test puts them. */
class FakeReader implements Reader, Log {
  readonly log: string[] = []
  start = 0n
  end = 100n
  /** The leader epoch of today; −1: a leader that does not say. */
  leaderEpoch = -1
  /** Where leader epochs end. */
  readonly epochs = new Map<number, bigint>()
  /** What is in the way of looking at the log of a partition. */
  readonly failing = new Map<number, Error>()
  pause({ partition }: TopicPartition): void {
    this.log.push(`pause ${partition}`)
  }
  resume({ partition }: TopicPartition): void {
    this.log.push(`resume ${partition}`)
  }
  seek({ partition }: TopicPartition, offset: string): void {
    this.log.push(`seek ${partition} ${offset}`)
  }
  async edge({ partition }: TopicPartition, where: 'start' | 'end'): Promise<LogEdge> {
    this.log.push(`look ${partition} ${where}`)
    const error = this.failing.get(partition)
    if (error) throw error
    return { offset: where === 'start' ? this.start : this.end, leaderEpoch: this.leaderEpoch }
  }
  async epochEnd({ partition }: TopicPartition, leaderEpoch: number): Promise<bigint | undefined> {
    this.log.push(`look ${partition} epoch ${leaderEpoch}`)
    return this.epochs.get(leaderEpoch)
  }
  epochEnds(places: readonly EpochPlace[]): Promise<bigint | undefined>[] {
    this.log.push(`look at epochs ${places.map(({ partition, leaderEpoch }) => `${partition}/${leaderEpoch}`)}`)
    return places.map(async ({ partition, leaderEpoch }) => {
      const error = this.failing.get(partition)
      if (error) throw error
      return this.epochs.get(leaderEpoch)
    })
  }
}

let stages = 0

/** What a group answers about one partition. */
export interface Committed {
  readonly offset: bigint
  readonly metadata?: string | null
  readonly error?: number
}

export type CommittedBy = Readonly<Record<number, bigint | Committed>>

const committedBody = (committed: CommittedBy): Buffer => {
  const entries = Object.entries(committed).map(([partition, given]) => {
    const { offset, metadata = null, error = 0 } = typeof given === 'bigint' ? { offset: given } : given
    return Buffer.concat([int32(Number(partition)), int64(offset), text(metadata), int16(error)])
  })
  return Buffer.concat([int32(0), list([Buffer.concat([text(topic), list(entries)])]), int16(0)])
}

export type StageOptions = Partial<DispatcherOptions> &
  Partial<Pick<StartPositionsOptions, 'fromBeginning' | 'committedOf' | 'commit' | 'lookAtTopics'>> & {
    readonly batches?: boolean
  }

export class Stage {
  readonly handlers = new Handlers()
  readonly reader = new FakeReader()
  readonly facts: Fact[] = []
  readonly topics = new Topics()
  readonly dispatcher: Dispatcher
  readonly positions: StartPositions
  /** The leader epoch that metadata tells of every partition. */
  ledIn: number | undefined = -1
  /** How often the group was asked what is committed. */
  asked = 0
  commits = 0
  /** The offsets that were named, call by call, as `partition@offset`; of marks nothing. */
  readonly named: (readonly string[] | undefined)[] = []
  /** The start position of a partition became known. */
  onChange = () => {}
  private generation = 0

  constructor({
    batches = false,
    fromBeginning = false,
    committedOf,
    commit,
    lookAtTopics,
    ...options
  }: StageOptions = {}) {
    const emit = (fact: Fact) => this.facts.push(fact)
    this.dispatcher = new Dispatcher({
      ...(batches ? { eachBatch: this.handlers.eachBatch } : { eachMessage: this.handlers.eachMessage }),
      groupId: 'group',
      autoCommit: true,
      commitIntervalMs: 1000,
      handlerRetries: 0,
      handlerTimeoutMs: undefined,
      onHandlerError: 'pause',
      concurrency: 3,
      maxBufferedBytes: 1_000_000,
      progress: acquireProgress(`stage ${stages++}`),
      emit,
      commit: async (offsets) => {
        this.commits++
        this.named.push(offsets?.map((each) => `${each.topic}/${each.partition}@${each.offset}`))
      },
      ...options,
    })
    this.positions = new StartPositions({
      dispatcher: this.dispatcher,
      log: this.reader,
      topics: this.topics,
      fromBeginning,
      emit,
      leaderEpochOf: () => this.ledIn,
      committedOf: committedOf ?? (async () => []),
      commit: commit ?? (async () => {}),
      lookAtTopics: lookAtTopics ?? (async () => {}),
      onChange: () => this.onChange(),
      signal: new AbortController().signal,
    })
  }

  /** An assignment with these committed offsets by partition. Resolves with its assignment and where reading begins. */
  async assign(committed: CommittedBy, epoch = 1): Promise<{ assignment: Assignment; starts: (bigint | undefined)[] }> {
    const assignment = this.begin(Object.keys(committed).map(Number), epoch)
    return { assignment, starts: await this.place(committed) }
  }

  /** An assignment whose start positions are not known yet. */
  begin(partitions: readonly number[], epoch = 1): Assignment {
    const assignment = new Assignment(epoch, ++this.generation, { [topic]: [...partitions] })
    this.dispatcher.begin(assignment, this.reader, this.reader)
    this.positions.begin(assignment)
    return assignment
  }

  /** KafkaJS asks where reading begins, and the group has this. Undefined for what the answer leaves out. */
  async place(committed: CommittedBy): Promise<(bigint | undefined)[]> {
    const partitions = Object.keys(committed).map(Number)
    const body = [text('group'), list([Buffer.concat([text(topic), list(partitions.map(int32))])])]
    const answer = await this.positions.answer(requestFrame(apiKeys.offsetFetch, 4, 1, ...body), async () => {
      this.asked++
      return answerFrame(1, committedBody(committed))
    })
    const found = new Map(readOffsetFetch(answer).map(({ partition, offset }) => [partition, offset]))
    return partitions.map((partition) => found.get(partition))
  }

  /** Gives a batch in, without waiting for room in its queue. */
  async offer(...batch: Parameters<typeof batchOf>): Promise<void> {
    void this.take(...batch)
    await settled()
  }

  /** Gives a batch in: undefined when it does not count, else a promise of room for the next one. */
  take(...given: Parameters<typeof batchOf>): Promise<void> | undefined {
    return this.takeUnder(this.dispatcher.assignment, ...given)
  }

  /** The same for one that was asked for under this assignment. */
  takeUnder(assignment: Assignment | undefined, ...given: Parameters<typeof batchOf>): Promise<void> | undefined {
    const batch = batchOf(...given)
    return this.dispatcher.offer(
      batch,
      BigInt((batch as unknown as { fetchedOffset: string }).fetchedOffset),
      assignment,
    )
  }

  pause(partition: number): void {
    this.dispatcher.pause({ topic, partitions: [partition] })
  }

  resume(partition: number): void {
    this.dispatcher.resume({ topic, partitions: [partition] })
  }

  queue(partition: number): PartitionQueue {
    return this.dispatcher.queueOf({ topic, partition })
  }

  factsOf<Type extends FactType>(type: Type): FactOf<Type>[] {
    return this.facts.filter((fact): fact is FactOf<Type> => fact.type === type)
  }
}

/** A stage that has partitions 0 and 1 from offset 0, with a first batch of partition 0 in it. */
export async function staged(options: StageOptions, offsets: readonly number[] = [0, 1, 2]): Promise<Stage> {
  const stage = new Stage(options)
  await stage.assign({ 0: 0n, 1: 0n })
  await stage.offer(0, offsets)
  return stage
}

/** What a batch handler at work was given. */
export const batchIn = (stage: Stage, at: string): EachBatchPayload => stage.handlers.at(at).payload as EachBatchPayload

/** In the tests of this file time passes only when it is told to, and what is random is half of what it may be, or this share of it. */
export function withFakeTime(random = 0.5): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
    vi.spyOn(Math, 'random').mockReturnValue(random)
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })
}
