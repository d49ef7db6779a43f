// Brokers with Kafka's own defaults, and a join that a slow member holds.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import type { Seen } from '../../cluster/front-address.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form } from '../harness/form.ts'
import { type RelistenMember, relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { type Run, startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { stockMember } from '../harness/stock-member.ts'
import { until } from '../harness/until.ts'

/** How long the slow member holds the join. */
const HELD_MS = form(9000, 20_000)
const STOP_TIMEOUT_MS = 5000
const JOIN_GROUP = 11

/** What Kafka has where the tests' clusters are tuned. */
const cluster = sharedCluster({
  bindFixed: true,
  properties: {
    'group.initial.rebalance.delay.ms': '3000',
    'group.min.session.timeout.ms': '6000',
    'broker.session.timeout.ms': '9000',
    'broker.heartbeat.interval.ms': '2000',
    'replica.fetch.backoff.ms': '1000',
  },
})

test.concurrent('with the defaults of brokers a group joins, and moves while a slow member holds a join', async () => {
  const seen: Seen[] = []
  await using front = await startFront(cluster(), { tap: (one) => seen.push(one) })
  await using run = await startRun<RelistenMember>({
    scenario: 'broker defaults; all move while a join is held',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
  })
  const memberIds = ids(run)
  await run.move(() => front.move(setAfter(front)))
  let held = { from: 0, movedAt: 0, to: 0 }
  const slow = slowMember(run)
  await run.move(
    async () => {
      await slow.hold()
      const from = Date.now()
      await pause(HELD_MS / 2)
      const { at: movedAt } = await front.move(setAfter(front))
      await slow.ended
      held = { from, movedAt, to: Date.now() }
    },
    { windowMs: 3000 },
  )
  await slow.stop()
  await run.pass(2000)
  const joins = seen.filter(({ kind, apiKey, at }) => {
    return kind === 'request' && apiKey === JOIN_GROUP && at > held.from && at < held.to
  })
  const figures = [
    // one each, the one that joins included, and once more on the connection after the move
    { name: 'joins sent while one was held', value: joins.length, most: 2 * 4 },
    { name: 'member ids lost', value: memberIds.filter((id) => !ids(run).includes(id)).length, most: 0 },
    ...calm(run),
  ]
  const outcome = await run.finish()
  expect(
    report(outcome, { twice: 'process', rebalances: undefined, steadyMs: Number.POSITIVE_INFINITY, figures }),
  ).toEqual([])
})

test.concurrent('stop() returns by its deadline while a slow member holds a join, and the member is gone', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun<RelistenMember>({
    scenario: 'stop() while a join is held',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    options: { stopTimeoutMs: STOP_TIMEOUT_MS },
    name: 'stopper',
  })
  const [leaving] = run.members as [RelistenMember, ...RelistenMember[]]
  const memberId = leaving.consumer.status().memberId ?? ''
  let stopMs = Number.POSITIVE_INFINITY
  let there = true
  const slow = slowMember(run)
  await run.move(
    async () => {
      await slow.hold()
      await pause(2000)
      const from = performance.now()
      await leaving.stop()
      stopMs = performance.now() - from
      there = (await members()).includes(memberId)
      await slow.ended
    },
    { windowMs: 5000 },
  )
  await slow.stop()
  const figures = [
    { name: 'ms of stop()', value: stopMs, most: STOP_TIMEOUT_MS + 250 },
    { name: 'members left behind', value: there ? 1 : 0, most: 0 },
    ...calm(run),
  ]
  const outcome = await run.finish()
  expect(
    report(outcome, { twice: 'process', rebalances: undefined, steadyMs: Number.POSITIVE_INFINITY, figures }),
  ).toEqual([])

  async function members(): Promise<string[]> {
    const admin = cluster().kafka().admin()
    await admin.connect()
    const { groups } = await admin.describeGroups([run.groupId])
    await admin.disconnect()
    return groups.flatMap((group) => group.members.map((member) => member.memberId))
  }
})

/** A stock member of the run's group, over the listener that never moves, whose handler holds it away from a rebalance. */
function slowMember(run: Run<RelistenMember>) {
  let holds = false
  let release: (() => void) | undefined
  const ended = new Promise<void>((resolve) => {
    release = resolve
  })
  let working = false
  const member = stockMember({
    ...{ name: 'slow', groupId: run.groupId, topic: run.topic, brokers: [...cluster().internal], options: {} },
    async handle(handed) {
      if (holds && !working) {
        working = true
        await pause(HELD_MS)
        release?.()
      }
      const handOut = run.ledger.begin({ ...handed, startedAt: Date.now() })
      run.ledger.end(handOut)
    },
  })
  return {
    ended,
    /** Joins, handles, and then holds the next rebalance, which it brings about; resolves when the others wait. */
    async hold() {
      await member.start()
      await until(() => (member.partitions().length === 0 ? 'partitions of the slow member' : undefined))
      holds = true
      await until(() => (working ? undefined : 'the slow handler'))
      const rebalancing = run.members.map(({ told }) => told.get('group.rebalancing') ?? 0)
      // another member makes the coordinator ask all of them to join again
      void run.add().start()
      const asked = () =>
        run.members.some(({ told }, index) => (told.get('group.rebalancing') ?? 0) > (rebalancing[index] ?? 0))
      await until(() => (asked() ? undefined : 'a rebalance'))
    },
    stop: () => member.stop(),
  }
}

const ids = (run: Run<RelistenMember>) => run.members.map(({ consumer }) => consumer.status().memberId ?? '')

/** What none of this may bring about. */
function calm(run: Run<RelistenMember>) {
  const most = (type: string) => Math.max(...run.members.map(({ told }) => told.get(type) ?? 0))
  return [
    { name: 'member.lost', value: most('member.lost'), most: 0 },
    { name: 'sessions', value: most('session.opened'), most: 1 },
  ]
}
