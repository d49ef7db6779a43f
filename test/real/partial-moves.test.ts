import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Front, startFront } from '../cluster/front.ts'
import type { Seen } from '../cluster/front-address.ts'
import { setAfter } from './harness/address-sets.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { MESSAGE_SPACING_MS, report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'

const JOIN_GROUP = 11
/** `group.min.session.timeout.ms` */
const SHORTEST_SESSION_MS = 6000

const cluster = sharedCluster({ bindFixed: true })

/** Where brokers of a client come from: asked anew, or a list that is right at the start only. */
const sources = [
  ['function', (front: Front) => () => front.endpoints()],
  ['list', (front: Front) => front.endpoints()],
] as const

test.each(sources)(
  'with brokers as a %s, old and new addresses overlap for ten seconds, then the old ones close',
  async (kind, brokers) => {
    await using front = await startFront(cluster())
    await using run = await startRun({
      scenario: `overlap of 10 s, brokers as a ${kind}`,
      cluster: cluster(),
      client: relistenMember,
      brokers: brokers(front),
    })
    await run.pass(5000)
    await run.move(async () => {
      await front.open(2)
      front.advertise(2)
    })
    await run.pass(8000)
    await run.move(() => front.close(1, 'fin'))
    await run.pass(2000)
    expect(report(await run.finish(), { rebalances: 0, aboveSteadyMs: MESSAGE_SPACING_MS })).toEqual([])
  },
)

test.each(sources)('with brokers as a %s, the brokers move one by one, four seconds apart', async (kind, brokers) => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: `node by node, brokers as a ${kind}`,
    cluster: cluster(),
    client: relistenMember,
    brokers: brokers(front),
  })
  for (const nodeId of cluster().nodeIds) {
    await run.move(() => front.move(2, { nodes: [nodeId] }))
    await run.pass(2000)
  }
  expect(report(await run.finish(), { rebalances: 0, aboveSteadyMs: 150 })).toEqual([])
})

test('only the broker of the coordinator moves', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'only the coordinator moves',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
  })
  const coordinator = await cluster().coordinatorOf(run.groupId)
  for (const set of [2, 3, 4]) {
    await run.move(() => front.move(set, { nodes: [coordinator] }))
    await run.pass(1000)
  }
  expect(report(await run.finish(), { rebalances: 0, aboveSteadyMs: 150 })).toEqual([])
})

test('two brokers swap their addresses', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'two brokers swap their addresses',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
  })
  for (const [one, other] of [
    [1, 2],
    [2, 3],
    [1, 2],
  ] as const) {
    await run.move(() => front.swap(one, other))
    await run.pass(500)
  }
  expect(report(await run.finish(), { rebalances: 0, worstMs: 500 })).toEqual([])
})

test('all brokers move away and back within a second, and again during a hand-over', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'away and back; a move during a hand-over',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
  })
  await run.move(async () => {
    await front.move(2)
    await pause(500)
    await front.move(1)
  })
  await run.move(async () => {
    await front.move(3)
    await pause(30)
    await front.move(4)
  })
  await run.move(async () => {
    await front.move(5, { close: 'silent' })
    await pause(200)
    await front.move(6, { close: 'silent' })
  })
  expect(report(await run.finish(), { rebalances: 0, worstMs: 1500 })).toEqual([])
})

test('all brokers move while a member joins', async () => {
  const seen: Seen[] = []
  await using front = await startFront(cluster(), { tap: (one) => seen.push(one) })
  await using run = await startRun({
    scenario: 'a move during a join',
    cluster: cluster(),
    client: relistenMember,
    members: 2,
    brokers: () => front.endpoints(),
  })
  await run.move(async () => {
    const third = run.add()
    const joined = third.start()
    await pause(30)
    await front.move(setAfter(front))
    await joined
  })
  const joins = (kind: Seen['kind']) => seen.filter((one) => one.kind === kind && one.apiKey === JOIN_GROUP).length
  // where the answer that names the member is lost, nobody can make that member leave: the coordinator waits for it
  const waitsMs = joins('request') > joins('answer') ? SHORTEST_SESSION_MS : 0
  expect(report(await run.finish(), { rebalances: 1, worstMs: 1500 + waitsMs })).toEqual([])
})
