/** The edges of logs: what the leaders of partitions say of where their logs begin and end, and how far a leader epoch reached. */

import type { TopicPartition } from '../../machines/fact.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import type { Log, LogEdge } from '../delivery/positions.ts'
import { errorCodes, FrameReader } from '../protocol/frames.ts'
import { epochEndRequest, logEdgeRequest } from '../protocol/requests.ts'
import type { Link } from './link.ts'

export interface LogEdgesOptions {
  readonly clientId: string
  readonly readUncommitted: boolean
  readonly leaderOf: (partition: TopicPartition) => number | undefined
  readonly linkTo: (nodeId: number) => Link
  /** Leaders have to be looked up again. */
  readonly refreshLeaders: () => void
}

const withinMs = 2000

export class LogEdges implements Log {
  private readonly options: LogEdgesOptions
  /** Looks in a row that came to nothing. */
  private readonly failures = new Streak()

  constructor(options: LogEdgesOptions) {
    this.options = options
  }

  async edge(where: TopicPartition, edge: 'start' | 'end'): Promise<LogEdge> {
    const { readUncommitted, clientId } = this.options
    const request = logEdgeRequest(where, edge, readUncommitted, clientId)
    const reader = await this.ask(where, `the ${edge}`, request, partitionsBefore + partitionBefore)
    reader.skip(8) // time
    return { offset: reader.int64(), leaderEpoch: reader.int32() }
  }

  async epochEnd(where: TopicPartition, leaderEpoch: number): Promise<bigint | undefined> {
    const request = epochEndRequest(where, leaderEpoch, this.options.clientId)
    const reader = await this.ask(where, `the end of leader epoch ${leaderEpoch}`, request, partitionsBefore)
    reader.skip(partitionBefore + 4) // and the newest epoch that is not later
    const end = reader.int64()
    return end < 0n ? undefined : end
  }

  /** The answer behind its error code, which comes so many bytes after the topic. */
  private async ask(where: TopicPartition, what: string, frame: Buffer, errorAfter: number): Promise<FrameReader> {
    const { leaderOf, linkTo, refreshLeaders } = this.options
    try {
      const leader = leaderOf(where)
      if (leader === undefined) throw noOffset(`${where.topic}/${where.partition} has no leader`)
      const reader = new FrameReader(await linkTo(leader).send(frame, withinMs))
      reader.skip(4 + 4) // throttle, topics
      reader.string()
      reader.skip(errorAfter)
      const errorCode = reader.int16()
      if (errorCode !== errorCodes.none) throw refused(what, where, errorCode)
      this.failures.succeeded()
      return reader
    } catch (error) {
      // Another node may lead by now, and of a partition without a place no fetch would show that.
      if (this.failures.waitMs === 0) {
        this.failures.failed(bounds.lookUp)
        refreshLeaders()
      }
      throw error
    }
  }
}

/** Bytes of the number of partitions, and of the number of one. */
const partitionsBefore = 4
const partitionBefore = 4

const refused = (what: string, { topic, partition }: TopicPartition, code: number): ConnectionError =>
  noOffset(`asking for ${what} of ${topic}/${partition} gave Kafka's error ${code}`)

const noOffset = (message: string): ConnectionError => new ConnectionError({ kind: 'unreachable', message })
