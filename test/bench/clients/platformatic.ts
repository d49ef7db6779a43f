/**
 * @platformatic/kafka with a loop around it: when its stream ends or fails, the consumer is closed by a deadline and a new one is
 * made from the addresses in force.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Consumer, MessagesStreamFallbackModes, MessagesStreamModes } from '@platformatic/kafka'
import type { Client } from '../../real/harness/member.ts'
import { within } from '../../real/harness/until.ts'
import { contentOf } from '../../real/harness/workload.ts'

const REBUILD_WAIT_MS = 1000
const CLOSE_DEADLINE_MS = 5000

export const platformaticMember: Client = ({ name, brokers, groupId, topic, handle, options }) => {
  const signal = new AbortController().signal
  const addresses = async () => [...((typeof brokers === 'function' ? await brokers() : brokers) as readonly string[])]
  let consumer: Consumer | undefined
  let stopped = false
  let generation = 0
  let owned: number[] = []

  /** Resolves when the stream is over; `joined` is called when it has begun. */
  const consume = async (joined: () => void) => {
    const made = new Consumer({
      clientId: name,
      groupId,
      bootstrapBrokers: await addresses(),
      sessionTimeout: 30_000,
      rebalanceTimeout: 60_000,
      heartbeatInterval: options.heartbeatInterval ?? 3000,
      maxWaitTime: options.maxWaitTimeInMs ?? 5000,
      autocommit: 1000,
    })
    consumer = made
    const join = () => {
      generation = Math.max(generation, made.generationId)
      owned = (made.assignments ?? []).find((one) => one.topic === topic)?.partitions ?? []
    }
    made.on('consumer:group:join', join)
    // it tells of failures by its stream as well, which is where they are handled
    made.on('error', () => {})
    const stream = await made.consume({
      topics: [topic],
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    })
    join()
    joined()
    for await (const { partition, offset, value } of stream) {
      await handle({ member: name, process: 'here', partition, offset: Number(offset), ...contentOf(value), signal })
    }
  }
  const close = async () => {
    const left = consumer
    consumer = undefined
    if (left === undefined) return
    // of its overloads the compiler would take the one with a callback
    const closed = (left.close as (force: boolean) => Promise<void>).call(left, true)
    await within(CLOSE_DEADLINE_MS, 'The close', closed).catch(() => {})
  }

  const loop = async (joined: () => void) => {
    while (!stopped) {
      await consume(joined).catch(() => {})
      if (stopped) return
      await close()
      await pause(REBUILD_WAIT_MS)
    }
  }

  return {
    name,
    start: () => new Promise((resolve) => void loop(resolve)),
    async stop() {
      stopped = true
      await close()
    },
    generation: () => Math.max(generation, consumer?.generationId ?? 0),
    partitions: () => owned.toSorted((one, other) => one - other),
  }
}
