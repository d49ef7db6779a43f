/**
 * The messages of a client's producers. KafkaJS repeats a send that failed in part, and takes brokers that answered once for done: it acknowledges
 * what was never written. So a Produce is owned here until each of its partitions has a definite answer, or the time is up, and KafkaJS sees one
 * answer without an error that it would repeat. Requests of plain producers that wait for the same turn go out as one: a convoy.
 */

import { partitionKey } from '../../machines/topic-partition.ts'
import { checksum } from '../kafkajs/calls.ts'
import {
  type ProducedPartition,
  type ProducedResult,
  type ProduceRequest,
  producedAnswer,
  readProduce,
} from '../protocol/produce.ts'
import { isJoinable, joined } from '../protocol/record-batch.ts'
import { deferred } from '../time/deferred.ts'
import type { ClientSequences } from './client-sequences.ts'
import { type Open, type Outcome, opened, ProducedBatches, type ProducedBatchesOptions } from './produced-batches.ts'
import type { Turn } from './produced-order.ts'

export interface ProduceRequestsOptions extends ProducedBatchesOptions {
  readonly sequences: ClientSequences
  /** How long a request may take, in milliseconds. */
  readonly requestTimeoutMs: number
}

/** The answer comes before the client gives up, by this much, in milliseconds. */
const slackMs = 1000
const leastMs = 500
/** A convoy takes no request that makes it longer, in bytes: what is sent together is refused together where it is too large. */
const mostConvoyBytes = 64 * 1024
/** What a broker says of a batch for one of its messages, or for its size: they may hold of a part of a joined one only. */
const ofContents: ReadonlySet<number> = new Set([2, 10, 18, 32, 87])

/** A request that has come, without what is known of it already. */
interface Asked {
  readonly request: ProduceRequest
  /** As the client wrote it; undefined where some of it is known. */
  readonly frame: Buffer | undefined
  readonly bytes: number
  /** When its answer is due, on the clock of `performance.now()`. */
  readonly end: number
}

/** One that waits for its turn. */
interface Member extends Asked {
  readonly outcome: ReturnType<typeof deferred<Outcome>>
  /** Ends the wait. */
  due?: NodeJS.Timeout
}

/** Those that wait for the same turn, the oldest first. */
type Convoy = Set<Member>

/** Where the batch of a request is in a joined one. */
interface Share {
  readonly batch: ProducedPartition
  /** So many messages are before it. */
  readonly from: number
}

export class ProduceRequests {
  private readonly options: ProduceRequestsOptions
  private readonly batches: ProducedBatches
  /** Those whose turn has not come. */
  private readonly convoys = new Map<Turn, Convoy>()

  constructor(options: ProduceRequestsOptions) {
    this.options = options
    this.batches = new ProducedBatches(options)
    options.signal.addEventListener('abort', () => {
      for (const convoy of this.convoys.values()) for (const member of convoy) this.leave(convoy, member)
    })
  }

  async answer(frame: Buffer): Promise<Buffer> {
    const { sequences, requestTimeoutMs } = this.options
    const request = readProduce(frame)
    const { partitions, timeoutMs } = request
    const withinMs = Math.max(leastMs, Math.min(timeoutMs - slackMs, requestTimeoutMs))
    const end = performance.now() + withinMs
    const known = partitions.flatMap((batch) => sequences.take(batch) ?? [])
    const settled = new Set(known.map(partitionKey))
    const outcome = await this.inTurn({
      request:
        settled.size === 0
          ? request
          : { ...request, partitions: partitions.filter((batch) => !settled.has(partitionKey(batch))) },
      frame: settled.size === 0 ? frame : undefined,
      ...{ bytes: frame.length, end },
    })
    const results = [...known, ...outcome.results]
    sequences.settle(partitions, results)
    return outcome.answer ?? producedAnswer(results, outcome.throttleMs)
  }

  private async inTurn(asked: Asked): Promise<Outcome> {
    const { request, bytes, end } = asked
    const turn = this.turnOfConvoy(asked) ?? this.options.order.enter(request.partitions, bytes)
    if (!turn.come) {
      try {
        return await this.alone(asked)
      } finally {
        turn.leave()
      }
    }
    const convoy = this.convoys.get(turn) ?? this.convoyFor(turn, turn.come)
    const member: Member = { ...asked, outcome: deferred<Outcome>() }
    member.due = setTimeout(() => this.leave(convoy, member), end - performance.now())
    convoy.add(member)
    return member.outcome.promise
  }

