/**
 * The messages of a client's producers. KafkaJS repeats a send that failed in part, and takes brokers that answered once for done: it acknowledges
 * what was never written. So a Produce is owned here until each of its partitions has a definite answer, or the time is up: leaders are looked
 * up, only what is open goes out again, and KafkaJS sees one answer without an error that it would repeat.
 */

import type { Fact, TopicPartition } from '../../machines/fact.ts'
import { ConnectionError } from '../connection/connection.ts'
import { Streak } from '../connection/retry-pace.ts'
import { errorCodes } from '../protocol/frames.ts'
import {
  type ProducedPartition,
  type ProducedResult,
  type ProduceRequest,
  producedAnswer,
  produceRequest,
  readProduce,
  readProduced,
} from '../protocol/produce.ts'
import { deadline } from '../time/deadline.ts'
import { sleep } from '../time/sleep.ts'
import type { Link } from '../wire/link.ts'
import type { Leaders } from './leaders.ts'
import type { ProducedOrder } from './produced-order.ts'

export interface ProduceRequestsOptions {
  readonly clientId: string
  readonly leaders: Leaders
  readonly order: ProducedOrder
  readonly linkTo: (nodeId: number) => Link
  /** How long a request may take, in milliseconds. */
  readonly requestTimeoutMs: number
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
/** Of KafkaJS's errors one that it does not repeat. */
const unknownOutcome = errorCodes.unknownServerError
/** The same for a producer whose sequence is broken. */
const brokenSequence = 47

/** The answer comes before the client gives up, by this much, in milliseconds. */
const slackMs = 1000
const leastMs = 500
/** No round begins that has less time than this, in milliseconds: what it sent would be in doubt for nothing. */
const lastRoundMs = 100
/** The waits of rounds in a row that failed. */
const failedRounds = { baseMs: 20, capMs: 250 }

/** A partition that is open, and whether what was sent of it may have been written. */
interface Open extends ProducedPartition {
  isUncertain: boolean
}

/** What came of one round at one leader. */
interface Round {
  readonly settled: ProducedResult[]
  readonly throttleMs: number
  /** Something is open that this node does not take: another one may lead. */
  readonly isElsewhere: boolean
}

export class ProduceRequests {
  private readonly options: ProduceRequestsOptions

  constructor(options: ProduceRequestsOptions) {
    this.options = options
  }

  async answer(frame: Buffer): Promise<Buffer> {
    const { order, requestTimeoutMs, signal } = this.options
    const request = readProduce(frame)
    const withinMs = Math.max(leastMs, Math.min(request.timeoutMs - slackMs, requestTimeoutMs))
    const end = performance.now() + withinMs
    const turn = order.enter(request.partitions)
    const done = await deadline<(() => void) | undefined>(turn, withinMs, () => undefined, signal)
    if (!done) {
      // Those behind it wait for those before it all the same.
      void turn.then((leave) => leave())
      return producedAnswer(this.givenUp(request.partitions.map((each) => ({ ...each, isUncertain: false }))), 0)
    }
    try {
      return await this.produced(request, end)
    } finally {
      done()
    }
  }

  private async produced(request: ProduceRequest, end: number): Promise<Buffer> {
    const { order, signal } = this.options
    const results: ProducedResult[] = []
    let throttle = 0
    let open: Open[] = []
    for (const each of request.partitions) {
      if (order.isFenced(each.producerId)) results.push(failed(each, brokenSequence))
      else open.push({ ...each, isUncertain: false })
    }
    const rounds = new Streak()
    while (open.length > 0 && end - performance.now() > lastRoundMs && !signal.aborted) {
      const groups = this.byLeader(open)
      const told = await Promise.all([...groups].map(([leader, part]) => this.sent(request, leader, part, end)))
      for (const { settled, throttleMs } of told) {
        results.push(...settled)
        throttle = Math.max(throttle, throttleMs)
      }
      const over = new Set(results.map(keyOf))
      open = open.filter((each) => !over.has(keyOf(each)))
      if (open.length === 0) break
      rounds.failed(failedRounds)
      const pause = sleep(Math.min(rounds.waitMs, end - performance.now()), signal)
      const lookUp = this.options.leaders.lookUp(open.map(({ topic }) => topic)).catch(() => {})
      // A connection that ended says nothing of who leads: its link dials the node anew, and the look-up may take longer than that.
      if (told.some(({ isElsewhere }) => isElsewhere) || groups.size === 0)
        await deadline(lookUp, Math.max(0, end - performance.now()), () => {}, signal)
      await pause
    }
    if (open.length > 0) results.push(...this.givenUp(open))
    return producedAnswer(results, throttle)
  }

