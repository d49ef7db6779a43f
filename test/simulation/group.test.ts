// Between a consumer and its group, on the simulated cluster: a member that is lost before it has joined, and joins that take long.
import { expect, test } from 'vitest'
import { GroupStage } from './group-stage.ts'
import { placeOf } from './kafka/kafka.ts'

test('a member that is lost before it has joined makes its session fail, and the next one consumes', async () => {
  const stage = new GroupStage({ heartbeatInterval: 300, sessionTimeout: 3000, rebalanceTimeout: 3000 })
  const { kafka } = stage.world
  stage.at(22, () => {
    kafka.loadsUntil = 1500
  })
  stage.at(800, () => kafka.group.remove(kafka.group.memberIds[0] ?? ''))
  for (let ms = 2000; ms < 8000; ms += 500) stage.at(ms, () => stage.produce())
  let status: ReturnType<NonNullable<typeof stage.service.consumer>['status']> | undefined
  stage.at(9990, () => {
    status = stage.service.consumer?.status()
  })
  await stage.run(10_000)
  expect(stage.types(0, 'member.lost', 'session.joined')).toEqual(['member.lost', 'session.joined'])
  expect(status).toMatchObject({ state: 'consuming', memberId: kafka.group.memberIds[0] })
  expect(stage.handled).toHaveLength(4 * 12)
  expect([...kafka.group.offsets.values()]).toEqual([12, 12, 12, 12])
})

test('a join that a slow member holds for 20 s costs neither a connection to the coordinator nor the member id', async () => {
  const stage = new GroupStage()
  let shake: (holdsMs: number) => void = () => {}
  stage.at(2000, () => {
    shake = stage.slowMember()
  })
  stage.at(5000, () => shake(20_000))
  await stage.run(25_500)
  const held = ({ ms }: { ms: number }) => ms > 5000 && ms < 25_000
  expect(stage.facts.filter(held).map(({ type }) => type)).not.toContain('wire.redialled')
  // One beside the held join, over which the node is asked whether it is there.
  expect(stage.dials.filter(held)).toHaveLength(1)
  expect(stage.types(5000, 'partitions.assigned', 'member.named', 'session.opened', 'session.stalled')).toEqual([
    'partitions.assigned',
  ])
})

test('when all brokers move while a join is held, the member joins at the new place under the id it has', async () => {
  const stage = new GroupStage()
  let shake: (holdsMs: number) => void = () => {}
  stage.at(2000, () => {
    shake = stage.slowMember()
  })
  stage.at(5000, () => shake(9000))
  stage.at(7000, () => stage.move())
  await stage.run(20_000)
  expect(stage.types(5000, 'cluster.moved', 'rebuild.proven', 'rebuild.unproven')).toEqual([
    'cluster.moved',
    'rebuild.proven',
  ])
  expect(stage.types(5000, 'member.named', 'session.opened', 'session.stalled')).toEqual([])
  expect(stage.types(14_000, 'partitions.assigned')).toHaveLength(1)
})

test('a stop while a join is held leaves the group at once', async () => {
  const stage = new GroupStage()
  const { group } = stage.world.kafka
  let shake: (holdsMs: number) => void = () => {}
  stage.at(2000, () => {
    shake = stage.slowMember()
  })
  stage.at(5000, () => shake(20_000))
  stage.at(7000, () => {
    stage.world.isOver = true
    stage.service.stop()
  })
  let members: string[] = []
  stage.at(7500, () => {
    members = group.memberIds
  })
  await stage.run(8000)
  expect(members).toHaveLength(1)
  expect(stage.facts.find(({ type }) => type === 'stop.completed')?.data).toMatchObject({ forced: false })
  expect(stage.types(7000, 'member.named')).toEqual([])
})

test('a coordinator that goes dark while it holds a join is left for the one that takes over', async () => {
  const stage = new GroupStage()
  const { kafka, network } = stage.world
  let shake: (holdsMs: number) => void = () => {}
  stage.at(2000, () => {
    shake = stage.slowMember()
  })
  stage.at(5000, () => shake(13_000))
  stage.at(7000, () => {
    Object.assign(network.pathTo(placeOf(kafka.node(1).entry)), { dial: 'hangs', toServer: 'lost', toClient: 'lost' })
    kafka.node(1).isUp = false
    kafka.evacuate(1, 2)
  })
  await stage.run(20_000)
  const assigned = stage.facts.filter(({ ms, type }) => ms > 7000 && type === 'partitions.assigned')
  expect(assigned.map(({ ms }) => ms < 19_000)).toEqual([true])
  expect(stage.types(7000, 'member.named', 'session.opened')).toEqual([])
})
