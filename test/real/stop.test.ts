import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import type { Member } from './harness/member.ts'
import { startMemberProcess } from './harness/member-process.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const STOP_TIMEOUT_MS = 5000

const cluster = sharedCluster({ bindFixed: true })

// beside each other: most of the time nothing happens
test.concurrent.each([
  ['unreachable', 'rst'],
  ['silent', 'silent'],
] as const)('stop() returns by its deadline while every broker is %s, and leaves nothing behind', async (what, how) => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  const endpoints = front.endpoints()
  const before = await process.measure()
  await using run = await startRun<Member>({
    scenario: `stop() while every broker is ${what}`,
    cluster: cluster(),
    client: (task) => process.member(task),
    brokers: () => endpoints,
    options: { stopTimeoutMs: STOP_TIMEOUT_MS },
  })
  const silentFor = (partition: number) => Date.now() - (run.ledger.handOuts(partition).at(-1)?.startedAt ?? 0)
  await run.move(
    async () => {
      await front.close(1, how)
      await until(() => (run.workload.partitions.some((one) => silentFor(one) < 2000) ? 'silence' : undefined))
    },
    { passes: false },
  )
  await Promise.all(run.members.map((member) => member.stop()))
  const after = await process.measure()
  expect({ active: after.active, listeners: after.listeners }).toEqual({
    active: before.active,
    listeners: before.listeners,
  })
  const outcome = await run.finish({ upTo: 'handled' })
  const figures = [{ name: 'ms of stop()', value: Math.max(...process.stopsMs), most: STOP_TIMEOUT_MS + 250 }]
  expect(report(outcome, { rebalances: 0, figures })).toEqual([])
})
