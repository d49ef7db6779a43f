// What users do when partitions come and go, with the whole consumer on the simulated cluster.

import { expect, test } from 'vitest'
import type { TopicPartition } from '../../machines/topic-partition.ts'
import type { RelistenError } from '../../src/error.ts'
import { GroupStage } from './group-stage.ts'
import type { SimulatedOptions } from './options.ts'

/** Messages from the start on, one for each partition each 20 ms, until `untilMs`. */
function producing(options: Partial<SimulatedOptions>, untilMs: number): GroupStage {
  const stage = new GroupStage(options)
  for (let ms = 20; ms < untilMs; ms += 20) stage.at(ms, () => stage.produce())
  return stage
}

const named = (partitions: readonly TopicPartition[]) => partitions.map(({ partition }) => partition).join()

test('what is sought in onPartitionsAssigned is where reading begins, although it takes a while', async () => {
  const log: string[] = []
  const stage: GroupStage = producing(
    {
      onPartitionsAssigned: async (partitions) => {
        log.push(`assigned ${named(partitions)}`)
        await new Promise((resolve) => setTimeout(resolve, 500))
        for (const each of partitions) stage.service.consumer?.seek({ ...each, offset: '5' })
      },
    },
    2000,
  )
  await stage.run(3000)
  expect(log).toEqual(['assigned 0,1,2,3'])
  for (const partition of [0, 1, 2, 3])
    expect(stage.handled.find(({ where }) => where.startsWith(`${partition}/`))?.where).toBe(`${partition}/5`)
  expect(stage.types(0, 'callback.failed', 'session.failed')).toEqual([])
})

test('what onPartitionsAssigned throws keeps its assignment from being read, and the next session asks again', async () => {
  let failures = 2
  const stage = producing(
    {
      onPartitionsAssigned: () => {
        if (failures-- > 0) throw new Error('no store')
      },
    },
    1000,
  )
  await stage.run(10_000)
  const [joined] = stage.facts.filter(({ type }) => type === 'session.joined')
  expect(stage.types(0, 'callback.failed', 'session.failed', 'session.joined')).toEqual([
    ...['callback.failed', 'session.failed', 'callback.failed', 'session.failed', 'session.joined'],
  ])
  expect(stage.handled.filter(({ ms }) => ms < (joined?.ms ?? 0))).toEqual([])
  expect(stage.handled).toHaveLength(4 * 49)
})

test.each([
  ['a rebalance', (stage: GroupStage) => stage.world.kafka.group.shake()],
  ['a stop', (stage: GroupStage) => stage.service.stop()],
])('in onPartitionsRevoked, at %s, commits still count, and no handler is at work', async (_what, end) => {
  let atRevoke = 0
  const log: string[] = []
  const stage: GroupStage = producing(
    {
      autoCommit: false,
      onPartitionsRevoked: async (partitions) => {
        log.push(named(partitions))
        atRevoke ||= stage.handled.length
        const offset = (partition: number) =>
          stage.handled.filter(({ where }) => where.startsWith(`${partition}/`)).length
        await stage.service.consumer
          ?.commit(partitions.map((each) => ({ ...each, offset: `${offset(each.partition)}` })))
          .catch((error: RelistenError) => log.push(error.code))
      },
    },
    2000,
  )
  stage.at(2100, () => end(stage))
  await stage.run(4000)
  expect(log).toEqual(['0,1,2,3'])
  expect([...stage.world.kafka.group.offsets.values()]).toEqual([99, 99, 99, 99])
  expect([atRevoke, stage.handled.length]).toEqual([4 * 99, 4 * 99])
})

test('partitions that the group gave away are lost: commits of them are fenced', async () => {
  const log: string[] = []
  const stage: GroupStage = producing(
    {
      autoCommit: false,
      onPartitionsAssigned: () => void log.push('assigned'),
      onPartitionsRevoked: () => void log.push('revoked'),
      onPartitionsLost: async (partitions) => {
        log.push(`lost ${named(partitions)}`)
        await stage.service.consumer
          ?.commit([{ topic: 'orders', partition: 0, offset: '1' }])
          .catch((error: RelistenError) => log.push(error.code))
      },
    },
    1000,
  )
  stage.at(1500, () => stage.world.kafka.group.remove(stage.world.kafka.group.memberIds[0] ?? ''))
  await stage.run(8000)
  expect(log).toEqual(['assigned', 'lost 0,1,2,3', 'fenced', 'assigned'])
  expect([...stage.world.kafka.group.offsets.values()]).toEqual([])
})
