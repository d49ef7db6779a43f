// One node: it answers the requests that KafkaJS and the library send, in the versions they are told to speak, one at a time per connection.

import {
  apiKeyOf,
  apiKeys,
  apiVersionOf,
  correlationOf,
  FrameCutter,
  requestBodyOffset,
} from '../../../actors/frames.ts'
import { apiVersionsBody, isSpoken, type VersionTable } from '../../kafka-versions.ts'
import type { Clock } from '../clock.ts'
import type { Connection, Listener } from '../network.ts'
import type { SightingOf } from '../sighting.ts'
import { answerFrame, Bytes, Reading } from './bytes.ts'
import { errors, type Group } from './group.ts'
import type { Log } from './log.ts'

export interface BrokerEntry {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** What a node answers instead of the truth when it is asked for metadata. */
export type Lie = 'silence' | 'hang-up' | ((truth: readonly BrokerEntry[]) => readonly BrokerEntry[])

export interface KafkaWatch {
  committed(commit: Omit<SightingOf<'committed'>, 'type'>): void
  placed(life: string, partition: number, offset: number): void
  /** Where a fault of the brokers took effect. */
  reached(kind: string): void
  /** A node was asked who it is. */
  asked?(): void
}

/** The cluster as its nodes know it. */
interface Cluster {
  readonly clusterId: string
  readonly versions: VersionTable
  readonly clock: Clock
  readonly watch: KafkaWatch
  readonly topic: string
  readonly logs: readonly Log[]
  readonly leaders: readonly number[]
  readonly group: Group
  readonly coordinatorId: number
  readonly loadsUntil: number
  readonly commitErrors: number[]
  lostCommitAnswers: number
  node(nodeId: number): { readonly entry: BrokerEntry }
  entries(): BrokerEntry[]
  await(look: () => void): () => void
}

type Reply = (body: Buffer | undefined) => unknown

export class Node implements Listener {
  readonly nodeId: number
  entry: BrokerEntry
  isUp = true
  isForeign = false
  lie: { readonly kind: string; readonly tell: Lie } | undefined
  private readonly kafka: Cluster

  constructor(kafka: Cluster, nodeId: number, entry: BrokerEntry) {
    this.kafka = kafka
    this.nodeId = nodeId
    this.entry = entry
  }

  accept(connection: Connection): ReturnType<Listener['accept']> {
    const cutter = new FrameCutter()
    const queue: Buffer[] = []
    let isBusy = false
    let isOver = false
    const next = () => {
      if (isBusy || isOver) return
      const request = queue.shift()
      if (!request) return
      isBusy = true
      this.answer(request, connection, (body) => {
        isBusy = false
        if (isOver) return
        if (body) connection.send(answerFrame(correlationOf('request', request), body))
        next()
      })
    }
    return {
      isForeign: this.isForeign,
      receive: (bytes) => {
        queue.push(...cutter.push(bytes))
        next()
      },
      closed: () => {
        isOver = true
      },
    }
  }

  private answer(frame: Buffer, connection: Connection, reply: Reply): unknown {
    const request = new Reading(frame, requestBodyOffset(frame))
    const life = connection.life.name
    // As Kafka does with a version it does not know.
    if (!isSpoken(this.kafka.versions, apiKeyOf(frame), apiVersionOf(frame))) return connection.reset()
    switch (apiKeyOf(frame)) {
      case apiKeys.metadata:
        return this.metadata(request, connection, reply)
      case apiKeys.apiVersions:
        return reply(apiVersionsBody(this.kafka.versions))
      case apiKeys.saslHandshake:
        return reply(new Bytes().int16(0).int32(1).string('PLAIN').taken())
      case apiKeys.saslAuthenticate:
        return reply(new Bytes().int16(0).string(null).block(Buffer.alloc(0)).int64(0).taken())
      case apiKeys.findCoordinator:
        return this.findCoordinator(reply)
      case apiKeys.fetch:
        return this.fetch(request, reply)
      case apiKeys.listOffsets:
        return this.listOffsets(request, reply)
      case apiKeys.offsetCommit:
        return this.commit(request, life, connection, reply)
      case apiKeys.offsetFetch:
        return this.offsets(request, life, reply)
      default:
        return this.member(apiKeyOf(frame), request, reply)
    }
  }

