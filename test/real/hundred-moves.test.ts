import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import type { Member } from './harness/member.ts'
import { startMemberProcess } from './harness/member-process.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const MB = 1024 * 1024

const cluster = sharedCluster({ bindFixed: true })

test('after a hundred moves there are no more sockets, timers and listeners than before, and no more heap', async () => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  await using run = await startRun<Member>({
    scenario: 'a hundred moves',
    cluster: cluster(),
    client: (task) => process.member(task),
    brokers: () => front.endpoints(),
  })
  const base = await process.measure()
  let tenth = base
  for (let move = 1; move <= 100; move += 1) {
    await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }), { windowMs: 200 })
    if (move === 10) tenth = await process.measure()
  }
  await run.pass(2000)
  const end = await process.measure()
  // fewer than before the first move: links nobody used since are not dialled
  const grown = Object.entries(end.active).filter(([kind, count]) => count > (base.active[kind] ?? 0))
  expect(grown).toEqual([])
  expect(end.listeners).toBeLessThanOrEqual(base.listeners)
  const figures = [
    { name: 'bytes of heap more than after move 10', value: end.heapBytes - tenth.heapBytes, most: 5 * MB },
  ]
  expect(report(await run.finish(), { rebalances: 0, worstMs: 1000, figures })).toEqual([])
})
