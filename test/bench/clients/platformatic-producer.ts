/** The producer of @platformatic/kafka with a loop around it: after a send that failed it is closed by a deadline, and the next one is made from the addresses in force. */
import { Producer, stringSerializers } from '@platformatic/kafka'
import { within } from '../../real/harness/until.ts'
import type { Connect } from '../producers/producer-process.ts'

const CLOSE_DEADLINE_MS = 5000

export const connectPlatformatic: Connect = async (brokers, list) => {
  const make = async () => {
    const made = new Producer({
      ...{ clientId: 'producer', serializers: stringSerializers, autocreateTopics: false },
      bootstrapBrokers: list ?? (await brokers()),
    })
    // it tells of failures by what it returns as well
    made.on('error', () => {})
    return made
  }
  let producer = make()
  return async (topic, messages) => {
    const used = producer
    const current = await used
    try {
      await current.send({ messages: messages.map((message) => ({ topic, ...message })) })
    } catch (error) {
      if (used === producer) producer = make()
      const closed = (current.close as (force: boolean) => Promise<void>).call(current, true)
      await within(CLOSE_DEADLINE_MS, 'The close', closed).catch(() => {})
      throw error
    }
  }
}
