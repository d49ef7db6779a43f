/** Consumers of groups of their own, each with a trouble that lasts. */
import {
  type Consumer,
  type ConsumerOptions,
  createConsumer,
  type EachMessagePayload,
  memoryJournal,
} from '../../src/index.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { until } from '../real/harness/until.ts'

export interface LoneConsumers extends AsyncDisposable {
  /** The one whose partition is paused falls further behind. */
  fallBehind(): Promise<void>
}

/** More than `RelistenLagGrowing` takes for normal. */
const MANY = 1500

const throws = async () => {
  throw new RangeError('The message is not as it should be')
}
/** It throws for the fourth message, each time. */
const throwsLater = async ({ message }: EachMessagePayload) => {
  if (Number(message.value) >= 3) throw new TypeError('The database is away')
}
const hangs = () => new Promise<void>(() => {})

/** Resolves when each of them has its trouble. */
export async function loneConsumers(cluster: KafkaCluster): Promise<LoneConsumers> {
  const producer = cluster.kafka().producer()
  await producer.connect()
  const consumers: Consumer[] = []
  const send = (topic: string, count: number) =>
    producer.send({ topic, messages: Array.from({ length: count }, (_, index) => ({ value: `${index}` })) })
  const add = (
    groupId: string,
    eachMessage: (payload: EachMessagePayload) => Promise<void>,
    options: Partial<ConsumerOptions> = {},
  ) => {
    const consumer = createConsumer({
      ...{ brokers: cluster.nodeIds.map((nodeId) => cluster.endpoint(nodeId)), groupId, topics: [groupId] },
      ...{ fromBeginning: true, logger: false, stopTimeoutMs: 500, eachMessage },
      ...options,
    } as ConsumerOptions)
    consumers.push(consumer)
    consumer.start().catch(() => {})
    return consumer
  }
  const close = async () => {
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    await producer.disconnect()
  }
  const nowhere = { brokers: ['127.0.0.1:1'], rebuildTimeoutMs: 100 }
  const groups = ['failing', 'retried', 'hanging', 'journal', 'late', 'foreign', 'refused', 'retrying', 'ended']
  try {
    for (const topic of groups) await cluster.createTopic(topic, { partitions: 1 })
    for (const topic of groups) await send(topic, topic === 'failing' ? MANY : 10)
    const failing = add('failing', throws, { onHandlerError: 'pause', handlerRetries: 0 })
    const retried = add('retried', throwsLater)
    const hanging = add('hanging', hangs, { handlerTimeoutMs: 500 })
    const journal = add('journal', async () => {}, { journal: brokenJournal(), onJournalError: 'degrade' })
    const foreign = add('foreign', async () => {}, { clusterId: 'of-another-cluster' })
    const refused = add('refused', async () => {}, {
      allowEndpoint: ({ host, port }) => `${host}:${port}` !== cluster.endpoint(1),
    })
    const retrying = add('retrying', async () => {}, nowhere)
    const ended = add('ended', async () => {}, { ...nowhere, retryBudget: 0 })
    const late = await loseOffsets()
    const wanted: Readonly<Record<string, () => boolean>> = {
      'a partition that waits for its handler': () => failing.status().failing.length > 0,
      'a handler that is called again': () => retried.partitions()[0]?.lag === 7,
      'a partition that is stalled': () => hanging.status().stalled.length > 0,
      'a journal that failed': () => journal.status().degraded,
      'a foreign cluster': () => foreign.status().lastFailure?.kind === 'foreign-cluster',
      'an endpoint that is refused': () => refused.status().refusedEndpoints.length > 0,
      'an attempt to connect again': () => retrying.status().counts.retries > 0,
      'a consumer that ended': () => !ended.status().live,
      'lost offsets': late,
    }
    await until(() => Object.keys(wanted).find((what) => !wanted[what]?.()))
  } catch (error) {
    await close()
    throw error
  }
  return { fallBehind: async () => void (await send('failing', MANY)), [Symbol.asyncDispose]: close }

  /** It has committed; what came after that is deleted before it comes back. Returns whether it has noticed. */
  async function loseOffsets(): Promise<() => boolean> {
    let handled = 0
    const handle = async () => {
      handled += 1
    }
    const before = add('late', handle)
    await until(() => (handled < 10 ? 'the first messages' : undefined))
    await before.stop()
    await send('late', 10)
    await cluster.deleteRecords('late', 0, 15)
    let isLost = false
    add('late', handle).on('offsets.lost', () => {
      isLost = true
    })
    return () => isLost
  }
}

/** One that works until there is an assignment. */
function brokenJournal(): NonNullable<ConsumerOptions['journal']> {
  const journal = memoryJournal()
  const append: typeof journal.append = (record, seq) => {
    if (record.type === 'session.joined') throw new Error('The disk is full')
    journal.append(record, seq)
  }
  return { ...journal, append }
}
