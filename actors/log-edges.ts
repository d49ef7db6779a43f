/** The edges of logs: what the leaders of partitions say of where their logs begin and end, and how far a leader epoch reached. */

import type { TopicPartition } from '../machines/fact.ts'
import { ConnectionError } from './connection.ts'
import { errorCodes, FrameReader } from './frames.ts'
import type { Link } from './link.ts'
import type { Log, LogEdge } from './positions.ts'
import { epochEndRequest, logEdgeRequest } from './requests.ts'

export interface LogEdgesOptions {
  readonly clientId: string
  readonly readUncommitted: boolean
  readonly leaderOf: (partition: TopicPartition) => number | undefined
  readonly linkTo: (nodeId: number) => Link
}

const withinMs = 2000

export class LogEdges implements Log {
  private readonly options: LogEdgesOptions

  constructor(options: LogEdgesOptions) {
    this.options = options
  }

  async edge(where: TopicPartition, edge: 'start' | 'end'): Promise<LogEdge> {
    const { readUncommitted, clientId } = this.options
    const reader = new FrameReader(await this.ask(where, logEdgeRequest(where, edge, readUncommitted, clientId)))
    reader.skip(4 + 4) // throttle, topics
    reader.string()
    reader.skip(4 + 4) // partitions, partition
    const errorCode = reader.int16()
    if (errorCode !== errorCodes.none) throw refused(`the ${edge}`, where, errorCode)
    reader.skip(8) // time
    return { offset: reader.int64(), leaderEpoch: reader.int32() }
  }

  async epochEnd(where: TopicPartition, leaderEpoch: number): Promise<bigint | undefined> {
    const answer = await this.ask(where, epochEndRequest(where, leaderEpoch, this.options.clientId))
    const reader = new FrameReader(answer)
    reader.skip(4 + 4) // throttle, topics
    reader.string()
    reader.skip(4) // partitions
    const errorCode = reader.int16()
    if (errorCode !== errorCodes.none) throw refused(`the end of leader epoch ${leaderEpoch}`, where, errorCode)
    reader.skip(4 + 4) // partition, the newest epoch that is not later
    const end = reader.int64()
    return end < 0n ? undefined : end
  }

  private ask(where: TopicPartition, frame: Buffer): Promise<Buffer> {
    const leader = this.options.leaderOf(where)
    if (leader === undefined) throw noOffset(`${where.topic}/${where.partition} has no leader`)
    return this.options.linkTo(leader).send(frame, withinMs)
  }
}

const refused = (what: string, { topic, partition }: TopicPartition, code: number): ConnectionError =>
  noOffset(`asking for ${what} of ${topic}/${partition} gave Kafka's error ${code}`)

const noOffset = (message: string): ConnectionError => new ConnectionError({ kind: 'unreachable', message })
