// Between a consumer and its group, on the simulated cluster: a member that is lost before it has joined, and joins that take long.
import { expect, test } from 'vitest'
import { apiKeys } from '../../actors/protocol/frames.ts'
import { clockShift } from './globals.ts'
import { GroupStage } from './group-stage.ts'
import { Bytes } from './kafka/bytes.ts'
import { placeOf } from './kafka/kafka.ts'

test('a member that is lost before it has joined makes its session fail, and the next one consumes', async () => {
  const stage = new GroupStage({ heartbeatInterval: 300, sessionTimeout: 3000, rebalanceTimeout: 3000 })
  const { kafka } = stage.world
  stage.at(22, () => {
    kafka.loadsUntil = 1500
  })
  stage.at(800, () => kafka.group.remove(kafka.group.memberIds[0] ?? ''))
  for (let ms = 1500; ms < 3500; ms += 20) stage.at(ms, () => stage.produce())
  let status: ReturnType<NonNullable<typeof stage.service.consumer>['status']> | undefined
  stage.at(9990, () => {
    status = stage.service.consumer?.status()
  })
  await stage.run(10_000)
  expect(stage.types(0, 'member.lost', 'session.joined')).toEqual(['member.lost', 'session.joined'])
  expect(status).toMatchObject({ state: 'consuming', memberId: kafka.group.memberIds[0] })
  expect(stage.handled).toHaveLength(4 * 100)
  expect([...kafka.group.offsets.values()]).toEqual([100, 100, 100, 100])
  // In between it is no member, and hands out nothing.
  const [lost, joined] = stage.facts.filter(({ type }) => type === 'member.lost' || type === 'session.joined')
  expect(stage.handled.filter(({ ms }) => ms > (lost?.ms ?? 0) + 1 && ms < (joined?.ms ?? 0) - 1)).toEqual([])
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
  expect(stage.facts.filter(held).map(({ type }) => type)).not.toContain('link.reconnected')
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

test('a clock that is set back by an hour keeps no member from joining again', async () => {
  const stage = new GroupStage()
  stage.at(3000, () => {
    clockShift.ms -= 3_600_000
  })
  stage.at(5000, () => stage.world.kafka.group.shake())
  await stage.run(15_000)
  const told = stage.facts.filter(({ ms }) => ms >= 5000).map(({ type }) => type)
  const steps = ['group.rebalancing', 'partitions.revoked', 'member.joined', 'partitions.assigned']
  expect(told.filter((type) => steps.includes(type))).toEqual(steps)
  expect(stage.types(0, 'session.stalled', 'session.opened')).toEqual(['session.opened'])
})

test('a join whose answer is lost on the way goes out again before the member expires', async () => {
  const stage = new GroupStage({ sessionTimeout: 8000, rebalanceTimeout: 8000 })
  let shake: (holdsMs: number) => void = () => {}
  stage.at(2000, () => {
    shake = stage.slowMember()
  })
  stage.at(8000, () => shake(6000))
  // The broker has lost the connections, and nobody hears of it who only waits.
  stage.at(10_500, () => {
    for (const connection of stage.world.network.connections) connection.forget()
  })
  await stage.run(40_000)
  expect(stage.types(8000, 'member.joined')).toHaveLength(1)
  expect(stage.types(8000, 'session.stalled', 'session.opened', 'member.named')).toEqual([])
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

const joinAnswer = (error: number) =>
  new Bytes()
    .int32(0)
    .int16(error)
    .int32(-1)
    .string('')
    .string('')
    .string('')
    .array([], () => {})
    .taken()

test.each([
  [26, 'group-refused', 'INVALID_SESSION_TIMEOUT', 'group.min.session.timeout.ms'],
  [81, 'group-refused', 'GROUP_MAX_SIZE_REACHED', 'group.max.size'],
  [23, 'group-refused', 'INCONSISTENT_GROUP_PROTOCOL', 'partitionAssigners'],
  [24, 'group-refused', 'INVALID_GROUP_ID', 'groupId'],
] as const)(
  'a join that is answered with error %i ends the consumer after three attempts as %s %s, and the error names %s',
  async (error, code, name, advice) => {
    const stage = new GroupStage()
    stage.at(0, () => stage.answer(apiKeys.joinGroup, () => joinAnswer(error)))
    await stage.run(5000)
    expect(stage.failure).toMatchObject({ code, failure: { code: name }, message: expect.stringContaining(advice) })
    expect(String(stage.failure)).toContain('group orders-service')
    const attempts = stage.facts.flatMap(({ type, data }) => (type === 'session.opened' ? [data.epoch] : []))
    expect(attempts).toEqual([1, 2, 3])
  },
)

test('a right on the group that is missing is waited for while brokers may not know of it, then it ends the consumer', async () => {
  const stage = new GroupStage()
  stage.at(0, () => stage.answer(apiKeys.joinGroup, () => joinAnswer(30)))
  await stage.run(50_000)
  expect(stage.failure).toMatchObject({ code: 'not-authorized', failure: { code: 'GROUP_AUTHORIZATION_FAILED' } })
  expect(String(stage.failure)).toMatch(/group orders-service.*--operation Read --group/)
  expect(stage.facts.findLast(({ type }) => type === 'session.failed')?.ms).toBeGreaterThan(30_000)
})

test('a group this user may not look up is told by name within 5 s, after as many look-ups as attempts', async () => {
  const stage = new GroupStage()
  let lookups = 0
  stage.at(0, () =>
    stage.answer(apiKeys.findCoordinator, () => {
      lookups++
      return new Bytes().int32(0).int16(30).string('no').int32(-1).string('').int32(-1).taken()
    }),
  )
  await stage.run(5000)
  const failed = stage.facts.filter(({ type }) => type === 'session.failed')
  expect(failed[0]?.data.failure).toMatchObject({
    ...{ kind: 'not-authorized', code: 'GROUP_AUTHORIZATION_FAILED', isPassing: true },
    message: expect.stringContaining('group orders-service'),
  })
  expect(lookups).toBe(stage.types(0, 'session.opened').length)
})

test('a right on the group that is taken away while it consumes is told, nothing is handed out, and it goes on when the right is back', async () => {
  const stage = new GroupStage()
  let isDenied = true
  for (let ms = 2000; ms < 7000; ms += 50) stage.at(ms, () => stage.produce())
  stage.at(3000, () => {
    stage.answer(apiKeys.heartbeat, () => (isDenied ? new Bytes().int32(0).int16(30).taken() : undefined))
    stage.answer(apiKeys.joinGroup, () => (isDenied ? joinAnswer(30) : undefined))
  })
  stage.at(50_000, () => {
    isDenied = false
  })
  await stage.run(70_000)
  const [failed] = stage.facts.filter(({ type }) => type === 'session.failed')
  expect(failed).toMatchObject({ data: { failure: { kind: 'not-authorized', code: 'GROUP_AUTHORIZATION_FAILED' } } })
  expect(stage.handled.length).toBeGreaterThan(50)
  expect(stage.handled.filter(({ ms }) => ms > (failed?.ms ?? 0) + 1 && ms < 50_000)).toEqual([])
  expect(stage.types(3000, 'session.joined', 'stop.completed')).toEqual(['session.joined'])
})

test.each([0, 3000])(
  'a topic this user may not read is told by its name within 5 s (from %i ms on)',
  async (fromMs) => {
    const stage = new GroupStage()
    const { kafka } = stage.world
    // Metadata in the layout that is denied here.
    kafka.release = '2.4'
    stage.at(fromMs, () => {
      for (const node of kafka.nodes.values()) {
        const inner = node as unknown as { description(entries: unknown, topics: readonly string[]): Buffer }
        const before = inner.description.bind(node)
        inner.description = (entries, topics) => {
          const denied = new Bytes()
          denied.array(topics, (topic) => denied.int16(29).string(topic).int8(0).int32(0))
          return Buffer.concat([before(entries, []).subarray(0, -4), denied.taken()])
        }
      }
      const fetched = (frame: Buffer) => {
        const partition = frame.readInt32BE(frame.indexOf('orders', 60) + 'orders'.length + 4)
        const answer = new Bytes().int32(0).int16(0).int32(0).int32(1).string('orders').int32(1).int32(partition)
        return answer.int16(29).int64(-1).int64(-1).int64(-1).int32(0).int32(0).taken()
      }
      stage.answer(apiKeys.fetch, (frame) => (frame.includes('orders') ? fetched(frame) : undefined))
    })
    await stage.run(fromMs + 5000)
    const [failed] = stage.facts.filter(({ type }) => type === 'session.failed')
    expect(failed).toMatchObject({
      data: {
        failure: {
          ...{ kind: 'not-authorized', code: 'TOPIC_AUTHORIZATION_FAILED' },
          message: expect.stringContaining('orders'),
        },
      },
    })
    expect(stage.types(fromMs, 'stop.completed')).toEqual([])
  },
)

test('a right on one topic that is taken away is told, and the other topics are read on', async () => {
  const stage = new GroupStage()
  const { kafka } = stage.world
  kafka.addTopic('payment', 1)
  kafka.release = '2.4'
  for (let ms = 2000; ms < 14_000; ms += 50) stage.at(ms, () => stage.produce())
  stage.at(4000, () => {
    for (const node of kafka.nodes.values()) {
      const inner = node as unknown as { description(entries: unknown, topics: readonly string[]): Buffer }
      const before = inner.description.bind(node)
      inner.description = (entries, topics) => {
        if (!topics.includes('payment')) return before(entries, topics)
        const allowed = topics.filter((topic) => topic !== 'payment')
        const shown = before(entries, allowed)
        const bare = before(entries, [])
        const counted = Buffer.from(shown)
        counted.writeInt32BE(topics.length, bare.length - 4)
        return Buffer.concat([counted, new Bytes().int16(29).string('payment').int8(0).int32(0).taken()])
      }
    }
    let isTold = false
    stage.answer(apiKeys.fetch, (frame) => {
      if (!frame.includes('payment') || isTold) return undefined
      isTold = true
      const answer = new Bytes().int32(0).int16(0).int32(0).int32(1).string('payment').int32(1).int32(0)
      return answer.int16(29).int64(-1).int64(-1).int64(-1).int32(0).int32(0).taken()
    })
  })
  await stage.run(20_000)
  expect(stage.types(4000, 'topic.denied', 'stop.completed')).toEqual(['topic.denied'])
  expect(stage.handled.filter(({ ms }) => ms > 10_000).length).toBeGreaterThan(50)
})

test('a stop while a session is being replaced commits what was handled, and the member is gone', async () => {
  const stage = new GroupStage({ commitIntervalMs: 1000, stopTimeoutMs: 5000, rebuildTimeoutMs: 1500 })
  const { kafka } = stage.world
  stage.at(2000, () => stage.produce())
  stage.at(2030, () => {
    kafka.loadsUntil = 4530
    const failure = { kind: 'session-silent', message: 'made up' }
    const consumer = stage.service.consumer as unknown as { send(fact: object): void }
    stage.service.use(() => consumer.send({ type: 'session.stalled', epoch: 1, failure }))
  })
  stage.at(4200, () => stage.service.stop())
  await stage.run(9000)
  expect(stage.handled).toHaveLength(4)
  expect([...kafka.group.offsets.values()]).toEqual([1, 1, 1, 1])
  expect(kafka.group.memberIds).toEqual([])
  expect(stage.facts.find(({ type }) => type === 'stop.completed')?.data).toMatchObject({ forced: false })
  expect(stage.types(4200, 'offsets.salvaged', 'member.evicted')).toEqual(['offsets.salvaged', 'member.evicted'])
})
