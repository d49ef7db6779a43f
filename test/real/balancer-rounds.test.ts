// A balancer at work on real brokers that carry a load: from 80 : 10 : 10 into balance while all listeners move, and then at rest in noise.
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { metricsTopic } from '../../actors/balancer/auto-mq-record.ts'
import type { Decision } from '../../machines/balancer/decision.ts'
import type { FactData } from '../../machines/fact.ts'
import { partitionKey } from '../../machines/topic-partition.ts'
import { createBalancer } from '../../src/balancer.ts'
import { follow } from '../../src/index.ts'
import type { FactRecord } from '../../src/journal/journal.ts'
import { goals } from '../balancer/decisions.ts'
import { greedyPass } from '../balancer/greedy-pass.ts'
import { modelOf, stageLoad } from '../balancer/loaded-topic.ts'
import { metricRecord } from '../balancer/metric-record.ts'
import { startReporter } from '../balancer/reporter.ts'
import { startFront } from '../cluster/front.ts'
import { newPath, opened } from '../src/journal/journal-files.ts'
import { setAfter } from './harness/address-sets.ts'
import { startBalancerProcess } from './harness/balancer-process.ts'
import { form } from './harness/form.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })
/** What the load of a test comes to is more than idle. */
const smallGoals = { idle: { networkIn: 1024, networkOut: 1024, disk: 2 ** 40 } }
/** A killed balancer is replaced after this, in milliseconds. */
const SESSION_MS = 10_000
const REPORT_MS = 500
const NOISE_MS = form(60_000, 600_000)

const stepsIn = (journal: string): FactData['step.ended'][] =>
  opened(journal, (journal) => [...journal.read()] as FactRecord[]).flatMap(({ type, data }) =>
    type === 'step.ended' ? [data] : [],
  )

test('80 : 10 : 10 comes within 10 % of the mean while all listeners move in the middle of a round, by fewer bytes than one greedy pass; then nothing moves in noise', async () => {
  await using front = await startFront(cluster())
  const [first = 1, second = 2, third = 3] = cluster().nodeIds
  const replicas = Array.from({ length: 60 }, (_, partition) => {
    if (partition < 48) return [first, partition % 2 ? second : third]
    return partition < 54 ? [second, third] : [third, second]
  })
  const config = follow(
    { clientId: 'load', brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING },
    { logger: false },
  )
  await using loaded = await stageLoad({
    cluster: cluster(),
    kafka: new kafkajs.Kafka(config),
    topic: 'lopsided-load',
    replicas,
    brokers: () => front.endpoints(),
  })
  const balancer = createBalancer({
    ...{ brokers: () => front.endpoints(), mode: 'execute', intervalMs: 5000, coolDownMs: 20_000 },
    goals: smallGoals,
    execution: { lookMs: 200, sizesMs: 500 },
  })
  const planned: Decision[] = []
  const seen: string[] = []
  balancer.on('*', ({ type }) => void seen.push(type))
  let greedyBytes = 0
  balancer.on('plan.proposed', async ({ data }) => {
    planned.push(data.decision as Decision)
    if (planned.length === 1)
      greedyBytes = greedyPass(modelOf(loaded, cluster().nodeIds), { ...goals, ...smallGoals }).steps.reduce(
        (sum, { bytes }) => sum + bytes,
        0,
      )
  })
  balancer.start()
  await until(() => (seen.includes('step.ended') ? undefined : `a step: ${JSON.stringify(balancer.status())}`), {
    deadlineMs: 60_000,
  })
  await front.move(setAfter(front), { close: 'fin' })
  const isAtRest = () => balancer.status().rounds.executed > 0 && balancer.status().decision?.stillness
  await until(() => (isAtRest() ? undefined : `a round that moves nothing: ${JSON.stringify(balancer.status())}`), {
    deadlineMs: 90_000,
  })

  const { rounds, moves, copiedBytes, throttles } = balancer.status()
  console.info(
    { rounds, moves, copiedBytes, greedyBytes },
    planned.map(({ steps, total }) => [steps.length, total]),
  )
  expect(rounds.executed).toBeLessThanOrEqual(3)
  expect([moves.failed, moves.cancelled, throttles]).toEqual([0, 0, []])
  expect(copiedBytes).toBeLessThanOrEqual(greedyBytes)
  // A plan is shown before its first step.
  expect(seen.indexOf('plan.proposed')).toBeLessThan(seen.indexOf('step.begun'))
  const shares = await loaded.shares()
  console.info(shares)
  for (const share of [...shares.in, ...shares.out]) expect(Math.abs(share - 1)).toBeLessThan(0.1)

  // Noise: each partition's load goes up and down.
  const begun = seen.filter((type) => type === 'step.begun').length
  const noise = new Map(replicas.map((_, partition) => [partition, 1]))
  const changing = setInterval(() => {
    for (const partition of noise.keys()) noise.set(partition, 0.7 + Math.random() * 0.6)
    loaded.generator.scale(({ partition }) => noise.get(partition) ?? 1)
  }, 2000)
  const noisyUntil = performance.now() + NOISE_MS
  const roundsBefore = balancer.status().round
  await until(() => (performance.now() > noisyUntil ? undefined : 'the end of the noise'), {
    ...{ deadlineMs: NOISE_MS + 10_000, everyMs: 500 },
  })
  clearInterval(changing)
  expect(balancer.status().round - roundsBefore).toBeGreaterThan(5)
  expect(seen.filter((type) => type === 'step.begun').length - begun).toBe(0)
  await balancer.stop()
  expect(await loaded.losses()).toEqual({ missing: [], twice: 0, skipped: 0, lost: 0 })
  await config.followed.close()
})