  private metadata(request: Reading, connection: Connection, reply: Reply): unknown {
    const { kafka } = this
    const topics = request.list(() => request.text())
    kafka.watch.asked?.()
    const { lie } = this
    if (lie) kafka.watch.reached(lie.kind)
    if (lie?.tell === 'silence') return
    if (lie?.tell === 'hang-up') return connection.reset()
    const truth = kafka.entries()
    const entries = lie ? lie.tell(truth) : truth
    reply(this.description(entries, topics))
  }

  private description(entries: readonly BrokerEntry[], topics: readonly string[]): Buffer {
    const { kafka } = this
    const answer = new Bytes().int32(0)
    answer.array(entries, ({ nodeId, host, port }) => answer.int32(nodeId).string(host).int32(port).string(null))
    answer.string(kafka.clusterId).int32(entries[0]?.nodeId ?? -1)
    return answer
      .array(topics, (topic) => {
        const isKnown = topic === kafka.topic
        answer
          .int16(isKnown ? 0 : 3)
          .string(topic)
          .int8(0)
        answer.array(isKnown ? [...kafka.leaders.entries()] : [], ([partition, leader]) => {
          answer.int16(0).int32(partition).int32(leader)
          answer.int32(1).int32(leader).int32(1).int32(leader).int32(0)
        })
      })
      .taken()
  }

  private findCoordinator(reply: Reply): void {
    const { kafka } = this
    const { nodeId, host, port } = kafka.node(kafka.coordinatorId).entry
    reply(new Bytes().int32(0).int16(0).string(null).int32(nodeId).string(host).int32(port).taken())
  }

  private fetch(request: Reading, reply: Reply): void {
    const { kafka } = this
    request.int32()
    const maxWaitMs = request.int32()
    request.skip(4 + 4 + 1 + 4 + 4)
    const wanted = request.list(() => {
      request.text()
      return request.list(() => {
        const partition = request.int32()
        request.int32()
        const offset = request.long()
        request.skip(8)
        return { partition, offset, most: request.int32() }
      })
    })
    const partitions = wanted.flat()
    const until = kafka.clock.now + maxWaitMs
    const errorOf = (partition: number, offset: number) => {
      if (kafka.leaders[partition] !== this.nodeId) return 6
      return offset > (kafka.logs[partition]?.end ?? 0) || offset < 0 ? 1 : 0
    }
    const isDue = () =>
      kafka.clock.now >= until ||
      partitions.some(({ partition, offset }) => errorOf(partition, offset) !== 0) ||
      partitions.some(({ partition, offset }) => offset < (kafka.logs[partition]?.end ?? 0))
    let isAnswered = false
    const look = () => {
      if (isAnswered || !isDue()) return
      isAnswered = true
      leave()
      kafka.clock.cancel(timer)
      const answer = new Bytes().int32(0).int16(0).int32(0).int32(1).string(kafka.topic)
      answer.array(partitions, ({ partition, offset, most }) => {
        const error = errorOf(partition, offset)
        if (error === 6) kafka.watch.reached('leader moves')
        const log = kafka.logs[partition]
        const end = log?.end ?? 0
        answer
          .int32(partition)
          .int16(error)
          .int64(error === 0 ? end : -1)
          .int64(error === 0 ? end : -1)
          .int64(error === 0 ? 0 : -1)
          .int32(0)
        answer.block(error === 0 && log ? log.read(offset, most) : Buffer.alloc(0))
      })
      reply(answer.taken())
    }
    const leave = kafka.await(look)
    const timer = kafka.clock.plan(maxWaitMs, look)
    look()
  }

  private listOffsets(request: Reading, reply: Reply): void {
    const { kafka } = this
    request.int32()
    request.int8()
    const answer = new Bytes().int32(0)
    const topics = request.list(() => ({
      topic: request.text(),
      partitions: request.list(() => ({ partition: request.int32(), time: request.long() })),
    }))
    answer.array(topics, ({ topic, partitions }) => {
      answer.string(topic)
      answer.array(partitions, ({ partition, time }) => {
        const isLeader = kafka.leaders[partition] === this.nodeId
        const offset = time === -2 ? 0 : (kafka.logs[partition]?.end ?? 0)
        answer
          .int32(partition)
          .int16(isLeader ? 0 : 6)
          .int64(-1)
          .int64(isLeader ? offset : -1)
      })
    })
    reply(answer.taken())
  }

  /** An error that the coordinator answers with whatever is asked; 0 for none. */
  private unready(): number {
    const { kafka } = this
    if (kafka.coordinatorId !== this.nodeId) {
      kafka.watch.reached('not coordinator')
      return errors.notCoordinator
    }
    if (kafka.clock.now >= kafka.loadsUntil) return 0
    kafka.watch.reached('coordinator loads')
    return errors.loading
  }

