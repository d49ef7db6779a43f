// A stage: a hand-out between a reader that writes down what it is told and handlers that a test ends by hand.

import { setImmediate as turn } from 'node:timers/promises'
import { HandOut, type HandOutOptions, type Reader } from '../../actors/hand-out.ts'
import type { Batch, EachBatchPayload, EachMessagePayload } from '../../actors/kafka.ts'
import type { Lane } from '../../actors/lane.ts'
import { acquireProgress } from '../../actors/progress.ts'
import { Tenure } from '../../actors/tenure.ts'
import type { Fact, FactOf, FactType, TopicPartition } from '../../machines/fact.ts'

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
  async end(...places: string[]): Promise<void> {
    for (const place of places) await this.at(place).end()
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
class FakeReader implements Reader {
  readonly log: string[] = []
  start = 0n
  end = 100n
  pause({ partition }: TopicPartition): void {
    this.log.push(`pause ${partition}`)
  }
  resume({ partition }: TopicPartition): void {
    this.log.push(`resume ${partition}`)
  }
  seek({ partition }: TopicPartition, offset: string): void {
    this.log.push(`seek ${partition} ${offset}`)
  }
  async offsetAt({ partition }: TopicPartition, where: 'start' | 'end'): Promise<bigint> {
    this.log.push(`look ${partition} ${where}`)
    return where === 'start' ? this.start : this.end
  }
}

let stages = 0

export class Stage {
  readonly handlers = new Handlers()
  readonly reader = new FakeReader()
  readonly facts: Fact[] = []
  readonly handOut: HandOut
  commits = 0
  private generation = 0

  constructor({ batches = false, ...options }: Partial<HandOutOptions> & { batches?: boolean } = {}) {
    this.handOut = new HandOut({
      ...(batches ? { eachBatch: this.handlers.eachBatch } : { eachMessage: this.handlers.eachMessage }),
      commitIntervalMs: 1000,
      handlerRetries: 0,
      handlerTimeoutMs: undefined,
      onHandlerError: 'pause',
      concurrency: 3,
      fromBeginning: false,
      progress: acquireProgress(`stage ${stages++}`),
      emit: (fact) => this.facts.push(fact),
      commit: async () => void this.commits++,
      ...options,
    })
  }

  /** An assignment with these committed offsets by partition. Resolves with its tenure and where reading begins. */
  async assign(committed: Readonly<Record<number, bigint>>, epoch = 1): Promise<{ tenure: Tenure; starts: bigint[] }> {
    const partitions = Object.keys(committed).map(Number)
    const tenure = new Tenure(epoch, ++this.generation, { [topic]: partitions })
    this.handOut.begin(tenure, this.reader)
    return { tenure, starts: await this.place(committed) }
  }

  /** The answer to one offset fetch. */
  async place(committed: Readonly<Record<number, bigint>>): Promise<bigint[]> {
    const starts: bigint[] = []
    const entries = Object.entries(committed).map(([partition, offset], index) => ({
      topic,
      partition: Number(partition),
      offset,
      start: (from: bigint) => {
        starts[index] = from
      },
    }))
    await this.handOut.place(entries, this.reader)
    return starts
  }

  /** Gives a batch in, without waiting for room in its lane. */
  async offer(...batch: Parameters<typeof batchOf>): Promise<void> {
    void this.handOut.offer(batchOf(...batch), this.handOut.tenure)
    await settled()
  }

  lane(partition: number): Lane {
    return this.handOut.laneOf({ topic, partition })
  }

  factsOf<Type extends FactType>(type: Type): FactOf<Type>[] {
    return this.facts.filter((fact): fact is FactOf<Type> => fact.type === type)
  }
}
