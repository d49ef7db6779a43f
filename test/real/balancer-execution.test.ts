// Plans carried out on real brokers, with each trap of Kafka's protocol once.
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Controls } from '../../actors/balancer/controls.ts'
import { executionOn, placedTopic, placesOf, realControls, stepTo } from '../balancer/execution-stage.ts'
import { startFront } from '../cluster/front.ts'
import { forkChild } from '../process/child.ts'
import type { ExecutionTask } from './harness/execution-main.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })
const never = new AbortController().signal
const mib = 2 ** 20

const brokers = [1, 2, 3].map((id) => ({ type: 'broker', name: String(id) }) as const)
const rates = ['leader', 'follower'].map((each) => `${each}.replication.throttled.rate`)
const lists = ['leader', 'follower'].map((each) => `${each}.replication.throttled.replicas`)

/** What throttles replication, set on the topic itself, on a broker, or on all. */
async function throttlesOf(controls: Controls, topic: string): Promise<string[]> {
  const entries = [
    ...(await controls.configs([{ type: 'topic', name: topic }], lists)),
    ...(await controls.configs(brokers, rates)),
  ]
  return entries
    .filter(({ source, value }) => value !== '' && ['topic', 'broker', 'all-brokers'].includes(source))
    .map(({ type, name, config, value }) => `${type} ${name} ${config} ${value}`)
}

/** From now on nothing of this topic is copied to where it is not yet. */
async function standstill(controls: Controls, topic: string): Promise<void> {
  for (const config of lists) await controls.configure({ type: 'topic', name: topic }, config, '*')
  for (const broker of brokers) for (const config of rates) await controls.configure(broker, config, '1')
}

/** At its end nothing is throttled, and nothing is under way, for the tests that follow. */
function cleared(controls: Controls): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await executionOn(controls).throttles.sweep(await controls.topology(), true)
      await until(async () => ((await controls.topology()).underWay.length === 0 ? undefined : 'the moves of others'))
    },
  }
}

const shown = async (controls: Controls, topic: string) =>
  (await placesOf(controls, topic)).map(({ replicas, leader }) => `${replicas} led by ${leader}`)

test('leaders move by reorder and election, replicas one by one, under throttles that are gone afterwards', async () => {
  await using front = await startFront(cluster())
  using real = realControls(() => front.endpoints())
  const { controls } = real
  await using _end = cleared(controls)
  const own = { 'leader.replication.throttled.replicas': '7:1', 'retention.ms': '7200000' }
  await placedTopic(
    cluster(),
    controls,
    'moves',
    [
      [1, 2],
      [1, 2],
      [1, 2],
    ],
    { mib: 4, configuration: own },
  )
  await controls.configure({ type: 'broker', name: '1' }, rates[0] ?? '', '5000000')
  await controls.configure({ type: 'broker', name: '' }, rates[0] ?? '', '6000000')
  const before = await throttlesOf(controls, 'moves')
  const { executor, ends } = executionOn(controls, { rates: () => () => 2 * mib })
  const steps = [
    stepTo('moves', 1, 'replica', 2, 3, [1, 3], 4 * mib),
    stepTo('moves', 2, 'replica', 1, 3, [3, 2], 4 * mib),
    stepTo('moves', 0, 'leader', 1, 2, [2, 1]),
  ]
  const result = executor.carryOut(steps, never)
  await until(() => (ends().length > 0 ? undefined : 'the leader'))
  // All addresses change while replicas are copied.
  await front.move(2, { close: 'silent' })
  expect(await result).toEqual({ moved: 3, failed: 0 })
  expect(ends()[0]).toBe('0 leader done')
  expect(await shown(controls, 'moves')).toEqual(['2,1 led by 2', '1,3 led by 1', '3,2 led by 3'])
  expect(await throttlesOf(controls, 'moves')).toEqual(before)
  const [retention] = await controls.configs([{ type: 'topic', name: 'moves' }], ['retention.ms'])
  expect(retention).toMatchObject({ value: '7200000', source: 'topic' })
})

test('a move that stands still is cancelled where it may be, and one of others is left alone; their throttles are found and taken back', async () => {
  await using front = await startFront(cluster())
  using real = realControls(() => front.endpoints())
  const { controls } = real
  await using _end = cleared(controls)
  await placedTopic(
    cluster(),
    controls,
    'still',
    [
      [1, 2],
      [1, 2],
    ],
    { mib: 4 },
  )
  await placedTopic(cluster(), controls, 'kept', [[1, 2]], { mib: 4, configuration: { 'min.insync.replicas': '3' } })
  for (const topic of ['still', 'kept']) await standstill(controls, topic)
  await controls.reassign([{ topic: 'still', partition: 1, replicas: [1, 3] }])
  const { executor, ends, throttles, facts } = executionOn(controls, { stallMs: 1500, cancelMs: 3000 })
  const steps = [
    stepTo('still', 0, 'replica', 2, 3, [1, 3], 4 * mib),
    stepTo('still', 1, 'replica', 2, 3, [1, 3], 4 * mib),
    stepTo('kept', 0, 'replica', 2, 3, [1, 3], 4 * mib),
  ]
  expect(await executor.carryOut(steps, never)).toEqual({ moved: 0, failed: 3 })
  expect(ends()).toEqual(['1 replica failed foreign', '0 replica cancelled stalled', '0 replica failed not-cancelled'])
  expect((await shown(controls, 'still'))[0]).toBe('1,2 led by 1')
  const topology = await controls.topology()
  expect(topology.underWay.map(({ topic, partition }) => `${topic}/${partition}`).toSorted()).toEqual([
    'kept/0',
    'still/1',
  ])
  await throttles.sweep(topology, false)
  expect(facts.filter(({ type }) => type === 'throttle.found')).toHaveLength(10)
  expect(await throttlesOf(controls, 'still')).toHaveLength(8)
  await throttles.sweep(topology, true)
  expect([...(await throttlesOf(controls, 'still')), ...(await throttlesOf(controls, 'kept'))]).toEqual([])
})

