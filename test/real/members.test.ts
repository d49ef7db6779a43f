import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { evict } from './harness/eviction.ts'
import type { Member } from './harness/member.ts'
import { startMemberProcess } from './harness/member-process.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { backAfter } from './harness/silence.ts'
import { until } from './harness/until.ts'

const HEARTBEAT_MS = 1000
const SESSION_MS = 30_000

const cluster = sharedCluster({ bindFixed: true })

test.each([
  { members: 1, worstMs: 1000 },
  { members: 3, worstMs: HEARTBEAT_MS + 1000 },
])('one of $members members is evicted from outside as all brokers move', async ({ members, worstMs }) => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: `evicted as all move, ${members} member${members === 1 ? '' : 's'}`,
    cluster: cluster(),
    client: relistenMember,
    members,
    brokers: () => front.endpoints(),
  })
  const memberId = run.members[0]?.consumer.status().memberId ?? ''
  await run.move(async () => {
    await Promise.all([front.move(setAfter(front)), evict(cluster(), run.groupId, memberId)])
  })
  expect(report(await run.finish(), { twice: 'process', rebalances: 2, worstMs })).toEqual([])
})

// these two beside each other: one of them mostly waits for a session to end
test.concurrent('a fourth member joins as all brokers move', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'a fourth member joins as all move',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
  })
  await run.move(async () => {
    const fourth = run.add()
    const joined = fourth.start()
    await front.move(setAfter(front))
    await joined
    await until(() => (fourth.partitions().length === 0 ? 'partitions of the fourth member' : undefined))
  })
  const outcome = await run.finish()
  expect(report(outcome, { twice: 'process', rebalances: 1, worstMs: HEARTBEAT_MS + 1000 })).toEqual([])
})

test.concurrent('one member is killed as all brokers move', async () => {
  await using front = await startFront(cluster())
  await using process = await startMemberProcess()
  let made = 0
  await using run = await startRun<Member>({
    scenario: 'one member is killed as all move',
    cluster: cluster(),
    client: (task) => {
      made += 1
      return made === 3 ? process.member(task) : relistenMember(task)
    },
    brokers: () => front.endpoints(),
  })
  const orphaned = run.members[2]?.partitions() ?? []
  const others = run.workload.partitions.filter((partition) => !orphaned.includes(partition))
  let killedAt = 0
  const whole = await run.move(
    async () => {
      killedAt = Date.now()
      await Promise.all([front.move(setAfter(front)), process.kill()])
      await run.pass(0)
    },
    { windowMs: 1000 },
  )
  const atTheMove = run.silence({ from: killedAt, to: killedAt + 2000 }, others)
  const outcome = await run.finish({ partitions: others })
  const figures = [
    { name: 'ms of silence of the others at the move', value: atTheMove, most: 1000 },
    { name: 'ms of silence of the others until the end', value: run.silence(whole, others), most: HEARTBEAT_MS + 1000 },
    {
      name: 'ms until the orphaned partitions were back',
      value: backAfter(run.ledger, orphaned, killedAt + 100),
      most: SESSION_MS + HEARTBEAT_MS + 1000,
    },
  ]
  expect(orphaned.length).toBeGreaterThan(0)
  expect(report(outcome, { twice: 'process', rebalances: undefined, figures })).toEqual([])
})