  private convoyFor(turn: Turn, come: Promise<unknown>): Convoy {
    const convoy: Convoy = new Set()
    this.convoys.set(turn, convoy)
    void come.then(async () => {
      this.convoys.delete(turn)
      for (const { due } of convoy) clearTimeout(due)
      await this.together([...convoy])
      turn.leave()
    })
    return convoy
  }

  /** Its turn has not come in time. */
  private leave(convoy: Convoy, member: Member): void {
    clearTimeout(member.due)
    convoy.delete(member)
    const open = member.request.partitions.map((batch) => opened(batch))
    member.outcome.resolve({ results: this.batches.givenUp(open), throttleMs: 0 })
  }

  /** The turn of a convoy that takes this request: it is the last at each of its partitions, and no other answer would be due first. */
  private turnOfConvoy({ request, bytes }: Asked): Turn | undefined {
    const { order } = this.options
    const turn = order.lastOf(request.partitions)
    const [first] = (turn && this.convoys.get(turn)) ?? []
    if (!turn || !first || turn.bytes + bytes > mostConvoyBytes) return undefined
    const { acks, timeoutMs } = first.request
    if (acks !== request.acks || timeoutMs !== request.timeoutMs) return undefined
    const canJoin = [first.request, request].every(({ partitions }) =>
      partitions.every(({ records }) => isJoinable(records)),
    )
    return canJoin && order.extend(turn, bytes) ? turn : undefined
  }

  private async alone(
    { request, frame, end }: Asked,
    open = request.partitions.map((batch) => opened(batch)),
  ): Promise<Outcome> {
    const delivered = await this.batches.deliver(request, frame, open, end)
    if (delivered.open.length === 0) return delivered
    return { ...delivered, results: [...delivered.results, ...this.batches.givenUp(delivered.open)] }
  }

  /** Settles them all, the batches of each partition joined. What is refused for its contents, or open when the first has no more time, goes on one by one. */
  private async together(members: readonly Member[]): Promise<void> {
    try {
      const [first] = members
      if (!first) return
      if (members.length === 1) return first.outcome.resolve(await this.alone(first))
      const { joint, shares } = joinedBatches(members)
      const { results, open, throttleMs } = await this.batches.deliver(first.request, undefined, joint, first.end)
      const told = new Map(results.map((result) => [partitionKey(result), result]))
      const doubtful = new Set(open.filter(({ isUncertain }) => isUncertain).map(({ key }) => key))
      const late: (() => Promise<void>)[] = []
      for (const asked of members) {
        const own: ProducedResult[] = []
        const left: Open[] = []
        for (const { batch, from } of shares.get(asked) ?? []) {
          const result = told.get(partitionKey(batch))
          if (!result || ofContents.has(result.errorCode))
            left.push(opened(batch, 1, doubtful.has(partitionKey(batch))))
          else own.push(result.offset < 0n ? result : { ...result, offset: result.offset + BigInt(from) })
        }
        if (left.length === 0) asked.outcome.resolve({ results: own, throttleMs })
        else
          late.push(async () => {
            const rest = await this.alone({ ...asked, frame: undefined }, left)
            asked.outcome.resolve({
              results: [...own, ...rest.results],
              throttleMs: Math.max(throttleMs, rest.throttleMs),
            })
          })
      }
      for (const settle of late) await settle()
    } catch (error) {
      for (const { outcome } of members) outcome.reject(error)
    }
  }
}

function joinedBatches(members: readonly Asked[]): { joint: Open[]; shares: Map<Asked, Share[]> } {
  const byKey = new Map<string, ProducedPartition[]>()
  const counts = new Map<string, number>()
  const shares = new Map<Asked, Share[]>()
  for (const asked of members) {
    const own = asked.request.partitions.map((batch) => {
      const key = partitionKey(batch)
      const from = counts.get(key) ?? 0
      counts.set(key, from + batch.count)
      byKey.set(key, [...(byKey.get(key) ?? []), batch])
      return { batch, from }
    })
    shares.set(asked, own)
  }
  const joint = [...byKey].map(([key, parts]) => {
    const records = joined(
      parts.map((each) => each.records),
      checksum,
    )
    return opened({ ...(parts[0] as ProducedPartition), records, count: counts.get(key) ?? 0 }, parts.length)
  })
  return { joint, shares }
}
