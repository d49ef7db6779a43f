/** The range of a tail: where it begins and ends in each partition, from what the user wrote. */

import { calls } from '../../actors/kafkajs/calls.ts'
import { errorCodes } from '../../actors/protocol/frames.ts'
import type { Connections } from '../doctor/connections.ts'
import { asked } from '../doctor/question.ts'
import { errorFrom } from '../error.ts'

/** A place in every partition: the start or end of the log, an offset, so many messages before the end, or a time. */
export type Place =
  | { readonly kind: 'beginning' | 'end' }
  | { readonly kind: 'offset'; readonly offset: bigint }
  | { readonly kind: 'last'; readonly messages: bigint }
  | { readonly kind: 'time'; readonly at: number }

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads one; undefined when it is none. `now` in milliseconds since 1970. */
export function parsePlace(text: string, now: number): Place | undefined {
  if (text === 'beginning' || text === 'earliest') return { kind: 'beginning' }
  if (text === 'end' || text === 'latest' || text === 'now') return { kind: 'end' }
  if (/^\d{1,19}$/.test(text)) return { kind: 'offset', offset: BigInt(text) }
  if (/^-\d{1,19}$/.test(text)) return { kind: 'last', messages: -BigInt(text) }
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return { kind: 'time', at: now - Number(count) * (units[unit] ?? 0) }
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : { kind: 'time', at }
}

/** Partitions of a topic with their leaders. Rejects with `topic-missing` or `not-authorized`. */
export async function leadersOf(topic: string, { byNode }: Connections): Promise<ReadonlyMap<number, number>> {
  const [any] = byNode.values()
  const [known] = any ? (await asked(any, calls.topics([topic]))).topicMetadata : []
  if (known?.topicErrorCode === errorCodes.topicAuthorizationFailed) {
    const message = `this user may not read topic ${topic}`
    throw errorFrom({ kind: 'not-authorized', message, code: 'TOPIC_AUTHORIZATION_FAILED' })
  }
  const partitions = known?.partitionMetadata ?? []
  if (partitions.length === 0) throw errorFrom({ kind: 'topic-missing', message: `the cluster has no topic ${topic}` })
  return new Map(partitions.map(({ partitionId, leader }) => [partitionId, leader]))
}

/** The offset of this place in each partition whose leader can be reached. */
export async function offsetsAt(
  place: Place,
  topic: string,
  leaders: ReadonlyMap<number, number>,
  connections: Connections,
): Promise<Map<number, bigint>> {
  const look = (timestamp: string) => listed(timestamp, topic, leaders, connections)
  if (place.kind === 'offset') return new Map([...leaders.keys()].map((partition) => [partition, place.offset]))
  if (place.kind === 'beginning') return look('-2')
  const ends = await look('-1')
  if (place.kind !== 'last' && place.kind !== 'time') return ends
  if (place.kind === 'last') {
    const starts = await look('-2')
    return new Map(
      [...ends].map(([partition, end]) => [partition, larger(end - place.messages, starts.get(partition) ?? 0n)]),
    )
  }
  const found = await look(String(place.at))
  // Where no message is as late as that, the next one is.
  const later = (partition: number) => found.get(partition) ?? -1n
  return new Map([...ends].map(([partition, end]) => [partition, later(partition) < 0n ? end : later(partition)]))
}

const larger = (one: bigint, other: bigint): bigint => (one > other ? one : other)

async function listed(
  timestamp: string,
  topic: string,
  leaders: ReadonlyMap<number, number>,
  { byNode }: Connections,
): Promise<Map<number, bigint>> {
  const nodes = [...new Set(leaders.values())].flatMap((nodeId) => {
    const connection = byNode.get(nodeId)
    const led = [...leaders].filter(([, leader]) => leader === nodeId)
    return connection ? [{ connection, partitions: led.map(([partition]) => ({ partition })) }] : []
  })
  const answers = await Promise.all(
    nodes.map(({ connection, partitions }) => asked(connection, calls.listOffsets([{ topic, partitions }], timestamp))),
  )
  const partitions = answers.flatMap(({ responses }) => responses.flatMap((one) => one.partitions))
  return new Map(
    partitions.filter(({ errorCode }) => errorCode === 0).map(({ partition, offset }) => [partition, BigInt(offset)]),
  )
}
