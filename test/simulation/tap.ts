// A tap on the sockets: it reads what a consumer and its brokers say to each other, and turns it into sightings.

import { FrameCutter } from '../../actors/protocol/frame-cutter.ts'
import {
  answerHeaderBytes,
  apiKeyOf,
  apiKeys,
  apiVersionOf,
  correlationOf,
  requestBodyOffset,
} from '../../actors/protocol/frames.ts'
import { Reading } from './kafka/bytes.ts'
import { errors } from './kafka/group.ts'
import type { Life } from './life.ts'
import type { Connection } from './network.ts'
import type { PartitionOffset, Sighting } from './sighting.ts'

interface Asked {
  readonly at: number
  readonly apiKey: number
  readonly memberId: string
  readonly offsets: readonly PartitionOffset[]
}

interface Line {
  readonly cutter: FrameCutter
  readonly asked: Map<number, Asked>
}

/** Requests that a coordinator may hold. */
export const mayBeHeld: ReadonlySet<number> = new Set([apiKeys.joinGroup, apiKeys.syncGroup])

/** Requests of the group that name generation and member in this order. */
const generationFirst: ReadonlySet<number> = new Set([apiKeys.heartbeat, apiKeys.syncGroup, apiKeys.offsetCommit])

/** Whether an answer says that who asked is no member. */
const isNone = (error: number): boolean => error === errors.unknownMember || error === errors.fencedInstance

export class Tap {
  private readonly lines = new Map<Connection, Line>()
  /** The newest answer to a life, by place and kind of request. */
  private readonly newest = new Map<
    string,
    { readonly at: number; readonly askedAt: number; readonly over: Connection }
  >()
  private readonly see: (sighting: Sighting) => void
  private readonly now: () => number
  private readonly numberOf: (topic: string, index: number) => number | undefined

  constructor(see: Tap['see'], now: Tap['now'], numberOf: Tap['numberOf']) {
    this.see = see
    this.now = now
    this.numberOf = numberOf
  }

  /** Whether answers are still to come over this connection, and to nothing but what a coordinator may hold. */
  waiting(connection: Connection): { waits: boolean; isHeld: boolean } {
    const asked = [...(this.lines.get(connection)?.asked.values() ?? [])]
    return { waits: asked.length > 0, isHeld: asked.every(({ apiKey }) => mayBeHeld.has(apiKey)) }
  }

  /** The request that has waited longest over this connection. */
  oldest(connection: Connection): Asked | undefined {
    return this.lines.get(connection)?.asked.values().next().value
  }

  /**
   * Whether another connection has just brought the answer to a request of this kind that was sent later: it takes over. Of a fetch, whether it has
   * brought any since: a node is asked for one at a time, so that was the answer to a copy of this one, or to one that came after it.
   */
  isOvertaken(connection: Connection, { apiKey, at }: Asked): boolean {
    const newest = this.newest.get(`${connection.life.name} ${connection.place} ${apiKey}`)
    if (!newest) return false
    const isAnswered = apiKey === apiKeys.fetch && newest.over !== connection && newest.at > at
    return isAnswered || (newest.at === this.now() && newest.askedAt > at)
  }

  request(life: Life, connection: Connection, frame: Buffer): void {
    const line = this.lines.get(connection) ?? { cutter: new FrameCutter(), asked: new Map() }
    this.lines.set(connection, line)
    const apiKey = apiKeyOf(frame)
    const reading = new Reading(frame, requestBodyOffset(frame))
    let memberId = ''
    let offsets: PartitionOffset[] = []
    if (apiKey === apiKeys.joinGroup) {
      reading.text()
      reading.skip(8)
      memberId = reading.text()
      this.see({ type: 'join-sent', life: life.name, memberId })
    }
    if (generationFirst.has(apiKey)) {
      reading.text()
      const generation = reading.int32()
      memberId = reading.text()
      if (apiKey === apiKeys.offsetCommit) {
        const isStatic = apiVersionOf(frame) >= 7
        if (isStatic) reading.string() // group instance
        offsets = this.offsetsIn(reading, isStatic)
        connection.commitsSentAt.push(this.now())
        this.see({ type: 'commit-sent', life: life.name, memberId, generation, offsets })
      }
    }
    if (apiKey === apiKeys.leaveGroup) {
      reading.text()
      const [left = ''] = reading.list(() => reading.text())
      this.see({ type: 'left', life: life.name, memberId: left })
    }
    line.asked.set(correlationOf('request', frame), { at: this.now(), apiKey, memberId, offsets })
  }

  answer(life: Life, connection: Connection, bytes: Buffer): void {
    const line = this.lines.get(connection)
    if (!line) return
    for (const frame of line.cutter.push(bytes)) {
      const correlation = correlationOf('answer', frame)
      const asked = line.asked.get(correlation)
      line.asked.delete(correlation)
      if (!asked) continue
      const { at: askedAt, apiKey } = asked
      this.newest.set(`${life.name} ${connection.place} ${apiKey}`, { at: this.now(), askedAt, over: connection })
      const reading = new Reading(frame, answerHeaderBytes)
      if (apiKey !== apiKeys.saslAuthenticate) this.read(life.name, asked, reading)
      else if (reading.int16() !== errors.none)
        this.see({ type: 'refusal-heard', life: life.name, place: connection.place })
    }
  }

  closed(connection: Connection): void {
    this.lines.delete(connection)
  }

  private read(life: string, { apiKey, memberId, offsets }: Asked, reading: Reading): void {
    if (apiKey === apiKeys.joinGroup) {
      reading.int32()
      const error = reading.int16()
      const generation = reading.int32()
      reading.string()
      reading.string()
      const named = reading.text()
      if (error === errors.none) this.see({ type: 'joined', life, memberId: named, generation })
      if (isNone(error)) this.see({ type: 'disowned', life, memberId })
    }
    if (apiKey === apiKeys.syncGroup) {
      reading.int32()
      const error = reading.int16()
      if (isNone(error)) this.see({ type: 'disowned', life, memberId })
      if (error === errors.none) this.see({ type: 'assigned', life, partitions: this.partitionsIn(reading.block()) })
    }
    if (apiKey === apiKeys.offsetCommit) {
      reading.int32()
      const codes = reading.list(() => {
        reading.text()
        return reading.list(() => ({ partition: reading.int32(), code: reading.int16() }))
      })
      if (codes.flat().every(({ code }) => code === errors.none)) this.see({ type: 'commit-confirmed', life, offsets })
    }
    if (apiKey === apiKeys.heartbeat) {
      reading.int32()
      if (isNone(reading.int16())) this.see({ type: 'disowned', life, memberId })
    }
  }

  private offsetsIn(commit: Reading, hasEpochs: boolean): PartitionOffset[] {
    return commit
      .list(() => {
        const topic = commit.text()
        return commit.list(() => {
          const partition = this.numberOf(topic, commit.int32()) ?? -1
          const entry = { partition, offset: commit.long() }
          if (hasEpochs) commit.int32()
          commit.string()
          return entry
        })
      })
      .flat()
  }

  /** The partitions of an assignment as KafkaJS writes it. */
  private partitionsIn(assignment: Buffer): number[] {
    if (assignment.length === 0) return []
    const reading = new Reading(assignment, 0)
    reading.int16()
    return reading
      .list(() => {
        const topic = reading.text()
        return reading.list(() => this.numberOf(topic, reading.int32()) ?? -1)
      })
      .flat()
  }
}
