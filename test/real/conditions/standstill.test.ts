// Nothing happens, or nothing can: a topic without messages, and a process whose event loop stands still.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import { form } from '../harness/form.ts'
import type { Member } from '../harness/member.ts'
import { startMemberProcess } from '../harness/member-process.ts'
import { relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { until } from '../harness/until.ts'

const IDLE_MS = form(20_000, 180_000)
/** How long the event loop stands still, time after time. */
const BLOCKS_MS = form([2000, 6000, 2000], [2000, 6000, 2000, 6000, 2000, 6000, 2000, 6000, 2000, 6000])

const cluster = sharedCluster({ bindFixed: true })

test.concurrent('an idle topic brings about nothing, however long a fetch waits', async () => {
  await using front = await startFront(cluster())
  const idle = async (maxWaitTimeInMs: number) => {
    await using run = await startRun({
      scenario: `idle, fetches of ${maxWaitTimeInMs} ms`,
      cluster: cluster(),
      client: relistenMember,
      brokers: () => front.endpoints(),
      options: { maxWaitTimeInMs },
      stream: false,
    })
    await pause(IDLE_MS)
    const told = (type: string) => run.members.reduce((sum, member) => sum + (member.told.get(type) ?? 0), 0)
    const figures = [
      { name: 'stalls', value: told('partition.stalled'), most: 0 },
      { name: 'redials', value: told('link.reconnected'), most: 0 },
      { name: 'sessions', value: told('session.opened'), most: run.members.length },
    ]
    await run.workload.backlog(60)
    const steadyMs = Number.POSITIVE_INFINITY
    return report(await run.finish(), { rebalances: 0, steadyMs, figures })
  }
  expect((await Promise.all([250, 5000, 14_000].map(idle))).flat()).toEqual([])
})

test.concurrent('a process whose event loop stands still reads what waits before it judges anybody', async () => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  await using run = await startRun<Member>({
    scenario: `the event loop stands still ${BLOCKS_MS.length} times`,
    cluster: cluster(),
    client: (task) => process.member(task),
    brokers: () => front.endpoints(),
  })
  const before = await process.told()
  for (const forMs of BLOCKS_MS) {
    await run.move(() => process.block(forMs), { windowMs: 2000 })
  }
  await until(async () => ((await process.told()).facts['event-loop.starved'] ? undefined : 'a fact of the standstill'))
  const after = await process.told()
  const grown = (type: string) => (after.facts[type] ?? 0) - (before.facts[type] ?? 0)
  const figures = [
    { name: 'redials', value: grown('link.reconnected'), most: 0 },
    { name: 'stalls', value: grown('partition.stalled'), most: 0 },
    { name: 'sessions', value: grown('session.opened'), most: 0 },
    { name: 'unreachable', value: grown('cluster.unreachable'), most: 0 },
  ]
  expect(report(await run.finish(), { rebalances: 0, steadyMs: 2000, figures })).toEqual([])
})
