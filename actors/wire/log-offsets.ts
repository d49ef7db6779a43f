/** Log offsets: asks the leaders of partitions where their logs begin and end (ListOffsets), and where a leader epoch ends (OffsetForLeaderEpoch). */

import type { TopicPartition } from '../../machines/topic-partition.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import type { Log, LogEdge } from '../delivery/log.ts'
import { errorCodes, FrameReader } from '../protocol/frames.ts'
import { type EpochPlace, epochEndsRequest, logEdgesRequest } from '../protocol/requests.ts'
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

  async edge(where: TopicPartition, edge: 'start' | 'end'): Promise<LogEdge> {
    const [asked] = this.edges([where], edge)
    return asked as Promise<LogEdge>
  }

  /** The same for many, in their order, with one request per leader. */
  edges(places: readonly TopicPartition[], edge: 'start' | 'end'): Promise<LogEdge>[] {
    const { readUncommitted, clientId } = this.options
    const request = (led: readonly TopicPartition[]) => logEdgesRequest(led, edge, readUncommitted, clientId)
    return this.askEach(places, request, readEdges, () => `the ${edge}`)
  }

  async epochEnd(where: TopicPartition, leaderEpoch: number): Promise<bigint | undefined> {
    return await this.epochEnds([{ ...where, leaderEpoch }])[0]
  }

  epochEnds(places: readonly EpochPlace[]): Promise<bigint | undefined>[] {
    const { clientId } = this.options
    const request = (led: readonly EpochPlace[]) => epochEndsRequest(led, clientId)
    return this.askEach(places, request, readEpochEnds, ({ leaderEpoch }) => `the end of leader epoch ${leaderEpoch}`)
  }

  /** Asks the leaders of these places, each once for all that it leads. Rejects what a leader answers with an error; `what` was asked for. */
  private askEach<Place extends TopicPartition, Found>(
    places: readonly Place[],
    request: (led: readonly Place[]) => Buffer,
    read: (frame: Buffer) => Answers<Found>,
    what: (place: Place) => string,
  ): Promise<Found>[] {
    const leaders = places.map((place) => this.options.leaderOf(place))
    const answers = new Map<number | undefined, Promise<Answers<Found>>>()
    return places.map((place, index) =>
      this.looking(async () => {
        const leader = leaders[index]
        const led = () => places.filter((_, other) => leaders[other] === leader)
        const answer = answers.get(leader) ?? this.ask(place, leader, request(led())).then(read)
        answers.set(leader, answer)
        const found = (await answer).get(`${place.topic}/${place.partition}`)
        if (found?.errorCode !== errorCodes.none)
          throw refused(what(place), place, found?.errorCode ?? errorCodes.unknownServerError)
        return found.found
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

/** What a leader answers, by topic and partition. */
type Answers<Found> = ReadonlyMap<string, { readonly errorCode: number; readonly found: Found }>

function readEdges(frame: Buffer): Answers<LogEdge> {
  return readPartitions(frame, (reader) => {
    const partition = reader.int32()
    const errorCode = reader.int16()
    reader.skip(8) // time
    return { partition, errorCode, found: { offset: reader.int64(), leaderEpoch: reader.int32() } }
  })
}

/** Undefined where it knows nothing of the epoch. */
function readEpochEnds(frame: Buffer): Answers<bigint | undefined> {
  return readPartitions(frame, (reader) => {
    const errorCode = reader.int16()
    const partition = reader.int32()
    reader.skip(4) // the newest epoch that is not later
    const end = reader.int64()
    return { partition, errorCode, found: end < 0n ? undefined : end }
  })
}

function readPartitions<Found>(
  frame: Buffer,
  read: (reader: FrameReader) => { partition: number; errorCode: number; found: Found },
): Answers<Found> {
  const reader = new FrameReader(frame)
  reader.skip(4) // throttle
  const answers = new Map<string, { errorCode: number; found: Found }>()
  reader.partitions((topic) => {
    const { partition, ...answer } = read(reader)
    answers.set(`${topic}/${partition}`, answer)
  })
  return answers
}

const refused = (what: string, { topic, partition }: TopicPartition, code: number): ConnectionError =>
  noOffset(`asking for ${what} of ${topic}/${partition} gave Kafka's error ${code}`)

const noOffset = (message: string): ConnectionError => new ConnectionError({ kind: 'unreachable', message })
