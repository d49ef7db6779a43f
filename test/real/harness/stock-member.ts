/** A stock KafkaJS consumer as a member: KafkaJS's defaults where no option says otherwise, with the same function or list for `brokers`. */
import kafkajs, { type KafkaConfig } from 'kafkajs'
import { type FollowConfig, type Followed, follow, memoryJournal } from '../../../src/index.ts'
import type { Client, Member, MemberTask } from './member.ts'
import { contentOf } from './workload.ts'

export const stockMember: Client = (task) => consumerOf(task, configOf(task) as KafkaConfig)

/** The same on `follow`. */
export const followedMember: Client<FollowedMember> = (task) => {
  const config = follow(configOf(task), { journal: memoryJournal() })
  const { followed } = config
  return {
    ...consumerOf(task, config),
    followed,
    story: () =>
      [...followed.journal.read()].map(({ at, type, data, to }) => JSON.stringify({ at, type, to, ...data })),
  }
}

export interface FollowedMember extends Member {
  readonly followed: Followed
}

const configOf = ({ name, brokers, options }: MemberTask): FollowConfig => ({
  ...(options.kafka as Omit<KafkaConfig, 'brokers'> | undefined),
  clientId: name,
  brokers,
  logLevel: kafkajs.logLevel.NOTHING,
})

function consumerOf({ name, groupId, topic, handle, options }: MemberTask, config: KafkaConfig): Member {
  const kafka = new kafkajs.Kafka(config)
  const { heartbeatInterval, maxWaitTimeInMs, partitionsConsumedConcurrently, fromBeginning = false } = options
  const consumer = kafka.consumer({
    groupId,
    ...(heartbeatInterval !== undefined && { heartbeatInterval }),
    ...(maxWaitTimeInMs !== undefined && { maxWaitTimeInMs }),
  })
  const signal = new AbortController().signal
  let generation = 0
  let owned: number[] = []
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    owned = [...(payload.memberAssignment[topic] ?? [])]
  })
  consumer.on(consumer.events.HEARTBEAT, ({ payload }) => {
    generation = Math.max(generation, payload.groupGenerationId)
  })

  return {
    name,
    async start() {
      const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning })
      await consumer.run({
        ...(partitionsConsumedConcurrently !== undefined && { partitionsConsumedConcurrently }),
        eachMessage: async ({ partition, message }) => {
          const { offset, value } = message
          await handle({
            member: name,
            process: 'here',
            partition,
            offset: Number(offset),
            ...contentOf(value),
            signal,
          })
        },
      })
      await joined
    },
    stop: () => consumer.disconnect(),
    generation: () => generation,
    partitions: () => owned.toSorted((one, other) => one - other),
  }
}
