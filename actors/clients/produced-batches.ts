/**
 * Batches of records on their way into the log: each is owned until it has a definite answer, or the time is up. Leaders are looked up, and only what
 * is open goes out again.
 */

import type { Fact } from '../../machines/fact.ts'
import { partitionKey, type TopicPartition } from '../../machines/topic-partition.ts'
import { ConnectionError } from '../connection/connection.ts'
import { Streak } from '../connection/retry-pace.ts'
import { errorCodes } from '../protocol/frames.ts'
import {
  type ProducedPartition,
  type ProducedResult,
  type ProduceTerms,
  produceRequest,
  readProduced,
} from '../protocol/produce.ts'
import { deadline } from '../time/deadline.ts'
import { sleep } from '../time/sleep.ts'
import type { Link } from '../wire/link.ts'
import type { Leaders } from './leaders.ts'
import type { ProducedOrder } from './produced-order.ts'
import type { ProducerIds, Writing } from './producer-ids.ts'

export interface ProducedBatchesOptions {
  readonly clientId: string
  readonly leaders: Leaders
  readonly order: ProducedOrder
  readonly producerIds: ProducerIds
  readonly linkTo: (nodeId: number) => Link
  readonly emit: (fact: Fact) => void
  /** The wire is there. */
  readonly signal: AbortSignal
}

/** These pass, or another leader knows better: whoever leads is looked up, and asked again. */
const passing: ReadonlySet<number> = new Set([3, 5, 6, 13, 19, 56, 72, 74, 75])
/** The broker may have written what it answers this to: after its time, or too few replicas have it. */
const uncertain: ReadonlySet<number> = new Set([7, 20])
/** It has written it before. */
const duplicateSequence = 46
/** What comes before it is not in its log, or nothing of this producer: it has not written it, and would take nothing that comes behind it. */
const brokenSequences: ReadonlySet<number> = new Set([45, 59])
/** Of KafkaJS's errors one that it does not repeat. */
const unknownOutcome = errorCodes.unknownServerError
/** The same for a transaction that can't go on. */
const fencedProducer = 47

/** The leader may answer after its own limit, by this much, in milliseconds. */
const slackMs = 1000
/** No round begins that has less time than this, in milliseconds: what it sent would be in doubt for nothing. */
const lastRoundMs = 100
/** The waits of rounds in a row that failed. */
const failedRounds = { baseMs: 20, capMs: 250 }
/** A topic that brokers have not known for so long is gone, in milliseconds. */
const deniedForMs = 5000

/** A batch that is open. */
export interface Open extends TopicPartition {
  readonly key: string
  /** As the client wrote it. */
  readonly given: ProducedPartition
  /** So many batches of the client's are joined in it. */
  readonly parts: number
  /** As it goes out. */
  batch: ProducedPartition
  /** Of an idempotent producer. */
  writing: Writing | undefined
  /** What was sent of it may have been written. */
  isUncertain: boolean
  /** Since when brokers do not know it. */
  deniedAt: number | undefined
}

export interface Outcome {
  readonly results: readonly ProducedResult[]
  readonly throttleMs: number
  /** Where the leader has written all that it was sent. */
  readonly answer?: Buffer
}

export interface Delivered extends Outcome {
  /** What the time was up for. */
  readonly open: readonly Open[]
}

/** What came of one round at one leader. */
interface Round extends Outcome {
  /** Something is open that this node does not take: another one may lead. */
  readonly isElsewhere: boolean
}

export class ProducedBatches {
  private readonly options: ProducedBatchesOptions

  constructor(options: ProducedBatchesOptions) {
    this.options = options
  }

  /**
   * Resolves when all of these batches have a definite answer, or at `end` on the clock of `performance.now()`. `frame` is a request with all of them,
   * as the client wrote it, where there is one.
   */
  async deliver(
    request: ProduceTerms,
    frame: Buffer | undefined,
    all: readonly Open[],
    end: number,
  ): Promise<Delivered> {
    const { leaders, signal } = this.options
    const isNumbered = all.some(({ given }) => given.producerId >= 0n)
    const results: ProducedResult[] = []
    let throttleMs = 0
    let open = all
    const rounds = new Streak()
    while (open.length > 0 && end - performance.now() > lastRoundMs && !signal.aborted) {
      if (isNumbered) results.push(...(await this.number(open, request.transactionalId !== null, end)))
      const groups = leaders.group(open.filter(({ given, writing }) => writing || given.producerId < 0n))
      // Where all of it goes to one leader, as the client wrote it, nothing has to be written again, nor its answer.
      const isWhole = groups.size === 1 && [...groups.values()][0]?.length === all.length
      const whole = isWhole && all.every(({ given, batch }) => given === batch) ? frame : undefined
      const told = await Promise.all([...groups].map(([leader, part]) => this.sent(request, leader, part, end, whole)))
      if (whole && told[0]?.answer) return { ...told[0], open: [] }
      for (const round of told) {
        results.push(...round.results)
        throttleMs = Math.max(throttleMs, round.throttleMs)
      }
      const over = new Set(results.map(partitionKey))
      open = open.filter(({ key }) => !over.has(key))
      if (open.length === 0) break
      rounds.failed(failedRounds)
      const pause = sleep(Math.min(rounds.waitMs, end - performance.now()), signal)
      const lookUp = leaders.lookUp(open.map(({ topic }) => topic)).catch(() => {})
      // A connection that ended says nothing of who leads: its link dials the node anew, and the look-up may take longer than that.
      if (told.some(({ isElsewhere }) => isElsewhere) || groups.size === 0)
        await deadline(lookUp, Math.max(0, end - performance.now()), () => {}, signal)
      await pause
      for (const each of open) each.deniedAt = leaders.isDenied(each) ? (each.deniedAt ?? performance.now()) : undefined
      const gone = open.filter(({ deniedAt = end }) => performance.now() - deniedAt > deniedForMs)
      results.push(...gone.map((each) => failed(each, errorCodes.invalidTopic)))
      open = open.filter((each) => !gone.includes(each))
    }
    return { results, throttleMs, open }
  }

