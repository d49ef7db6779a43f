// Between a consumer and its group, on the simulated cluster: a member that is lost before it has joined.
import { expect, test } from 'vitest'
import { GroupStage } from './group-stage.ts'

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
