import kafkajs, { type SASLOptions } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { type FollowConfig, follow } from '../../src/index.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { kafkaVersions } from '../cluster/kafka-jars.ts'
import { type FollowedMember, followedMember } from './harness/followed-member.ts'
import { untilLed } from './harness/leaders.ts'
import type { Outcome } from './harness/outcome.ts'
import { type BothProducing, bothKept, startBoth, startProducing } from './harness/producing.ts'
import { type RelistenMember, relistenMember } from './harness/relisten-member.ts'
import { type Bounds, report } from './harness/report.ts'
import { moveAll, type Run, startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { backAfter } from './harness/silence.ts'
import { startTransforming } from './harness/transforming.ts'

const HEARTBEAT_MS = 1000
const FOLLOWED_WAIT_MS = 250

const clusters = [
  ...kafkaVersions.map((version) => ({ name: version, version, security: 'plain' as const })),
  { name: '4.4.0 with TLS and SCRAM', version: '4.4.0' as const, security: 'tls-scram' as const },
]

describe.each(clusters.map((each) => [each.name, each] as const))('on Kafka %s', (name, { version, security }) => {
  const cluster = sharedCluster({ version, security })

  test('every broker restarts on a new address, one by one, under one member and under three', async () => {
    await using one = await run(cluster(), `restarts one by one, one member (${name})`, 1)
    await using three = await run(cluster(), `restarts one by one, three members (${name})`, 3)
    await using followed = await follower(cluster(), `restarts one by one, a followed consumer (${name})`)
    const topic = `produced-${name.replaceAll(/\W+/g, '-')}`
    await using both = await startBoth(cluster(), followedConfig(cluster(), 'producers'), { topic, perSecond: 250 })
    // few, as transactions write to many logs and would lengthen the silences of the others
    const [from, to] = [`${topic}-read`, `${topic}-transformed`]
    for (const each of [from, to]) await cluster().createTopic(each, { partitions: 2 })
    await using input = await startProducing(cluster(), followedConfig(cluster(), 'input'), {
      ...{ topic: from, perSecond: 60 },
      producer: { idempotent: true },
    })
    const member = () => followedOptions(cluster(), 'member')
    await using transforming = await startTransforming(cluster(), member, { from, to })
    const runs = [one, three, followed]
    for (const nodeId of cluster().nodeIds) {
      await moveAll(runs, async () => {
        await cluster().stopBroker(nodeId)
        await cluster().startBroker(nodeId, { set: 2 })
        await cluster().waitReady()
      })
      await Promise.all([...runs.map((each) => each.pass(500)), transforming.passed(60)])
    }
    const outcomes = await Promise.all(runs.map((each) => each.finish()))
    const violations = outcomes.flatMap((outcome, index) =>
      report(
        outcome,
        runs[index] === followed
          ? boundsOfFollower(outcome, cluster().nodeIds.length)
          : {
              twice: 'process',
              rebalances: outcome.coordinatorChanges,
              worstMs: 2000 + (index === 0 ? 0 : HEARTBEAT_MS),
            },
      ),
    )
    expect(violations).toEqual([])
    expect(followed.members.flatMap(({ crashes }) => crashes)).toEqual([])
    await expectKept(`restarts one by one (${name})`, both)
    await input.finish()
    const { read, produced: transformed, failures } = await transforming.finish()
    expect(read.flat().length).toBeGreaterThan(180)
    expect(transformed).toEqual(read)
    expect(failures).toEqual([])
  })

  test('all brokers are stopped and started elsewhere, under one member and under three', async () => {
    // With TLS one after the other: logins take all of what a small machine has left beside brokers that have just started.
    const rounds = security === 'plain' ? [[1, 3]] : [[1], [3]]
    const violations: string[] = []
    for (const [round, members] of rounds.entries()) {
      violations.push(...(await restartAll(cluster(), name, members, 3 + round)))
    }
    expect(violations).toEqual([])
  })

  if (name === kafkaVersions[0]) {
    test('a broker is killed and started again, and all are stopped and started elsewhere, under followed producers', async () => {
      await using both = await startBoth(cluster(), followedConfig(cluster(), 'kill'), {
        topic: 'killed',
        perSecond: 500,
      })
      await both.acknowledged(30)
      await cluster().stopBroker(1, 'SIGKILL')
      await both.acknowledged(50)
      await cluster().startBroker(1)
      await cluster().waitReady()
      await both.acknowledged(30)
      await cluster().restartAll(5)
      await both.acknowledged(30)
      await expectKept('killed, stopped and started elsewhere', both)
    })
  }
  if (security === 'plain') return

  test('a login that is refused rejects connect() of a followed client once, and a good one connects', async () => {
    const wrong = followedConfig(cluster(), 'login', `${passwordOf(cluster())} and more`)
    const from = performance.now()
    const refused = await new kafkajs.Kafka(wrong)
      .admin()
      .connect()
      .catch((error: Error & { type?: string }) => error)
    expect(refused).toMatchObject({ type: 'SASL_AUTHENTICATION_FAILED' })
    expect(performance.now() - from).toBeLessThan(5000)
    const right = followedConfig(cluster(), 'login')
    const admin = new kafkajs.Kafka(right).admin()
    await admin.connect()
    expect((await admin.describeCluster()).brokers).toHaveLength(3)
    await admin.disconnect()
    expect(right.followed.status().connections).toBe(0)
    await Promise.all([wrong, right].map((each) => each.followed.close()))
  })
})

describe('on Kafka 4.4.0 with TLS and SCRAM, leaders back on their preferred brokers soon', () => {
  const cluster = sharedCluster({
    security: 'tls-scram',
    properties: { 'auto.leader.rebalance.enable': 'true', 'leader.imbalance.check.interval.seconds': '1' },
  })

  test('a broker whose certificate does not cover its new address is refused until it does', async () => {
    await using under = await run(cluster(), 'a certificate that does not fit', 3)
    const coordinator = await cluster().coordinatorOf(under.groupId)
    const nodeId = cluster().nodeIds.find((id) => id !== coordinator) as number
    const led = [...(await cluster().leaders(under.topic))].filter(([, leader]) => leader === nodeId)
    const partitions = led.map(([partition]) => partition)
    const others = under.workload.partitions.filter((partition) => !partitions.includes(partition))
    const generations = under.members.map((member) => member.generation())

    const restart = async () => {
      await cluster().stopBroker(nodeId)
      await cluster().reissueCertificate(nodeId, [cluster().endpoint(nodeId).split(':')[0] as string])
      await cluster().startBroker(nodeId, { set: 2 })
      await untilLed(cluster(), [under.topic], new Map(led))
    }
    await under.move(restart, { except: partitions })
    const refused = under.members.map((member) => member.fact('endpoint.refused', ({ data }) => data.nodeId === nodeId))
    await Promise.all(refused)
    const stalled = partitions.map((partition) =>
      Promise.any(
        under.members.map((member) =>
          member.fact(
            'partition.stalled',
            ({ data }) => Object.values(data.partitions).flat().includes(partition),
            20_000,
          ),
        ),
      ),
    )
    await Promise.all(stalled)
    // the others go on meanwhile, in the same session
    const steady = { from: Date.now(), to: 0 }
    await under.pass(4000, partitions)
    steady.to = Date.now()
    const othersMs = under.silence(steady, others)
    expect(under.members.map((member) => member.generation())).toEqual(generations)

    await under.move(() => cluster().reissueCertificate(nodeId, [`127.0.2.${nodeId}`]), { windowMs: 1000 })
    await Promise.any(
      under.members.map((member) => member.fact('endpoint.healed', ({ data }) => data.nodeId === nodeId)),
    )
    const outcome = await under.finish({ partitions: others })
    const figures = [{ name: 'ms of silence of the others', value: othersMs, most: 1000 }]
    expect(report(outcome, { twice: 'process', rebalances: outcome.coordinatorChanges, figures })).toEqual([])
  })
})

async function expectKept(what: string, both: BothProducing): Promise<void> {
  const found = await both.finish()
  for (const [name, { sends, ...figures }] of Object.entries(found)) {
    const longest = Math.round(Math.max(...sends.map(({ tookMs }) => tookMs)))
    console.info(`${what}, ${name} producer:`, figures, `longest send ${longest} ms`)
    expect(sends.length).toBeGreaterThan(50)
  }
  expect(found).toMatchObject(bothKept)
}

/** Runs of so many members each, side by side, while all brokers stop and start on another set of addresses. */
async function restartAll(
  cluster: KafkaCluster,
  name: string,
  members: readonly number[],
  set: number,
): Promise<string[]> {
  const runs: Run[] = []
  try {
    for (const count of members) {
      const who = count === 1 ? 'one member' : 'three members'
      runs.push(await run(cluster, `all stopped, started elsewhere, ${who} (${name})`, count))
    }
    const followed = await follower(cluster, `all stopped, started elsewhere, a followed consumer (${name})`)
    runs.push(followed)
    let ledAt = 0
    await moveAll(runs, async () => {
      const { nodeIds, stopBroker, startBroker } = cluster
      await Promise.all(nodeIds.map((nodeId) => stopBroker(nodeId)))
      const started = Promise.all(nodeIds.map((nodeId) => startBroker(nodeId, { set })))
      const topics = runs.map(({ topic }) => topic)
      ledAt = await untilLed(cluster, topics)
      await started
      await Promise.all(runs.map((each) => each.pass(0)))
    })
    const outcomes = await Promise.all(runs.map((each) => each.finish()))
    return outcomes.flatMap((outcome, index) => {
      const { ledger, workload, members } = runs[index] as (typeof runs)[number]
      const isFollowed = runs[index] === followed
      const most = isFollowed ? 2000 + FOLLOWED_WAIT_MS : 1500 + (members.length === 1 ? 0 : HEARTBEAT_MS)
      const value = backAfter(ledger, workload.partitions, ledAt, outcome.log)
      const figures = [{ name: 'ms after all had leaders and the log grew', value, most }]
      if (isFollowed) {
        const rebalances = cluster.nodeIds.length
        return report(outcome, {
          twice: 'none',
          commitsBack: undefined,
          rebalances,
          steadyMs: Number.POSITIVE_INFINITY,
          figures,
        })
      }
      return report(outcome, { twice: 'process', rebalances: outcome.coordinatorChanges, figures })
    })
  } finally {
    await Promise.all(runs.map((each) => each[Symbol.asyncDispose]()))
  }
}

function followedConfig(cluster: KafkaCluster, clientId: string, password?: string) {
  return follow(followedOptions(cluster, clientId, password), { logger: false })
}

function followedOptions(cluster: KafkaCluster, clientId: string, password = passwordOf(cluster)): FollowConfig {
  const { ca, sasl } = cluster
  const security = ca !== undefined && { ssl: { ca: [ca] }, sasl: { ...sasl, password } as SASLOptions }
  return { clientId, brokers: () => cluster.endpoints(), ...security, logLevel: kafkajs.logLevel.NOTHING }
}

const passwordOf = ({ sasl }: KafkaCluster): string => (sasl as { password?: string } | undefined)?.password ?? ''

/** A stock consumer on `follow`: it reads again what KafkaJS had not committed when it joins again. */
function follower(cluster: KafkaCluster, scenario: string): Promise<Run<FollowedMember>> {
  const { ca, sasl } = cluster
  const security = ca !== undefined && sasl !== undefined && { kafka: () => ({ ssl: { ca: [ca] }, sasl: { ...sasl } }) }
  return startRun({
    ...{ scenario, cluster, client: followedMember, members: 1, brokers: () => cluster.endpoints() },
    options: { maxWaitTimeInMs: FOLLOWED_WAIT_MS, fromBeginning: true, ...security },
    name: 'followed',
  })
}

/** At most one rebalance per broker that restarts, and little more silence than the log itself has. */
const boundsOfFollower = ({ silencesMs, logSilencesMs }: Outcome, brokers: number): Bounds => ({
  ...{ twice: 'none', commitsBack: undefined, rebalances: brokers, steadyMs: Number.POSITIVE_INFINITY },
  figures: silencesMs.map((ms, move) => ({
    ...{ name: 'ms of silence beyond that of the log', value: ms - (logSilencesMs[move] ?? 0) },
    most: 2000 + FOLLOWED_WAIT_MS,
  })),
})

function run(cluster: KafkaCluster, scenario: string, members: number): Promise<Run<RelistenMember>> {
  const { ca, sasl } = cluster
  return startRun({
    scenario,
    cluster,
    client: relistenMember,
    members,
    brokers: () => cluster.endpoints(),
    ...(ca !== undefined &&
      sasl !== undefined && { options: { kafka: () => ({ ssl: { ca: [ca] }, sasl: { ...sasl } }) } }),
  })
}
