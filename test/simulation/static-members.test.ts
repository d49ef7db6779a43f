// Static members, with the whole consumer on the simulated cluster: a process that starts again, and two processes with one id.
import { expect, test } from 'vitest'
import { apiKeys } from '../../actors/protocol/frames.ts'
import { GroupStage } from './group-stage.ts'
import { Service } from './service.ts'

/** A stage whose service is a static member; `rebalances` counts those of its group, `left` the requests to leave it. */
function staged() {
  const stage = new GroupStage({ groupInstanceId: 'pod-0' })
  const counts = { rebalances: 0, left: 0 }
  const { group } = stage.world.kafka
  group.onRebalance = () => {
    counts.rebalances++
  }
  stage.answer(apiKeys.leaveGroup, () => {
    counts.left++
    return undefined
  })
  for (let ms = 20; ms < 5000; ms += 20) stage.at(ms, () => stage.produce())
  return { stage, group, counts }
}

/** The service begins another life, and its consumer starts. */
const begins = (stage: GroupStage, service: Service = stage.service) => {
  service.start()
  stage.world.clock.plan(1, () => void service.consumer?.start().catch(() => {}))
}

test.each<[string, (stage: GroupStage) => void]>([
  ['stops', ({ service }) => service.stop()],
  ['is killed', ({ service }) => service.life && service.crash(service.life, 'kill')],
])(
  'a process that %s and starts again within its session timeout has its partitions, and nobody rebalances',
  async (_what, end) => {
    const { stage, group, counts } = staged()
    const ids: string[][] = []
    let assignment: unknown
    stage.at(2000, () => {
      ids.push(group.memberIds)
      end(stage)
    })
    // A life that has stopped lingers for a while.
    stage.at(9000, () => begins(stage))
    stage.at(12_000, () => {
      ids.push(group.memberIds)
      assignment = stage.service.consumer?.status().assignment
    })
    await stage.run(13_000)
    expect(ids).toEqual([['pod-0-1'], ['pod-0-2']])
    expect(counts).toEqual({ rebalances: 1, left: 0 })
    expect([group.generation, assignment]).toEqual([1, { orders: [0, 1, 2, 3] }])
    expect([...group.offsets.values()]).toEqual([249, 249, 249, 249])
  },
)

test('a session that is replaced takes the place of the one before, without a rebalance, and counts it as gone', async () => {
  const { stage, group, counts } = staged()
  stage.at(2000, () => {
    // The group forgets nobody, but the member is told that it does.
    let isTold = false
    stage.answer(apiKeys.heartbeat, () => {
      if (isTold) return undefined
      isTold = true
      return Buffer.from([0, 0, 0, 0, 0, 25])
    })
  })
  let members: unknown
  stage.at(9900, () => {
    members = stage.service.consumer?.status().memberId
  })
  await stage.run(10_000)
  expect(stage.types(0, 'member.lost', 'member.evicted', 'session.opened')).toEqual([
    ...['session.opened', 'member.lost', 'session.opened', 'member.evicted'],
  ])
  expect([counts, group.memberIds, members]).toEqual([{ rebalances: 1, left: 0 }, ['pod-0-2'], 'pod-0-2'])
})

test('of two processes with one id the older ends, and says why', async () => {
  const { stage, group } = staged()
  const other = new Service(stage.world, 'b')
  stage.world.services.push(other)
  stage.at(3000, () => begins(stage, other))
  let states: unknown[] = []
  stage.at(9900, () => {
    states = [stage.service, other].map(({ consumer }) => consumer?.status().state)
  })
  await stage.run(10_000)
  const superseded = stage.facts.find(({ type }) => type === 'member.superseded')
  expect(superseded?.data).toMatchObject({
    memberId: 'pod-0-1',
    failure: { kind: 'group-refused', code: 'FENCED_INSTANCE_ID', message: expect.stringContaining('pod-0') },
  })
  expect([states[0] ?? 'failed', states[1]]).toEqual(['failed', 'consuming'])
  expect(group.memberIds).toEqual(['pod-0-2'])
  expect([...group.offsets.values()]).toEqual([249, 249, 249, 249])
})

test('partitions that come while the static leader of a group is away are read when it is back', async () => {
  const { stage, group } = staged()
  stage.at(2000, ({ service } = stage) => service.life && service.crash(service.life, 'kill'))
  stage.at(2500, () => stage.world.kafka.topics[0]?.grow(2))
  stage.at(3000, () => begins(stage))
  await stage.run(12_000)
  expect([...group.offsets].filter(([partition]) => partition > 3).map(([, offset]) => offset)).toEqual([124, 124])
})
