// A balancer on a real cluster whose leaders and load lie on one broker: the plan is shown, also while all listeners move, and nothing is moved.
import { expect, test } from 'vitest'
import type { Decision } from '../../machines/balancer/decision.ts'
import { createBalancer } from '../../src/balancer.ts'
import { runCommand } from '../../src/command-line/command.ts'
import { startLoad } from '../balancer/load-generator.ts'
import { startFront } from '../cluster/front.ts'
import { newPath } from '../src/journal/journal-files.ts'
import { setAfter } from './harness/address-sets.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })

test('a plan for a lopsided cluster is made within a minute and a half of the first start, while all listeners move, and nothing is moved', async () => {
  await using front = await startFront(cluster())
  const [first = 1, second = 2, third = 3] = cluster().nodeIds
  // 80 : 10 : 10
  const places = Array.from({ length: 20 }, (_, partition) =>
    partition < 16 ? first : partition < 18 ? second : third,
  )
  const replicaAssignment = places.map((leader, partition) => {
    return { partition, replicas: [leader, ...[first, second, third].filter((id) => id !== leader)] }
  })
  const admin = cluster().kafka().admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'lopsided', replicaAssignment }] })
  await admin.disconnect()
  const before = await cluster().leaders('lopsided')
  await using _load = await startLoad(
    cluster().kafka(),
    places.map((_, partition) => ({ topic: 'lopsided', partition, valueBytes: 2000, messagesPerSecond: 10 })),
  )
  const balancer = createBalancer({
    brokers: () => front.endpoints(),
    intervalMs: 5000,
    goals: { idle: { networkIn: 1024, networkOut: 1024, disk: 2 ** 40 } },
  })
  const planned: Decision[] = []
  balancer.on('plan.proposed', ({ data }) => void planned.push(data.decision as Decision))
  const startedAt = performance.now()
  balancer.start()
  await until(() => (balancer.status().round > 0 ? undefined : 'the first round'), { deadlineMs: 60_000 })
  await front.move(setAfter(front), { close: 'fin' })
  await until(() => (planned.length > 0 ? undefined : JSON.stringify(balancer.status())), { deadlineMs: 90_000 })
  console.info(
    `the plan came after ${Math.round(performance.now() - startedAt)} ms:`,
    planned[0]?.steps.length,
    planned[0]?.total,
  )
  await balancer.stop()
  expect(planned[0]?.steps.every(({ from }) => from === first)).toBe(true)
  expect(planned[0]?.total.after).toBeLessThan((planned[0]?.total.before ?? 0) / 2)
  expect(await cluster().leaders('lopsided')).toEqual(before)

  const journal = newPath()
  const out: string[] = []
  const terminal = { out: (line: string) => void out.push(line), error: () => {} }
  const code = await runCommand(['balance', '--brokers', front.endpoints().join(','), '--journal', journal], terminal)
  console.info(out.join('\n'))
  expect(code).toBe(0)
})
