// One node: it answers the requests that KafkaJS and the library send, in the versions they are told to speak, one at a time per connection.

import { FrameCutter } from '../../../actors/protocol/frame-cutter.ts'
import { apiKeyOf, apiKeys, correlationOf, requestBodyOffset } from '../../../actors/protocol/frames.ts'
import type { SightingOf } from '../sighting.ts'
import { answerFrame, Bytes, Reading } from './bytes.ts'
import { answerCommit, answerOffsets, type Committing } from './commits.ts'
import type { BrokerClock, BrokerLine, BrokerListener } from './ground.ts'
import { errors } from './group.ts'
import { type Logins, loginKeys } from './logins.ts'
import { answerProduce, answerProducerId, type Stored } from './produces.ts'
import { answerEpochs, answerFetch, answerListOffsets, type Readable } from './reads.ts'
import type { Partition, Topic } from './topic.ts'
import { apiVersionsAnswer, firstWithIds, isKnown, type Release } from './versions.ts'

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
  /** A partition was read that holds something else than before. */
  read?(life: string, partition: number): void
  /** Where a fault of the brokers took effect. */
  reached(kind: string): void
  /** A node was asked who it is. */
  asked?(): void
  /** A login was refused. */
  refused?(life: string, place: string): void
  /** A producer's messages are in the log. */
  stored?(stored: Stored): void
}

/** The cluster as its nodes know it. */
interface Cluster extends Readable, Committing {
  readonly clusterId: string
  readonly clock: BrokerClock
  readonly watch: KafkaWatch
  readonly topics: readonly Topic[]
  readonly release: Release
  readonly hasProducers: boolean
  readonly coordinatorId: number
  readonly loadsUntil: number
  readonly logins: Logins
  newProducerId(): number
  changed(): void
  node(nodeId: number): { readonly entry: BrokerEntry; readonly second: BrokerEntry | undefined }
  entries(): BrokerEntry[]
  secondEntries(): BrokerEntry[]
  topicNamed(name: string): Topic | undefined
  partition(topic: string, index: number): Partition | undefined
}

type Reply = (body: Buffer | undefined) => unknown

const offsetForLeaderEpoch = 23

export class Node implements BrokerListener {
  readonly nodeId: number
  entry: BrokerEntry
  /** Where it listens as well, with a view of its own. */
  second: BrokerEntry | undefined
  isUp = true
  isForeign = false
  lie: { readonly kind: string; readonly tell: Lie } | undefined
  private readonly kafka: Cluster

  constructor(kafka: Cluster, nodeId: number, entry: BrokerEntry) {
    this.kafka = kafka
    this.nodeId = nodeId
    this.entry = entry
  }