  /**
   * Numbers the batches of an idempotent producer that are not yet. What can't be written any more is settled: a transaction does not go on under
   * another id, only its producer can begin the next.
   */
  private async number(open: readonly Open[], isTransactional: boolean, end: number): Promise<ProducedResult[]> {
    const { producerIds, signal } = this.options
    const settled: ProducedResult[] = []
    const late = (): never => {
      throw new ConnectionError({ kind: 'unreachable', message: 'No broker gave a producer id in time' })
    }
    for (const each of open) {
      if (each.given.producerId < 0n || each.writing) continue
      let writing = producerIds.writingOf(each.given)
      if (writing.isOver && isTransactional) {
        settled.push(failed(each, fencedProducer))
        continue
      }
      try {
        if (writing.isOver)
          writing = await deadline(producerIds.renewed(each.given), Math.max(0, end - performance.now()), late, signal)
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        continue
      }
      each.writing = writing
      each.batch = writing.numbered(each.given)
    }
    return settled
  }

  private async sent(
    request: ProduceTerms,
    leader: number,
    part: readonly Open[],
    end: number,
    whole: Buffer | undefined,
  ): Promise<Round> {
    const { clientId, linkTo, order, signal } = this.options
    const timeoutMs = Math.max(1, Math.min(request.timeoutMs, Math.round(end - performance.now())))
    for (const { isUncertain, writing, parts } of part) if (isUncertain && !writing) order.repeated += parts
    try {
      const batches = () => part.map(({ batch }) => batch)
      const frame = whole ?? produceRequest(request, batches(), timeoutMs, clientId)
      const answer = await linkTo(leader).send(frame, timeoutMs + slackMs, { delivery: 'once', withinMs: timeoutMs })
      const { results, throttleMs } = readProduced(answer)
      const byKey = new Map(part.map((each) => [each.key, each]))
      const settled = results.flatMap((result) => {
        const own = byKey.get(partitionKey(result))
        return own ? this.settle(own, result, request.transactionalId !== null) : []
      })
      const isWritten =
        settled.length === part.length && results.every(({ errorCode }) => errorCode === errorCodes.none)
      return { results: settled, ...(isWritten && { answer }), throttleMs, isElsewhere: settled.length < part.length }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      const isLost = error.failure.code === 'ANSWER_LOST' || signal.aborted
      if (isLost) for (const each of part) each.isUncertain = true
      return { results: [], throttleMs: 0, isElsewhere: !isLost }
    }
  }

  /** What the client is told of a partition after this answer of its leader; nothing where it stays open. */
  private settle(own: Open, result: ProducedResult, isTransactional: boolean): ProducedResult[] {
    const { errorCode } = result
    const { batch, writing } = own
    if (uncertain.has(errorCode)) own.isUncertain = true
    if (uncertain.has(errorCode) || passing.has(errorCode)) return []
    if (errorCode === errorCodes.none || (errorCode === duplicateSequence && own.isUncertain)) {
      writing?.wrote(batch)
      return [{ ...result, errorCode: errorCodes.none }]
    }
    if (writing && brokenSequences.has(errorCode)) {
      writing.isOver = true
      own.isUncertain = false
      if (!isTransactional) {
        own.writing = undefined
        return []
      }
    }
    // What was sent before may be written, whatever is refused now.
    if (own.isUncertain) return this.givenUp([own])
    writing?.refused(batch)
    return [result]
  }

  /** It can't be waited for any more. What went out may have been written or not: an idempotent producer can't go on behind it under the same id. */
  givenUp(open: readonly Open[]): ProducedResult[] {
    const names = (some: readonly Open[]) => some.map(({ key }) => key).join(', ')
    const unknown = open.filter(({ isUncertain }) => isUncertain)
    const untaken = open.filter(({ isUncertain }) => !isUncertain)
    const messages = [
      ...(unknown.length > 0
        ? [
            `no leader has acknowledged what was sent to ${names(unknown)} in time; whether it was written can't be known`,
          ]
        : []),
      ...(untaken.length > 0
        ? [`no leader has taken what was sent to ${names(untaken)} in time; it was not written`]
        : []),
    ]
    this.options.emit({
      type: 'response.lost',
      request: `Produce v7 to ${names(open)}`,
      failure: { kind: 'unreachable', message: messages.join('; '), code: 'ETIMEDOUT' },
    })
    for (const { writing } of unknown) if (writing) writing.isOver = true
    return open.map((each) => failed(each, unknownOutcome))
  }
}

/** A batch that is to be delivered. */
export const opened = (given: ProducedPartition, parts = 1, isUncertain = false): Open => {
  const { topic, partition } = given
  const state = { batch: given, writing: undefined, isUncertain, deniedAt: undefined }
  return { topic, partition, key: partitionKey(given), given, parts, ...state }
}

const failed = ({ topic, partition }: TopicPartition, errorCode: number): ProducedResult => {
  return { topic, partition, errorCode, offset: -1n, logAppendTime: -1n, logStart: -1n }
}