test('of two balancers the active one is killed in a round while listeners are in a black hole: the other takes its place, on what the cluster shows, past all poison', async () => {
  await using front = await startFront(cluster())
  const [first = 1, second = 2, third = 3] = cluster().nodeIds
  const replicas = Array.from({ length: 30 }, (_, partition) => {
    if (partition < 24) return [first, partition % 2 ? second : third]
    return partition < 27 ? [second, third] : [third, second]
  })
  const place = { cluster: cluster(), kafka: cluster().kafka(), brokers: () => front.endpoints() }
  await using loaded = await stageLoad({ ...place, topic: 'reported-load', replicas })
  await cluster().createTopic(metricsTopic, { partitions: 1 })
  await using reporter = await startReporter(cluster(), loaded.loads)
  // One after the other: unknown types and versions, cut records, and a clock that is two minutes fast.
  reporter.poison.push(
    Buffer.alloc(40, 9),
    metricRecord({ version: 7, at: 1, brokerId: 1, metrics: [] }),
    Buffer.from([0]),
    null,
  )
  reporter.skews.set(second, 120_000)

  const journal = newPath()
  const options = {
    sampler: 'auto-mq',
    mode: 'execute',
    intervalMs: 2000,
    coolDownMs: 600_000,
    goals: smallGoals,
  } as const
  // Slow enough to be killed in the middle.
  const execution = { lookMs: 300, limits: { leaders: 1, movesPerBroker: 1 } }
  await using killed = await startBalancerProcess({ ...options, execution, journal, brokers: cluster().internal })
  await until(() => (killed.facts.includes('sampler.activated') ? undefined : 'the first one to be active'))
  const other = createBalancer({ ...options, execution: { lookMs: 100 }, brokers: () => front.endpoints() })
  const begun: string[] = []
  const skipped = new Set<string>()
  let activatedAt = 0
  other.on('step.begun', ({ data }) => void begun.push(`${data.kind} ${partitionKey(data)} ${data.to}`))
  other.on('record.skipped', ({ data }) => void skipped.add(data.reason))
  other.on('sampler.activated', () => {
    activatedAt = performance.now()
  })
  other.start()
  await until(
    () => (killed.facts.filter((type) => type === 'step.ended').length > 2 ? undefined : `steps: ${killed.facts}`),
    { deadlineMs: 60_000 },
  )
  expect(begun).toEqual([])
  expect(other.status().state).toBe('blind')
  const killedAt = performance.now()
  await killed.kill()
  await front.move(setAfter(front), { close: 'silent' })
  await until(() => (activatedAt > 0 ? undefined : 'the other one to be active'), { deadlineMs: 60_000 })
  const isAtRest = () => other.status().decision?.stillness && other.status().decision?.stillness !== 'untrusted'
  await until(() => (isAtRest() ? undefined : `a round that moves nothing: ${JSON.stringify(other.status())}`), {
    deadlineMs: 90_000,
  })
  // Each record is read within a second of its being written, also in the instant of a move.
  const movedAt = Date.now()
  let oldestMs = 0
  await front.move(setAfter(front), { close: 'fin' })
  while (Date.now() - movedAt < 5000) {
    oldestMs = Math.max(oldestMs, Date.now() - (other.status().newestSampleAt ?? 0))
    await pause(10)
  }
  const shares = await loaded.shares()
  await other.stop()
  const done = stepsIn(journal)
    .filter(({ result }) => result === 'done')
    .map(({ kind, topic, partition, to }) => `${kind} ${topic}/${partition} ${to}`)
  console.info({
    activeAfterMs: Math.round(activatedAt - killedAt),
    done: done.length,
    begun: begun.length,
    oldestMs,
    skipped: [...skipped],
    shares,
  })
  expect(done.length).toBeGreaterThan(2)
  expect(begun.filter((step) => done.includes(step))).toEqual([])
  expect(activatedAt - killedAt).toBeLessThan(SESSION_MS + 5000)
  expect(oldestMs).toBeLessThan(REPORT_MS + 1000)
  expect([...skipped].sort()).toEqual(['truncated', 'unknown-type', 'unknown-version'])
  for (const share of [...shares.in, ...shares.out]) expect(Math.abs(share - 1)).toBeLessThan(0.1)
  expect(await loaded.losses()).toEqual({ missing: [], twice: 0, skipped: 0, lost: 0 })
  await cluster().deleteTopic(metricsTopic)
})
