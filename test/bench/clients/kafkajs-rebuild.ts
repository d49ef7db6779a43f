/**
 * KafkaJS with a loop around it, as a good engineer would write it in an afternoon: the brokers are asked each second where
 * they are; when that has changed, or the consumer has crashed, the old one is stopped by a deadline and a new one is made.
 */
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer } from 'kafkajs'
import type { Client } from '../../real/harness/member.ts'
import { within } from '../../real/harness/until.ts'
import { contentOf } from '../../real/harness/workload.ts'

const POLL_MS = 1000
const POLL_DEADLINE_MS = 3000
const STOP_DEADLINE_MS = 5000

export const rebuildingMember: Client = ({ name, brokers, groupId, topic, handle, options }) => {
  const signal = new AbortController().signal
  const addresses = async () => [...((typeof brokers === 'function' ? await brokers() : brokers) as readonly string[])]
  const client = async () =>
    new kafkajs.Kafka({ clientId: name, brokers: await addresses(), logLevel: kafkajs.logLevel.NOTHING })
  let consumer: Consumer | undefined
  let admin: Admin | undefined
  let consumedFrom = ''
  let crashed = false
  let stopped = false
  let generation = 0
  let owned: number[] = []

  const begin = async () => {
    crashed = false
    const made = (await client()).consumer({
      groupId,
      ...(options.heartbeatInterval !== undefined && { heartbeatInterval: options.heartbeatInterval }),
      ...(options.maxWaitTimeInMs !== undefined && { maxWaitTimeInMs: options.maxWaitTimeInMs }),
      // this loop restarts it, with the addresses of now
      retry: { restartOnFailure: async () => false },
    })
    consumer = made
    made.on(made.events.CRASH, () => {
      if (consumer === made) crashed = true
    })
    made.on(made.events.GROUP_JOIN, ({ payload }) => {
      owned = [...(payload.memberAssignment[topic] ?? [])]
    })
    made.on(made.events.HEARTBEAT, ({ payload }) => {
      generation = Math.max(generation, payload.groupGenerationId)
    })
    await made.connect()
    await made.subscribe({ topic, fromBeginning: true })
    await made.run({
      eachMessage: async ({ partition, message: { offset, value } }) =>
        handle({ member: name, process: 'here', partition, offset: Number(offset), ...contentOf(value), signal }),
      ...(options.partitionsConsumedConcurrently !== undefined && {
        partitionsConsumedConcurrently: options.partitionsConsumedConcurrently,
      }),
    })
  }
  const end = async () => {
    const left = consumer
    consumer = undefined
    if (left) await within(STOP_DEADLINE_MS, 'The stop', left.disconnect()).catch(() => {})
  }

  /** Where the brokers are, as one text; undefined when nobody answers in time. */
  const ask = async (): Promise<string | undefined> => {
    try {
      if (admin === undefined) {
        admin = (await client()).admin({ retry: { retries: 0 } })
        await within(POLL_DEADLINE_MS, 'The poll', admin.connect())
      }
      const { brokers: found } = await within(POLL_DEADLINE_MS, 'The poll', admin.describeCluster())
      return found
        .map(({ nodeId, host, port }) => `${nodeId} ${host}:${port}`)
        .toSorted()
        .join()
    } catch {
      void admin?.disconnect().catch(() => {})
      admin = undefined
      return undefined
    }
  }

  const watch = async () => {
    while (!stopped) {
      await pause(POLL_MS)
      const found = await ask()
      if (found === undefined || stopped) continue
      if (found === consumedFrom && !crashed) continue
      await end()
      if (stopped) return
      consumedFrom = found
      await begin().catch(() => {
        crashed = true
      })
    }
  }

  return {
    name,
    async start() {
      consumedFrom = (await ask()) ?? ''
      await begin()
      while (owned.length === 0) await pause(20)
      void watch()
    },
    async stop() {
      stopped = true
      await end()
      await within(POLL_DEADLINE_MS, 'The stop', admin?.disconnect() ?? Promise.resolve()).catch(() => {})
    },
    generation: () => generation,
    partitions: () => owned.toSorted((one, other) => one - other),
  }
}