  accept(connection: BrokerLine): ReturnType<BrokerListener['accept']> {
    const cutter = new FrameCutter()
    const queue: Buffer[] = []
    let isBusy = false
    let isOver = false
    const next = () => {
      if (isBusy || isOver) return
      const request = queue.shift()
      if (!request) return
      isBusy = true
      const { trouble, clock } = this.kafka
      const apiKey = apiKeyOf(request)
      const throttleMs = trouble.throttleMs(this.nodeId, apiKey)
      const send = (body: Buffer | undefined) => {
        if (isOver) return
        // A flexible answer begins with the tags of its header.
        const isTagged = apiKey === apiKeys.metadata && request.readInt16BE(6) >= firstWithIds
        const throttleAt = apiKey === apiKeys.produce ? (body?.length ?? 0) - 4 : Number(isTagged)
        if (body && throttleMs > 0) body.writeInt32BE(throttleMs, throttleAt)
        if (body) connection.send(answerFrame(correlationOf('request', request), body))
        const free = () => {
          isBusy = false
          next()
        }
        // Whoever is throttled is not listened to for so long.
        if (throttleMs > 0) clock.plan(throttleMs, free)
        else free()
      }
      // A fetch that is over its quota is answered at once, with nothing.
      if (throttleMs > 0 && apiKey === apiKeys.fetch) return send(emptyFetch())
      const take = () =>
        this.answer(request, connection, (body) => {
          const lateMs = trouble.lateMs(this.nodeId, apiKey)
          if (lateMs > 0) clock.plan(lateMs, () => send(body))
          else send(body)
        })
      const queuedMs = apiKey === apiKeys.produce ? trouble.queuedMs(this.nodeId) : 0
      if (queuedMs > 0) clock.plan(queuedMs, take)
      else take()
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

  private answer(frame: Buffer, connection: BrokerLine, reply: Reply): unknown {
    const request = new Reading(frame, requestBodyOffset(frame))
    const { kafka } = this
    const version = frame.readInt16BE(6)
    const apiKey = apiKeyOf(frame)
    if (apiKey === apiKeys.apiVersions) return reply(apiVersionsAnswer(kafka.release, version, kafka.hasProducers))
    if (!isKnown(kafka.release, apiKey, version)) {
      kafka.watch.reached('a version the broker does not know')
      return connection.finish()
    }
    const isLogin = apiKey === loginKeys.handshake || apiKey === loginKeys.authenticate
    if (!isLogin && kafka.logins.isOver(connection, kafka.clock.now)) {
      kafka.watch.reached('logins expire')
      return connection.reset()
    }
    const life = connection.life.name
    const watch = {
      ...kafka.watch,
      committed: (commit: Omit<SightingOf<'committed'>, 'type' | 'life'>) => kafka.watch.committed({ life, ...commit }),
      placed: (partition: number, offset: number) => kafka.watch.placed(life, partition, offset),
      read: (partition: number) => kafka.watch.read?.(life, partition),
    }
    switch (apiKey) {
      case apiKeys.metadata:
        return this.metadata(request, connection, version, reply)
      case loginKeys.handshake:
      case loginKeys.authenticate: {
        const refused = () => kafka.watch.refused?.(life, connection.place)
        const { logins, clock } = kafka
        const answer = logins.answer(this.nodeId, apiKey, version, connection, clock.now, watch.reached, refused)
        return answer && reply(answer)
      }
      case apiKeys.findCoordinator:
        return this.findCoordinator(connection, reply)
      case apiKeys.fetch:
        return answerFetch(kafka, this.nodeId, version, request, reply, watch.reached, watch.read)
      case apiKeys.produce:
        return this.produce(request, connection, reply)
      case apiKeys.initProducerId:
        return reply(answerProducerId(kafka.newProducerId()))
      case apiKeys.listOffsets:
        return answerListOffsets(kafka, this.nodeId, version, request, reply)
      case offsetForLeaderEpoch:
        return answerEpochs(kafka, this.nodeId, version, request, reply)
      case apiKeys.offsetCommit: {
        const sentAt = connection.commitsSentAt.shift() ?? kafka.clock.now
        const answer = answerCommit(kafka, this.unready(), request, version, sentAt, watch)
        return answer ? reply(answer) : connection.reset()
      }
      case apiKeys.offsetFetch:
        return reply(answerOffsets(kafka, this.unready(), request, watch))
      case apiKeys.describeGroups:
        return reply(this.described())
      default:
        return this.member(apiKeyOf(frame), request, reply)
    }
  }

  private produce(request: Reading, connection: BrokerLine, reply: Reply): unknown {
    const { kafka } = this
    const cut = kafka.trouble.cutOf(this.nodeId)
    if (cut !== undefined) kafka.watch.reached(`the ${cut} of a Produce is cut`)
    if (cut === 'request' || !this.isUp) return connection.reset()
    const stored = (what: Stored) => kafka.watch.stored?.(what)
    const { body, afterMs } = answerProduce(kafka, this.nodeId, request, kafka.watch.reached, stored)
    if (cut === 'answer') return connection.reset()
    return afterMs > 0 ? kafka.clock.plan(afterMs, () => reply(body)) : reply(body)
  }

  private metadata(request: Reading, connection: BrokerLine, version: number, reply: Reply): unknown {
    const { kafka } = this
    const asked = version >= firstWithIds ? topicsOfFlexible(request) : topicsOf(request)
    const topics = asked ?? kafka.topics.filter(({ isThere }) => isThere).map(({ name }) => name)
    kafka.watch.asked?.()
    const { lie } = this
    if (lie) kafka.watch.reached(lie.kind)
    if (lie?.tell === 'silence') return
    if (lie?.tell === 'hang-up') return connection.reset()
    // Each listener knows the addresses of its own kind.
    const isSecond = this.isSecond(connection)
    if (isSecond) kafka.watch.reached('two listeners')
    const truth = isSecond ? kafka.secondEntries() : kafka.entries()
    const entries = lie ? lie.tell(truth) : truth
    reply(version >= firstWithIds ? this.descriptionWithIds(entries, topics) : this.description(entries, topics))
  }

  private isSecond({ place }: BrokerLine): boolean {
    return this.second !== undefined && place === `${this.second.host}:${this.second.port}`
  }

  private description(entries: readonly BrokerEntry[], topics: readonly string[]): Buffer {
    const { kafka } = this
    const answer = new Bytes().int32(0)
    answer.array(entries, ({ nodeId, host, port }) => answer.int32(nodeId).string(host).int32(port).string(null))
    answer.string(kafka.clusterId).int32(entries[0]?.nodeId ?? -1)
    return answer
      .array(topics, (topic) => {
        const found = kafka.topicNamed(topic)
        answer
          .int16(found ? 0 : 3)
          .string(topic)
          .int8(0)
        answer.array(found?.partitions ?? [], ({ index, number, leader }) => {
          const error = leader < 0 ? errors.leaderNotAvailable : kafka.trouble.errorOf('metadata', number)
          answer.int16(error).int32(index).int32(leader)
          answer.int32(1).int32(Math.max(1, leader)).int32(1).int32(Math.max(1, leader)).int32(0)
        })
      })
      .taken()
  }

  /** The same in version 11, which has the ids of topics (KIP-516). */
  private descriptionWithIds(entries: readonly BrokerEntry[], topics: readonly string[]): Buffer {
    const { kafka } = this
    const answer = new Bytes()
      .uvarint(0)
      .int32(0)
      .uvarint(entries.length + 1)
    for (const { nodeId, host, port } of entries)
      answer.int32(nodeId).compactString(host).int32(port).uvarint(0).uvarint(0)
    answer.compactString(kafka.clusterId).int32(entries[0]?.nodeId ?? -1)
    answer.uvarint(topics.length + 1)
    for (const topic of topics) {
      const found = kafka.topicNamed(topic)
      answer.int16(found ? 0 : 3).compactString(topic)
      answer.raw(found?.id ?? Buffer.alloc(16)).int8(0)
      const partitions = found?.partitions ?? []
      answer.uvarint(partitions.length + 1)
      for (const { index, number, leader, epoch } of partitions) {
        const error = leader < 0 ? errors.leaderNotAvailable : kafka.trouble.errorOf('metadata', number)
        const replica = Math.max(1, leader)
        answer.int16(error).int32(index).int32(leader).int32(epoch)
        answer.uvarint(2).int32(replica).uvarint(2).int32(replica).uvarint(1).uvarint(0)
      }
      answer.int32(-1).uvarint(0)
    }
    return answer.uvarint(0).taken()
  }

  private findCoordinator(connection: BrokerLine, reply: Reply): void {
    const { kafka } = this
    const { entry, second } = kafka.node(kafka.coordinatorId)
    const { nodeId, host, port } = (this.isSecond(connection) && second) || entry
    reply(new Bytes().int32(0).int16(0).string(null).int32(nodeId).string(host).int32(port).taken())
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

  /** The group with its members and what they were given, in version 0. */
  private described(): Buffer {
    const error = this.unready()
    const answer = new Bytes()
    return answer
      .array(['orders-service'], (id) => {
        answer.int16(error).string(id).string('').string('consumer').string('')
        answer.array(error === 0 ? this.kafka.group.assignments() : [], ({ memberId, assignment }) =>
          answer.string(memberId).string('').string('').block(Buffer.alloc(0)).block(assignment),
        )
      })
      .taken()
  }

  private member(apiKey: number, request: Reading, reply: Reply): unknown {
    const { group } = this.kafka
    const error = this.unready()
    request.text() // group
    if (apiKey === apiKeys.joinGroup) {
      const sessionTimeoutMs = request.int32()
      const rebalanceTimeoutMs = request.int32()
      const memberId = request.text()
      const instanceId = request.string()
      request.text()
      const protocols = request.list(() => ({ name: request.text(), metadata: request.block() }))
      const answer = (joined: Parameters<Parameters<typeof group.join>[1]>[0]) => {
        const { generation, protocol, leader, members } = joined
        const body = new Bytes().int32(0).int16(joined.error).int32(generation).string(protocol).string(leader)
        body.string(joined.memberId)
        reply(
          body
            .array(members, ({ id, instanceId: instance, metadata }) =>
              body.string(id).string(instance).block(metadata),
            )
            .taken(),
        )
      }
      const none = { error, generation: -1, protocol: '', leader: '', memberId, members: [] }
      if (error !== 0) return answer(none)
      return group.join({ memberId, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocols }, answer)
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
    const instanceId = request.string()
    if (apiKey === apiKeys.heartbeat) {
      return reply(
        new Bytes()
          .int32(0)
          .int16(error === 0 ? group.heartbeat(memberId, generation, instanceId) : error)
          .taken(),
      )
    }
    if (apiKey !== apiKeys.syncGroup) throw new Error(`No answer is written for requests of kind ${apiKey}`)
    const assignments = request.list(() => ({ id: request.text(), assignment: request.block() }))
    const answer = (code: number, assignment: Buffer) =>
      reply(new Bytes().int32(0).int16(code).block(assignment).taken())
    if (error !== 0) return answer(error, Buffer.alloc(0))
    return group.sync(memberId, generation, assignments, answer, instanceId)
  }
}

/** What a fetch is answered with that is over its quota. */
const emptyFetch = (): Buffer => new Bytes().int32(0).int16(0).int32(0).int32(0).taken()

/** The topics a metadata request names; undefined for all. */
function topicsOf(request: Reading): string[] | undefined {
  const count = request.int32()
  return count < 0 ? undefined : Array.from({ length: count }, () => request.text())
}

function topicsOfFlexible(request: Reading): string[] | undefined {
  request.tags()
  const count = request.varint() - 1
  if (count < 0) return undefined
  return Array.from({ length: count }, () => {
    request.skip(16) // the id, left out
    const topic = request.compactString() ?? ''
    request.tags()
    return topic
  })
}
