/** A stock KafkaJS consumer as a member: KafkaJS's defaults where no option says otherwise, with the same function or list for `brokers`. */
import kafkajs, { type KafkaConfig } from 'kafkajs'
import type { Client } from './member.ts'
import { contentOf } from './workload.ts'

export const stockMember: Client = ({ name, brokers, groupId, topic, handle, options }) => {
  const kafka = new kafkajs.Kafka({
    ...(options.kafka as Omit<KafkaConfig, 'brokers'> | undefined),
    clientId: name,
    brokers: brokers as KafkaConfig['brokers'],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const { heartbeatInterval, maxWaitTimeInMs, partitionsConsumedConcurrently } = options
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
      await consumer.subscribe({ topic })
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