  /** Open partitions by the node that leads them, as far as one does. */
  private byLeader(open: readonly Open[]): Map<number, Open[]> {
    const groups = new Map<number, Open[]>()
    for (const each of open) {
      const leader = this.options.leaders.of(each) ?? -1
      if (leader >= 0) groups.set(leader, [...(groups.get(leader) ?? []), each])
    }
    return groups
  }

  private async sent(request: ProduceRequest, leader: number, part: readonly Open[], end: number): Promise<Round> {
    const { clientId, linkTo, order, signal } = this.options
    const timeoutMs = Math.max(1, Math.min(request.timeoutMs, Math.round(end - performance.now())))
    const again = part.filter(({ isUncertain, producerId }) => isUncertain && producerId < 0n)
    if (again.length > 0) order.noteRepeated(again.length)
    const given = new AbortController()
    const link = linkTo(leader)
    const askedAt = performance.now()
    const late = (): never => {
      // Its requests are too short-lived to show by themselves that the connection is dead.
      if (!signal.aborted) link.detector.suspect(askedAt)
      const message = 'The leader did not answer in time'
      throw new ConnectionError({ kind: 'unreachable', message, code: 'ANSWER_LOST' })
    }
    try {
      const frame = produceRequest(request, part, timeoutMs, clientId)
      const sending = link.send(frame, timeoutMs + slackMs, { delivery: 'once', signal: given.signal })
      const answer = await deadline(sending, timeoutMs, late, signal)
      const { results, throttleMs } = readProduced(answer)
      const settled: ProducedResult[] = []
      for (const result of results) {
        const own = part.find((each) => keyOf(each) === keyOf(result))
        if (own && uncertain.has(result.errorCode)) own.isUncertain = true
        else if (own && result.errorCode === duplicateSequence && own.isUncertain)
          settled.push({ ...result, errorCode: errorCodes.none })
        else if (passing.has(result.errorCode)) continue
        // What was sent before may be written, whatever is refused now.
        else if (own?.isUncertain && result.errorCode !== errorCodes.none) settled.push(...this.givenUp([own]))
        else settled.push(result)
      }
      return { settled, throttleMs, isElsewhere: settled.length < part.length }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      const isLost = error.failure.code === 'ANSWER_LOST'
      if (isLost) for (const each of part) each.isUncertain = true
      return { settled: [], throttleMs: 0, isElsewhere: !isLost }
    } finally {
      given.abort('settled')
    }
  }

  /** The time is up. What went out may have been written or not: an idempotent producer can't go on behind it. */
  private givenUp(open: readonly Open[]): ProducedResult[] {
    const { emit, order } = this.options
    const names = open.map(({ topic, partition }) => `${topic}/${partition}`).join(', ')
    const isUncertain = open.some((each) => each.isUncertain)
    const message = isUncertain
      ? `no leader has acknowledged what was sent to ${names} in time; whether it was written can't be known`
      : `no leader has taken what was sent to ${names} in time; it was not written`
    emit({
      type: 'response.lost',
      request: `Produce v7 to ${names}`,
      failure: { kind: 'unreachable', message, code: 'ETIMEDOUT' },
    })
    for (const { producerId } of open) if (producerId >= 0n) order.fence(producerId)
    return open.map((each) => failed(each, unknownOutcome))
  }
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

const failed = ({ topic, partition }: TopicPartition, errorCode: number): ProducedResult => {
  return { topic, partition, errorCode, offset: -1n, logAppendTime: -1n, logStart: -1n }
}