test('a broker that vanishes ends the round; the move to it is cancelled, and nothing is asked of a broker that is fenced', async () => {
  await using front = await startFront(cluster())
  using real = realControls(() => front.endpoints())
  const { controls } = real
  await using _end = cleared(controls)
  await placedTopic(
    cluster(),
    controls,
    'lost',
    [
      [1, 2],
      [1, 2],
    ],
    { mib: 4 },
  )
  await standstill(controls, 'lost')
  const { executor, ends } = executionOn(controls, { lostMs: 1000 })
  const move = stepTo('lost', 0, 'replica', 2, 3, [1, 3], 4 * mib)
  const result = executor.carryOut([move], never)
  await until(() => (executor.progress().underWay.length > 0 ? undefined : 'the move'))
  cluster().signalBroker(3, 'SIGSTOP')
  try {
    expect(await result).toEqual({ moved: 0, failed: 1, reason: 'broker-lost' })
    expect(ends()).toEqual(['0 replica cancelled broker-lost'])
    // Kafka takes it, and it hangs.
    const fenced = [{ topic: 'lost', partition: 1, replicas: [1, 3] }]
    expect([...(await controls.reassign(fenced))]).toEqual([['lost/1', 0]])
    expect([...(await controls.reassign([{ topic: 'lost', partition: 1, replicas: null }]))]).toEqual([['lost/1', 0]])
    const next = executionOn(controls)
    expect(await next.executor.carryOut([move], never)).toEqual({ moved: 0, failed: 1 })
    expect(next.ends()).toEqual(['0 replica failed absent'])
  } finally {
    cluster().signalBroker(3, 'SIGCONT')
  }
  await cluster().waitReady()
})

const kills = [
  ['execution.begun', 1],
  ['throttle.set', 1],
  ['throttle.set', 4],
  ['throttle.restored', 1],
  ['step.begun', 1],
  ['step.ended', 1],
  ['step.ended', 1],
  ['step.begun', 3],
  ['step.ended', 2],
  ['throttle.restored', 2],
  ['execution.ended', 1],
] as const

test('killed at each recorded step, life after life, an execution moves nothing twice and leaves nothing throttled', async () => {
  await using front = await startFront(cluster())
  using real = realControls(() => front.endpoints())
  const { controls } = real
  await using _end = cleared(controls)
  const folder = await mkdtemp(join(tmpdir(), 'relisten-execution-'))
  await placedTopic(
    cluster(),
    controls,
    'killed',
    [
      [1, 2],
      [1, 2],
      [1, 2],
    ],
    { mib: 1 },
  )
  const steps = [
    stepTo('killed', 1, 'replica', 2, 3, [1, 3], mib),
    stepTo('killed', 2, 'replica', 1, 3, [3, 2], mib),
    stepTo('killed', 0, 'leader', 1, 2, [2, 1]),
  ]
  const asked = join(folder, 'asked')
  const life = async (kill?: ExecutionTask['kill']) => {
    const common = { brokers: [front.endpoint(1)], journal: join(folder, 'journal'), asked, steps, rate: 100 * mib }
    const task: ExecutionTask = { ...common, ...(kill && { kill }) }
    const main = fileURLToPath(new URL('./harness/execution-main.ts', import.meta.url))
    const child = forkChild({ what: 'an execution', main, args: [JSON.stringify(task)], hear: () => {} })
    await within(20_000, `A life that dies of ${kill?.type}`, child.gone).finally(() => child.kill())
    return child.ending
  }
  for (const [type, nth] of kills) expect([type, await life({ type, nth })]).toEqual([type, 'SIGKILL'])
  expect(await life()).toBe('0')
  const lines = (await readFile(asked, 'utf8')).trim().split('\n')
  expect(lines.toSorted()).toEqual(['killed/0 2,1', 'killed/1 1,3', 'killed/2 3,2'])
  expect(await shown(controls, 'killed')).toEqual(['2,1 led by 2', '1,3 led by 1', '3,2 led by 3'])
  expect(await throttlesOf(controls, 'killed')).toEqual([])
})
