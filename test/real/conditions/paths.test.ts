// Paths to the brokers: two live listeners, and a NAT that forgets a connection.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import { form } from '../harness/form.ts'
import { type RelistenMember, relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'

const SIDE_BY_SIDE_MS = form(12_000, 120_000)
const FETCH = 1
const METADATA = 3
const HEARTBEAT = 12

const cluster = sharedCluster({ bindFixed: true })

test.concurrent('two live listeners per broker are no move; when the one in use closes, that is one', async () => {
  await using one = await startFront(cluster())
  await using other = await startFront(cluster())
  await using run = await startRun({
    scenario: 'two live listeners, then the one in use closes',
    cluster: cluster(),
    client: relistenMember,
    brokers: [...one.endpoints(), ...other.endpoints()],
  })
  await run.pass(SIDE_BY_SIDE_MS)
  const before = told(run.members, 'cluster.moved')
  const redials = told(run.members, 'link.reconnected')
  const used = one.connections() >= other.connections() ? one : other
  await run.move(() => used.close(1, 'fin'))
  await run.pass(2000)
  const figures = [
    { name: 'moves told while both were live', value: before, most: 0 },
    { name: 'redials while both were live', value: redials, most: 0 },
  ]
  expect(report(await run.finish(), { rebalances: 0, medianMs: 250, worstMs: 1000, figures })).toEqual([])
})

test.concurrent('the packets of connections vanish both ways while new ones work', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'a NAT forgets connections of one kind',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
  })
  const coordinator = await cluster().coordinatorOf(run.groupId)
  let missing = 0
  for (let round = 0; round < form(1, 10); round += 1) {
    for (const [nodeId, carried] of [
      [1, FETCH],
      [2, FETCH],
      [coordinator, HEARTBEAT],
      [3, METADATA],
    ] as const) {
      await run.move(async () => {
        // no connection has to stay for questions about metadata
        if (front.forget([nodeId], carried) === 0 && carried !== METADATA) missing += 1
      })
      await pause(500)
    }
  }
  const figures = [
    { name: 'rounds without a connection', value: missing, most: 0 },
    { name: 'sessions', value: told(run.members, 'session.opened'), most: run.members.length },
  ]
  expect(report(await run.finish(), { rebalances: 0, worstMs: 2000, figures })).toEqual([])
})

const told = (members: readonly RelistenMember[], type: string): number =>
  members.reduce((sum, member) => sum + (member.told.get(type) ?? 0), 0)
