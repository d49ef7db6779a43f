/** A relisten consumer as a member, with the facts it told. */
import type { FactType } from '../../../machines/fact.ts'
import { lifecycleMachine } from '../../../machines/lifecycle.ts'
import { stateName } from '../../../machines/state-value.ts'
import { type AnyRecord, type Consumer, createConsumer, type RecordOf } from '../../../src/index.ts'
import { replay } from '../../machines/replay.ts'
import type { Client, Member } from './member.ts'
import { until } from './until.ts'
import { contentOf } from './workload.ts'

export interface RelistenMember extends Member {
  readonly consumer: Consumer
  /** The newest thousand facts, oldest first. */
  readonly facts: readonly AnyRecord[]
  /** How often each was told since it was made. Types by name: those of later versions too. */
  readonly told: ReadonlyMap<string, number>
  /** Resolves with the first fact of this type that `fits`, told already or within `deadlineMs` (default 10000). */
  fact<Type extends FactType>(
    type: Type,
    fits?: (record: RecordOf<Type>) => boolean,
    deadlineMs?: number,
  ): Promise<RecordOf<Type>>
}

const FACTS_KEPT = 1000

export const relistenMember: Client<RelistenMember> = ({ name, brokers, groupId, topic, handle, beside, options }) => {
  const { kafka = {}, ...others } = options
  // as plain options where they are, so that members of one process share a poller and their progress
  const withId =
    typeof kafka === 'function' ? async () => ({ ...(await kafka()), clientId: name }) : { ...kafka, clientId: name }
  const consumer = createConsumer({
    logger: false,
    ...others,
    kafka: withId,
    brokers,
    groupId,
    topics: [topic, ...(beside?.topics ?? [])],
    eachMessage: async ({ topic: from, partition, message: { offset, value }, signal }) => {
      const take = from === topic ? handle : beside?.handle
      await take?.({ member: name, process: 'here', partition, offset: Number(offset), ...contentOf(value), signal })
    },
  })
  const facts: AnyRecord[] = []
  const told = new Map<string, number>()
  let generation = 0
  const owned = new Set<number>()
  consumer.on('*', (record) => {
    facts.push(record)
    told.set(record.type, (told.get(record.type) ?? 0) + 1)
    if (facts.length > FACTS_KEPT) facts.shift()
    if (record.type === 'session.joined') generation = Math.max(generation, record.data.generation)
    if (record.type === 'partitions.assigned') {
      generation = Math.max(generation, record.data.generation)
      owned.clear()
      for (const partition of record.data.partitions[topic] ?? []) owned.add(partition)
    }
    if (record.type === 'partitions.revoked' || record.type === 'partitions.lost') {
      for (const partition of record.data.partitions[topic] ?? []) owned.delete(partition)
    }
  })

  return {
    name,
    consumer,
    facts,
    told,
    async start() {
      await consumer.start()
    },
    async stop() {
      await consumer.stop()
    },
    assertReplay() {
      const { value, context } = replay(lifecycleMachine, consumer.journal.read())
      const { state, epoch } = consumer.status()
      if (stateName(value) === state && context.epoch === epoch) return
      throw new Error(
        `The journal of ${name} replays to ${stateName(value)}, epoch ${context.epoch}; it is ${state}, epoch ${epoch}`,
      )
    },
    generation: () => generation,
    partitions: () => [...owned].toSorted((one, other) => one - other),
    story: () => facts.map(({ at, type, to, data }) => `${at} ${name} ${type} (${to}) ${JSON.stringify(data)}`),
    async fact(type, fits = () => true, deadlineMs = 10_000) {
      const is = (record: AnyRecord): record is RecordOf<typeof type> & AnyRecord =>
        record.type === type && fits(record as never)
      await until(() => (facts.some(is) ? undefined : `the fact ${type} from ${name}`), { deadlineMs })
      return facts.find(is) as RecordOf<typeof type>
    },
  }
}
