import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { kafkaVersions } from '../cluster/kafka-jars.ts'
import { setAfter } from './harness/address-sets.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { returnOfThroughput } from './harness/throughput.ts'

describe.each(kafkaVersions)('on Kafka %s', (version) => {
  const cluster = sharedCluster({ version, bindFixed: true })

  test('all brokers move at once twenty times in a row, closed and reset in turn', async () => {
    await using front = await startFront(cluster())
    await using run = await startRun({
      scenario: `all at once, 20 times (${version})`,
      cluster: cluster(),
      client: relistenMember,
      brokers: () => front.endpoints(),
    })
    for (let move = 0; move < 20; move += 1) {
      await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }), { windowMs: 1000 })
      await run.pass(500)
    }
    const outcome = await run.finish()
    expect(report(outcome, { rebalances: 0, medianMs: 250, worstMs: 1000, growthMs: 100 })).toEqual([])
  })

  if (version !== kafkaVersions[0]) return

  test('all brokers move at once under a backlog with slow handlers', async () => {
    await using front = await startFront(cluster())
    await using run = await startRun({
      scenario: 'all at once, backlog of 20,000, handlers of 20 ms',
      cluster: cluster(),
      client: relistenMember,
      brokers: () => front.endpoints(),
      stream: false,
      handle: () => pause(20),
    })
    await run.workload.backlog(20_000)
    await run.handled(2000)
    for (let move = 0; move < 6; move += 1) {
      await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }), { passes: false })
      await run.handled(1000)
    }
    const back = returnOfThroughput(run.ledger, run.workload.partitions, run.moves)
    const outcome = await run.finish({ upTo: 'handled' })
    const figures = [{ name: 'ms until the throughput was back', value: Math.max(...back), most: 1000 }]
    expect(report(outcome, { rebalances: 0, figures })).toEqual([])
  })

  test('all brokers move at once and the old addresses go silent', async () => {
    await using front = await startFront(cluster())
    await using run = await startRun({
      scenario: 'black hole',
      cluster: cluster(),
      client: relistenMember,
      brokers: () => front.endpoints(),
    })
    for (let move = 0; move < 4; move += 1) {
      await run.move(() => front.move(setAfter(front), { close: 'silent' }))
      await run.pass(500)
    }
    expect(report(await run.finish(), { rebalances: 0, worstMs: 1500 })).toEqual([])
  })
})
