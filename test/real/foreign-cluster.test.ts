import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { startCluster } from '../cluster/kafka-cluster.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'
import { createWorkload } from './harness/workload.ts'

const cluster = sharedCluster({ bindFixed: true })

test('another cluster on the old addresses is refused until ours is found', async () => {
  await using stranger = await startCluster({ strangerTo: cluster() })
  await using front = await startFront(cluster())
  let known = front.endpoints()
  await using run = await startRun({
    scenario: 'another cluster on the old addresses',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => known,
  })
  await stranger.createTopic(run.topic)
  const theirs = await createWorkload(stranger, { topic: run.topic, firstSequence: 1_000_000_000 })
  theirs.start()

  let refusedMs = Number.POSITIVE_INFINITY
  await run.move(
    async () => {
      const movedAt = Date.now()
      await front.move(2)
      await front.foreign(1, stranger)
      await Promise.all(run.members.map((member) => member.fact('cluster.refused')))
      refusedMs = Date.now() - movedAt
      await until(() => (run.members.some(({ consumer }) => consumer.status().ready) ? 'unready members' : undefined))
      // a stretch in which anything could go wrong: long enough for a group to form there
      const enough = theirs.sent + 200 * 8
      await until(() => (theirs.sent < enough ? 'messages of the stranger' : undefined))
      expect(await strangersMembers()).toEqual({ members: 0, commits: 0 })
      known = front.endpoints()
    },
    { windowMs: 1000 },
  )
  await until(() => (run.members.some(({ consumer }) => !consumer.status().ready) ? 'ready members' : undefined))
  expect(run.members[0]?.consumer.status().clusterId).toBe(cluster().clusterId)
  await theirs.close()
  const figures = [{ name: 'ms until it was refused', value: refusedMs, most: 2000 }]
  expect(report(await run.finish(), { rebalances: undefined, figures })).toEqual([])
  expect(await strangersMembers()).toEqual({ members: 0, commits: 0 })

  async function strangersMembers() {
    const admin = stranger.kafka().admin()
    await admin.connect()
    const { groups } = await admin.describeGroups([run.groupId])
    const offsets = await admin.fetchOffsets({ groupId: run.groupId, topics: [run.topic] })
    await admin.disconnect()
    const commits = offsets.flatMap(({ partitions }) => partitions).filter(({ offset }) => Number(offset) >= 0)
    return { members: groups.flatMap(({ members }) => members).length, commits: commits.length }
  }
})
