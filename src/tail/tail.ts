/** A tail: follows a topic through moves of the brokers and gives away each message. It commits nothing. */

import type { Consumer } from '../consumer.ts'
import { type Connections, connectBrokers } from '../doctor/connections.ts'
import { callError } from '../error.ts'
import { createConsumer } from '../lifecycle-consumer.ts'
import type { ConsumerOptions } from '../options/consumer-options.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { leadersOf, offsetsAt, type Place } from './range.ts'
import { Reading, type Show } from './reading.ts'
import { deleteGroup, membersOf, throwawayName } from './tail-group.ts'

export interface TailOptions {
  /** How it connects; as resolved, and as a consumer is made with it. */
  readonly connection: Omit<ResolvedOptions, 'groupId' | 'topics'>
  readonly given: Pick<ConsumerOptions, 'brokers'>
  readonly topic: string
  /** Default: a group of its own, which is deleted at the end. */
  readonly groupId: string | undefined
  /** Join the named group also where it has members, and take partitions from them. */
  readonly joins: boolean
  /** Default: from now on, or where the named group is. */
  readonly from: Place | undefined
  /** Default: without an end. */
  readonly until: Place | undefined
  readonly signal: AbortSignal
  readonly show: Show
  /** Gets what a person should know. */
  readonly warn: (what: string) => void
}

const startMs = 30_000
/** Whether it is over is looked at so often, in milliseconds. */
const lookMs = 200

/** Resolves at its end. Rejects with a RelistenError. */
export async function tail(options: TailOptions): Promise<void> {
  const { connection, topic, groupId: named, signal } = options
  const groupId = named ?? throwawayName()
  const { starts, ends } = await rangeOf(options, groupId)
  if (signal.aborted) return
  const reading = new Reading(options.show, starts, ends)
  const consumer: Consumer = createConsumer({
    ...options.given,
    ...{ groupId, topics: [topic], autoCommit: false, fromBeginning: true },
    // A tail that is killed leaves the group soon.
    ...(named === undefined ? { sessionTimeout: 10_000 } : {}),
    logger: warnings(options.warn),
    eachMessage: (message) => reading.take(message),
    onPartitionsAssigned: async () => {
      // Nothing is committed, so an assignment would begin where the one before did.
      for (const [partition, offset] of reading.positions) consumer.seek({ topic, partition, offset: String(offset) })
    },
  })
  // The brokers may move while it runs, and leave the addresses that it was given.
  const places = new Map<string, string>()
  consumer.on('cluster.reached', ({ data }) => {
    for (const [nodeId, endpoint] of Object.entries(data.brokers)) places.set(nodeId, endpoint)
  })
  consumer.on('cluster.moved', ({ data }) => {
    for (const { nodeId, to } of data.moves) places.set(String(nodeId), to)
  })
  const stop = () => void consumer.stop()
  signal.addEventListener('abort', stop, { once: true })
  const quiet = setInterval(() => reading.isQuiet() && stop(), lookMs)
  reading.onEnd = stop
  try {
    await consumer.start({ timeoutMs: startMs })
    reading.heardAt = performance.now()
    await consumer.ended
  } finally {
    clearInterval(quiet)
    signal.removeEventListener('abort', stop)
    if (named === undefined) {
      const brokers = places.size > 0 ? [...places.values()] : connection.brokers
      const left = await deleteGroup(groupId, { ...connection, brokers })
      if (left !== undefined) options.warn(`The group ${groupId} could not be deleted: ${left}. It ends by itself.`)
    }
  }
}

async function rangeOf({ connection, topic, groupId: named, joins, from, until }: TailOptions, groupId: string) {
  using connections = await connectBrokers(connection)
  if (named !== undefined && !joins) await refuseMembers(groupId, connections)
  const leaders = await leadersOf(topic, connections)
  const begins: Place | undefined = from ?? (named === undefined ? { kind: 'end' } : undefined)
  const starts = begins ? await offsetsAt(begins, topic, leaders, connections) : new Map<number, bigint>()
  const ends = until && (await offsetsAt(until, topic, leaders, connections))
  return { starts, ends }
}

async function refuseMembers(groupId: string, connections: Connections): Promise<void> {
  const members = await membersOf(groupId, connections)
  if (members === 0) return
  throw callError(
    `Group ${groupId} has ${members} members, and one more would take partitions from them`,
    'leave out `--group` to read beside them, or give `--join` if that is meant.',
  )
}

const warnings = (warn: (what: string) => void): NonNullable<Exclude<ConsumerOptions['logger'], false>> => ({
  debug: () => {},
  info: () => {},
  warn: (_fields: object, message: string) => warn(message),
  error: (_fields: object, message: string) => warn(message),
})
