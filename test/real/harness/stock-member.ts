/** A stock KafkaJS consumer as a member: KafkaJS's defaults where no option says otherwise, with the same function or list for `brokers`. */
import kafkajs, { type KafkaConfig, type KafkaMessage } from 'kafkajs'
import type { FollowConfig } from '../../../src/index.ts'
import type { Client, Member, MemberTask } from './member.ts'
import { contentOf } from './workload.ts'

export const stockMember: Client = (task) => consumerOf(task, configOf(task) as KafkaConfig)

/** Its options for `new Kafka`, or for `follow`. */
export const configOf = ({ name, brokers, options: { kafka } }: MemberTask): FollowConfig => ({
  ...((typeof kafka === 'function' ? kafka() : kafka) as Omit<KafkaConfig, 'brokers'> | undefined),
  clientId: name,
  brokers,
  logLevel: kafkajs.logLevel.NOTHING,
})

/** A member of these options. `onCrash` hears of each crash; `batches`: it consumes by `eachBatch`. */
export function consumerOf(
  { name, groupId, topic, handle, options }: MemberTask,
  config: KafkaConfig,
  { onCrash = () => {}, batches = false }: { onCrash?: (error: Error) => void; batches?: boolean } = {},
): Member {
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
  const heard = ({ payload }: { payload: { groupGenerationId: unknown } }) => {
    generation = Math.max(generation, Number(payload.groupGenerationId))
  }
  consumer.on(consumer.events.HEARTBEAT, heard)
  consumer.on(consumer.events.COMMIT_OFFSETS, heard)
  consumer.on(consumer.events.CRASH, ({ payload }) => onCrash(payload.error))
  const taken = (partition: number, { offset, value }: KafkaMessage) =>
    handle({ ...{ member: name, process: 'here', partition, offset: Number(offset) }, ...contentOf(value), signal })

  return {
    name,
    async start() {
      const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning })
      await consumer.run({
        ...(partitionsConsumedConcurrently !== undefined && { partitionsConsumedConcurrently }),
        ...(batches
          ? {
              eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
                for (const message of batch.messages) {
                  await taken(batch.partition, message)
                  resolveOffset(message.offset)
                }
                await heartbeat()
              },
            }
          : { eachMessage: async ({ partition, message }) => taken(partition, message) }),
      })
      await joined
    },
    stop: () => consumer.disconnect(),
    generation: () => generation,
    partitions: () => owned.toSorted((one, other) => one - other),
  }
}