  private commit(request: Reading, life: string, connection: Connection, reply: Reply): unknown {
    const { kafka } = this
    request.text()
    const generation = request.int32()
    const memberId = request.text()
    const topics = request.list(() => ({
      topic: request.text(),
      partitions: request.list(() => {
        const entry = { partition: request.int32(), offset: request.long() }
        request.string()
        return entry
      }),
    }))
    const sentAt = connection.commitsSentAt.shift() ?? kafka.clock.now
    let error = this.unready()
    if (error !== 0) kafka.watch.reached(error === errors.loading ? 'commit error 14' : 'commit error 16')
    const planned = error === 0 ? kafka.commitErrors.shift() : undefined
    if (planned !== undefined) {
      error = planned
      kafka.watch.reached(`commit error ${planned}`)
    }
    if (error === 0) error = kafka.group.mayCommit(memberId, generation)
    if (error === 0) {
      for (const { partition, offset } of topics.flatMap(({ partitions }) => partitions)) {
        kafka.watch.committed({ life, memberId, generation, partition, offset, sentAt })
        kafka.group.offsets.set(partition, offset)
      }
      if (kafka.lostCommitAnswers > 0) {
        kafka.lostCommitAnswers--
        kafka.watch.reached('commit answer lost')
        return connection.reset()
      }
    }
    const answer = new Bytes().int32(0)
    answer.array(topics, ({ topic, partitions }) => {
      answer.string(topic).array(partitions, ({ partition }) => answer.int32(partition).int16(error))
    })
    reply(answer.taken())
  }

  private offsets(request: Reading, life: string, reply: Reply): void {
    const { kafka } = this
    request.text()
    const topics = request.list(() => ({ topic: request.text(), partitions: request.list(() => request.int32()) }))
    const error = this.unready()
    const answer = new Bytes().int32(0)
    answer.array(topics, ({ topic, partitions }) => {
      answer.string(topic).array(partitions, (partition) => {
        const offset = kafka.group.offsets.get(partition) ?? -1
        if (error === 0) kafka.watch.placed(life, partition, offset)
        answer
          .int32(partition)
          .int64(error === 0 ? offset : -1)
          .string('')
          .int16(error)
      })
    })
    reply(answer.int16(error).taken())
  }

  private member(apiKey: number, request: Reading, reply: Reply): unknown {
    const { group } = this.kafka
    const error = this.unready()
    request.text() // group
    if (apiKey === apiKeys.joinGroup) {
      const sessionTimeoutMs = request.int32()
      const rebalanceTimeoutMs = request.int32()
      const memberId = request.text()
      request.string()
      request.text()
      const protocols = request.list(() => ({ name: request.text(), metadata: request.block() }))
      const answer = (joined: Parameters<Parameters<typeof group.join>[1]>[0]) => {
        const { generation, protocol, leader, members } = joined
        const body = new Bytes().int32(0).int16(joined.error).int32(generation).string(protocol).string(leader)
        body.string(joined.memberId)
        reply(body.array(members, ({ id, metadata }) => body.string(id).string(null).block(metadata)).taken())
      }
      const none = { error, generation: -1, protocol: '', leader: '', memberId, members: [] }
      if (error !== 0) return answer(none)
      return group.join({ memberId, sessionTimeoutMs, rebalanceTimeoutMs, protocols }, answer)
    }
    if (apiKey === apiKeys.leaveGroup) {
      const ids = request.list(() => {
        const id = request.text()
        request.string()
        return id
      })
      const body = new Bytes().int32(0).int16(error)
      body.array(error === 0 ? ids : [], (id) => body.string(id).string(null).int16(group.leave(id)))
      return reply(body.taken())
    }
    const generation = request.int32()
    const memberId = request.text()
    request.string()
    if (apiKey === apiKeys.heartbeat) {
      return reply(
        new Bytes()
          .int32(0)
          .int16(error === 0 ? group.heartbeat(memberId, generation) : error)
          .taken(),
      )
    }
    if (apiKey !== apiKeys.syncGroup) throw new Error(`No answer is written for requests of kind ${apiKey}`)
    const assignments = request.list(() => ({ id: request.text(), assignment: request.block() }))
    const answer = (code: number, assignment: Buffer) =>
      reply(new Bytes().int32(0).int16(code).block(assignment).taken())
    if (error !== 0) return answer(error, Buffer.alloc(0))
    return group.sync(memberId, generation, assignments, answer)
  }
}
