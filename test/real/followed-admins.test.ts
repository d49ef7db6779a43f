// An admin of KafkaJS on `follow`, whose calls are under way while all brokers move again and again.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { type Front, startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { within } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })
const ROUNDS = form(3, 100)

test('every call of an admin ends with its result, and none is done twice, while the brokers move', async () => {
  await using front = await startFront(cluster())
  const config = follow(
    { clientId: 'admins', brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING },
    { logger: false },
  )
  const admin = new kafkajs.Kafka(config).admin()
  await admin.connect()
  const moving = keepMoving(front)
  const results: unknown[] = []
  try {
    for (let round = 0; round < ROUNDS; round++) results.push(await within(60_000, `Round ${round}`, life(admin)))
  } finally {
    await moving.end()
  }
  expect(moving.moves()).toBeGreaterThan(form(3, 50))
  expect(results).toEqual(Array.from({ length: ROUNDS }, () => expectedOfALife))
  expect(config.followed.status().counts.moves).toBeGreaterThan(0)
  await within(5000, 'The disconnect', admin.disconnect())
  await config.followed.close()
})

const expectedOfALife = {
  created: true,
  again: false,
  partitions: 3,
  retention: '60000',
  committed: '7',
  group: 'Empty',
  deleted: [0],
  gone: true,
}

/** A topic and a group from their beginning to their end; what each call said. */
async function life(admin: Admin): Promise<unknown> {
  const topic = `life-${randomUUID().slice(0, 8)}`
  const groupId = `group-${topic}`
  const topics = [{ topic, numPartitions: 2, replicationFactor: 3 }]
  const created = await admin.createTopics({ topics, waitForLeaders: true })
  const again = await admin.createTopics({ topics })
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: [{ name: 'retention.ms', value: '60000' }],
      },
    ],
  })
  // brokers learn of a change one after the other, and any of them may be asked
  const retention = await settled('60000', async () => {
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }]
    const { resources: described } = await admin.describeConfigs({ includeSynonyms: false, resources })
    return described[0]?.configEntries[0]?.configValue
  })
  const { topics: seen } = await admin.fetchTopicMetadata({ topics: [topic] })
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '7' }] })
  const offsets = await admin.fetchOffsets({ groupId, topics: [topic] })
  const { groups } = await admin.describeGroups([groupId])
  const deleted = await admin.deleteGroups([groupId])
  await admin.deleteTopics({ topics: [topic] })
  const gone = await settled(true, async () => !(await admin.listTopics()).includes(topic))
  return {
    created,
    again,
    partitions: seen[0]?.partitions.length,
    retention,
    committed: offsets[0]?.partitions.find(({ partition }) => partition === 0)?.offset,
    group: groups[0]?.state,
    deleted: deleted.map(({ errorCode }) => errorCode),
    gone,
  }
}

/** What it says once it says this, and after five seconds whatever it says. */
async function settled<Value>(expected: Value, look: () => Promise<Value>): Promise<Value> {
  const until = performance.now() + 5000
  for (;;) {
    const found = await look()
    if (found === expected || performance.now() > until) return found
    await pause(50)
  }
}

/** All brokers move, again and again, until it is ended. */
function keepMoving(front: Front) {
  const endings = ['fin', 'rst', 'silent'] as const
  const stop = new AbortController()
  let count = 0
  const moved = (async () => {
    while (!stop.signal.aborted) {
      await front.move(setAfter(front), { close: endings[count % endings.length] as 'fin' })
      count++
      await pause(700, undefined, { signal: stop.signal }).catch(() => {})
    }
  })()
  return {
    moves: () => count,
    async end() {
      stop.abort()
      await moved
    },
  }
}
