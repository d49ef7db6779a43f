/** Log offsets: asks the leaders of partitions where their logs begin and end (ListOffsets), and where a leader epoch ends (OffsetForLeaderEpoch). */

import type { TopicPartition } from '../../machines/fact.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import type { Log, LogEdge } from '../delivery/log.ts'
import { errorCodes, FrameReader } from '../protocol/frames.ts'
import { type EpochPlace, epochEndsRequest, logEdgeRequest } from '../protocol/requests.ts'
import type { Link } from './link.ts'

export interface LogOffsetsOptions {
  readonly clientId: string
  readonly readUncommitted: boolean
  readonly leaderOf: (partition: TopicPartition) => number | undefined
  readonly linkTo: (nodeId: number) => Link
  /** Leaders have to be looked up again. */
  readonly refreshLeaders: () => void
}

/** The longest silence while an answer is waited for, in milliseconds. */
const silenceMs = 2000

export class LogOffsets implements Log {
  private readonly options: LogOffsetsOptions
  /** Failed look-ups in a row. */
  private readonly failures = new Streak()

  constructor(options: LogOffsetsOptions) {
    this.options = options
  }

  edge(where: TopicPartition, edge: 'start' | 'end'): Promise<LogEdge> {
    const { leaderOf, readUncommitted, clientId } = this.options
    return this.looking(async () => {
      const reader = new FrameReader(
        await this.ask(where, leaderOf(where), logEdgeRequest(where, edge, readUncommitted, clientId)),
      )
      reader.skip(4 + 4) // throttle, topics
      reader.string()
      reader.skip(4 + 4) // partitions, and the number of this one
      const errorCode = reader.int16()
      if (errorCode !== errorCodes.none) throw refused(`the ${edge}`, where, errorCode)
      reader.skip(8) // time
      return { offset: reader.int64(), leaderEpoch: reader.int32() }
    })
  }

  async epochEnd(where: TopicPartition, leaderEpoch: number): Promise<bigint | undefined> {
    return await this.epochEnds([{ ...where, leaderEpoch }])[0]
  }

  epochEnds(places: readonly EpochPlace[]): Promise<bigint | undefined>[] {
    const { leaderOf, clientId } = this.options
    const leaders = places.map((place) => leaderOf(place))
    const answers = new Map<number | undefined, Promise<ReadonlyMap<string, EpochEnd>>>()
    return places.map((place, index) =>
      this.looking(async () => {
        const leader = leaders[index]
        const led = () => places.filter((_, other) => leaders[other] === leader)
        const answer =
          answers.get(leader) ?? this.ask(place, leader, epochEndsRequest(led(), clientId)).then(readEpochEnds)
        answers.set(leader, answer)
        const what = `the end of leader epoch ${place.leaderEpoch}`
        const { errorCode, end } = (await answer).get(`${place.topic}/${place.partition}`) ?? unanswered
        if (errorCode !== errorCodes.none) throw refused(what, place, errorCode)
        return end < 0n ? undefined : end
      }),
    )
  }

  private async ask({ topic, partition }: TopicPartition, leader: number | undefined, frame: Buffer): Promise<Buffer> {
    if (leader === undefined) throw noOffset(`${topic}/${partition} has no leader`)
    return this.options.linkTo(leader).send(frame, silenceMs)
  }

  private async looking<Found>(look: () => Promise<Found>): Promise<Found> {
    try {
      const found = await look()
      this.failures.succeeded()
      return found
    } catch (error) {
      // Another node may lead by now. A partition without a position is not fetched, so no fetch would show it.
      if (this.failures.waitMs === 0) {
        this.failures.failed(bounds.lookUp)
        this.options.refreshLeaders()
      }
      throw error
    }
  }
}

/** What a leader answers of one epoch; the end is −1 where it knows nothing of it. */
interface EpochEnd {
  readonly errorCode: number
  readonly end: bigint
}

const unanswered: EpochEnd = { errorCode: errorCodes.unknownServerError, end: -1n }

/** By topic and partition. */
function readEpochEnds(frame: Buffer): Map<string, EpochEnd> {
  const reader = new FrameReader(frame)
  reader.skip(4) // throttle
  const found = new Map<string, EpochEnd>()
  reader.partitions((topic) => {
    const errorCode = reader.int16()
    const partition = reader.int32()
    reader.skip(4) // the newest epoch that is not later
    found.set(`${topic}/${partition}`, { errorCode, end: reader.int64() })
  })
  return found
}

const refused = (what: string, { topic, partition }: TopicPartition, code: number): ConnectionError =>
  noOffset(`asking for ${what} of ${topic}/${partition} gave Kafka's error ${code}`)

const noOffset = (message: string): ConnectionError => new ConnectionError({ kind: 'unreachable', message })
