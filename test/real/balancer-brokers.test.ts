// A balancer on real brokers that carry a load, while a broker joins, one is drained, and all of them restart on new addresses in the middle of a round.
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { type ClusterBalancerOptions, createBalancer } from '../../src/balancer.ts'
import { follow } from '../../src/index.ts'
import { stageLoad } from '../balancer/loaded-topic.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const cluster = sharedCluster({ nodeIds: [1, 2, 3, 4], joining: [4] })
const brokers = () => cluster().endpoints().slice(0, 3)

const options = (cluster: ClusterBalancerOptions['cluster'] = {}): ClusterBalancerOptions => ({
  ...{ brokers, mode: 'execute', intervalMs: 3000, coolDownMs: 1000, cluster },
  goals: { idle: { networkIn: 1024, networkOut: 1024, disk: 2 ** 40 } },
  execution: { lookMs: 100, sizesMs: 500, limits: { movesPerBroker: 4, leaders: 4 }, bytesPerSecond: 2 ** 22 },
})

/** Runs a balancer until a round moves nothing; `during` begins with its first step. */
async function balanced(given: ClusterBalancerOptions, during: () => Promise<unknown> = async () => {}) {
  const balancer = createBalancer(given)
  let begun = 0
  balancer.on('step.begun', () => void begun++)
  balancer.start()
  const status = () => JSON.stringify(balancer.status())
  try {
    await until(() => (begun > 0 ? undefined : `a step: ${status()}`), { deadlineMs: 60_000 })
    await during()
    const isAtRest = () => balancer.status().rounds.executed > 0 && balancer.status().decision?.stillness === 'balanced'
    await until(() => (isAtRest() ? undefined : `a round that moves nothing: ${status()}`), { deadlineMs: 120_000 })
  } finally {
    await balancer.stop()
  }
  const { rounds, moves, throttles, copiedBytes } = balancer.status()
  console.info({ rounds, moves, copiedBytes })
  expect(throttles).toEqual([])
  return { rounds, moves }
}

test('a broker that joins is used within two rounds while all others restart on new addresses, and one that is drained is empty afterwards; nothing is lost', async () => {
  const replicas = Array.from({ length: 24 }, (_, partition) => [0, 1, 2].map((index) => ((partition + index) % 3) + 1))
  const config = follow({ clientId: 'load', brokers, logLevel: kafkajs.logLevel.NOTHING }, { logger: false })
  const kafka = new kafkajs.Kafka(config)
  await using loaded = await stageLoad({ cluster: cluster(), kafka, topic: 'growing', replicas, brokers })
  const placed = async () => {
    const admin = cluster().kafka().admin()
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata()
    await admin.disconnect()
    return topics.flatMap(({ partitions }) => partitions)
  }
  const heldBy = async (id: number) => (await placed()).filter(({ replicas }) => replicas.includes(id)).length

  await cluster().startBroker(4)
  await cluster().waitReady()
  const joined = await balanced(options(), async () => {
    for (const nodeId of [1, 2, 3]) {
      await cluster().stopBroker(nodeId)
      await cluster().startBroker(nodeId, { set: 2 })
      await cluster().waitReady()
    }
  })
  const shares = await loaded.shares()
  console.info(shares)
  expect(joined.rounds.executed).toBeLessThanOrEqual(2)
  expect(await heldBy(4)).toBeGreaterThan(0)
  for (const share of [...shares.in, ...shares.out]) expect(Math.abs(share - 1)).toBeLessThan(0.1)

  const drained = await balanced(options({ drainingBrokers: [2] }))
  expect(drained.moves.failed).toBe(0)
  const partitions = await placed()
  expect(await heldBy(2)).toBe(0)
  expect(partitions.filter(({ isr, replicas }) => isr.length < replicas.length)).toEqual([])
  expect(await loaded.losses()).toEqual({ missing: [], twice: 0, skipped: 0, lost: 0 })
  await config.followed.close()
})
