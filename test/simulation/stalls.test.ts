// What is no stall, and what is one, on the simulated cluster and its clock: long polls, held rebalances, pauses, throttles, errors.
import { expect, test, vi } from 'vitest'
import { apiKeys, requestBodyOffset } from '../../actors/protocol/frames.ts'
import { fetchBody } from '../actors/bytes.ts'
import { GroupStage } from './group-stage.ts'
import { Reading } from './kafka/bytes.ts'

// Minutes of the simulated clock are seconds of a busy machine's.
vi.setConfig({ testTimeout: 60_000 })

const minuteMs = 60_000
/** What a stall that is none costs. The first connections of a session are no redials. */
const costs = ['partition.stalled', 'session.stalled', 'link.reconnected', 'session.failed', 'member.lost'] as const

/** An answer to this fetch without a record. */
function emptyBody(frame: Buffer, { error = 0, throttleMs = 0 } = {}): Buffer {
  const request = new Reading(frame, requestBodyOffset(frame))
  request.skip(4 + 4 + 4 + 4 + 1 + 4 + 4)
  const edge = error === 0 ? {} : { highWatermark: -1n, lastStableOffset: -1n }
  const topics = request.list(() => {
    const topic = request.text()
    const partitions = request.list(() => {
      const partition = request.int32()
      request.skip(4 + 8 + 8 + 4)
      return { partition, error, ...edge }
    })
    return [topic, partitions] as const
  })
  const body = fetchBody(10, Object.fromEntries(topics))
  body.writeInt32BE(throttleMs, 0)
  return body
}

test.each([250, 5000, 14_000])('an idle topic is well for three minutes at a maxWaitTimeInMs of %s', async (waitMs) => {
  const stage = new GroupStage({ maxWaitTimeInMs: waitMs })
  stage.at(500, () => stage.produce())
  await stage.run(3 * minuteMs)
  expect(stage.handled).toHaveLength(4)
  expect(stage.types(1500, ...costs)).toEqual([])
  expect(stage.types(0, 'session.opened')).toHaveLength(1)
})

test.each([250, 1000])(
  'a rebalance that another member holds for 12 s is no stall at a maxWaitTimeInMs of %s',
  async (waitMs) => {
    const stage = new GroupStage({ maxWaitTimeInMs: waitMs })
    let shake: (holdsMs: number) => void = () => {}
    stage.at(2000, () => {
      shake = stage.slowMember()
    })
    stage.at(5000, () => shake(12_000))
    await stage.run(30_000)
    expect(stage.types(17_000, 'partitions.assigned')).toHaveLength(1)
    expect(stage.types(1500, 'partition.stalled', 'session.stalled')).toEqual([])
    expect(stage.types(0, 'session.opened')).toHaveLength(1)
  },
)

test('rebalances of an idle topic are no stalls', async () => {
  const stage = new GroupStage()
  for (let ms = 5000; ms < 50_000; ms += 5130) stage.at(ms, () => stage.world.kafka.group.shake())
  await stage.run(minuteMs)
  expect(stage.types(0, 'group.rebalancing').length).toBeGreaterThan(5)
  expect(stage.types(1500, ...costs)).toEqual([])
})

test('a pause of 5 s that is taken back is no stall, however often', async () => {
  const stage = new GroupStage()
  const { topic } = stage.world.kafka
  for (let ms = 3000; ms < 60_000; ms += 6130) {
    stage.at(ms, () => void stage.service.use((consumer) => consumer.pause([{ topic, partitions: [0] }])))
    stage.at(ms + 5000, () => void stage.service.use((consumer) => consumer.resume([{ topic, partitions: [0] }])))
  }
  await stage.run(70_000)
  expect(stage.types(1500, ...costs)).toEqual([])
})

test('a quota that throttles each fetch by 10 s is no stall', async () => {
  const stage = new GroupStage()
  stage.at(3000, () => stage.answer(apiKeys.fetch, (frame) => emptyBody(frame, { throttleMs: 10_000 })))
  await stage.run(2 * minuteMs)
  expect(stage.types(1500, ...costs)).toEqual([])
  expect(stage.types(0, 'session.opened')).toHaveLength(1)
})

test.each([
  [6, 'NOT_LEADER_OR_FOLLOWER'],
  [3, 'UNKNOWN_TOPIC_OR_PARTITION'],
])(
  'fetches that bring only error %s are a stall of all partitions that names it, and take readiness away',
  async (error, name) => {
    const stage = new GroupStage()
    let errorCode = error
    stage.at(500, () => stage.produce())
    stage.at(3000, () =>
      stage.answer(apiKeys.fetch, (frame) => (errorCode === 0 ? undefined : emptyBody(frame, { error }))),
    )
    const seen: { ready: boolean; reason: string }[] = []
    const look = () => void stage.service.use((consumer) => seen.push(consumer.status()))
    stage.at(9000, look)
    stage.at(9100, () => {
      errorCode = 0
      stage.produce()
    })
    stage.at(13_000, look)
    await stage.run(13_500)
    const stalls = stage.facts.filter(({ type }) => type === 'partition.stalled')
    // One for each node that answers so.
    expect(stalls.length).toBeLessThanOrEqual(stage.world.kafka.nodes.size)
    for (const { data } of stalls) expect(data.reason).toContain(name)
    expect(seen).toMatchObject([{ ready: false, reason: expect.stringContaining(name) }, { ready: true }])
    expect(stage.handled).toHaveLength(8)
    expect(stage.types(0, 'session.opened')).toHaveLength(1)
  },
)

test('a throttle time in the answer to any request is as long as it was meant', async () => {
  const stage = new GroupStage()
  stage.world.kafka.trouble.throttleMs = (_nodeId, apiKey) => (apiKey === apiKeys.apiVersions ? 0 : 100)
  stage.at(1000, () => {
    stage.world.kafka.trouble.throttleMs = () => 0
  })
  stage.at(2000, () => stage.produce())
  await stage.run(5000)
  expect(stage.handled).toHaveLength(4)
})
