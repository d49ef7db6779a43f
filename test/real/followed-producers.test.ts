// Producers of KafkaJS on `follow`, plain, idempotent and transactional, while brokers and leaders move: what was acknowledged is in the log.
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { electNext } from './harness/leaders.ts'
import { bothKept, longestSends, startBoth, startProducing } from './harness/producing.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { median } from './harness/silence.ts'

const cluster = sharedCluster({ bindFixed: true })
const MOVES = form(6, 21)
const ELECTIONS = form(3, 15)
const APART_MS = 2000
const endings = ['fin', 'rst', 'silent'] as const

test('no acknowledged message is missing while all brokers move, and of an idempotent producer none is there twice', async () => {
  await using front = await startFront(cluster())
  for (const topic of ['plain', 'idempotent', 'transactional']) await cluster().createTopic(`produced-${topic}`)
  const config = follow(
    { clientId: 'producers', brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING },
    { logger: false },
  )
  await using plain = await startProducing(cluster(), config, { topic: 'produced-plain' })
  await using idempotent = await startProducing(cluster(), config, {
    topic: 'produced-idempotent',
    producer: { idempotent: true },
  })
  await using transactional = await startProducing(cluster(), config, {
    ...{ topic: 'produced-transactional', perSecond: 200 },
    producer: { idempotent: true, transactionalId: 'produced', maxInFlightRequests: 1 },
  })
  await Promise.all([plain, idempotent].map((each) => each.acknowledged(30)))
  const movedAt: { readonly at: number }[] = []
  for (let move = 0; move < MOVES; move++) {
    movedAt.push({ at: Date.now() })
    await front.move(setAfter(front), { close: endings[move % 3] as 'fin' })
    await Promise.all([plain, idempotent].map((each) => each.acknowledged(75)))
  }
  const [ours, exact, once] = await Promise.all([plain.finish(), idempotent.finish(), transactional.finish()])
  for (const [name, { sends, ...figures }] of Object.entries({ plain: ours, idempotent: exact, transactional: once })) {
    const longest = longestSends({ sends }, movedAt)
    const instant = longest.filter((_, move) => endings[move % 3] !== 'silent')
    console.info(
      name,
      figures,
      `longest send at each move: ${longest} ms; median where old addresses close ${median(instant)} ms`,
    )
    // the poller finds a silent move within a second
    expect(Math.max(...longest)).toBeLessThan(5000)
  }
  expect(ours).toMatchObject({ missing: 0, failures: {} })
  expect(exact).toMatchObject({ missing: 0, twice: 0, disordered: 0, failures: {} })
  expect(once).toMatchObject({ missing: 0, twice: 0, disordered: 0, failures: {} })
  await config.followed.close()
})

test('no acknowledged message is missing while brokers move one by one, and while leaders change', async () => {
  await using front = await startFront(cluster())
  const topics = ['plain', 'idempotent'].map((name) => `one-by-one-${name}`)
  const config = follow(
    { clientId: 'one-by-one', brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING },
    { logger: false },
  )
  await using both = await startBoth(cluster(), config, { topic: 'one-by-one' })
  await both.acknowledged(30)
  const changes: { readonly what: string; readonly at: number }[] = []
  for (const nodeId of cluster().nodeIds) {
    changes.push({ what: `node ${nodeId} moves`, at: Date.now() })
    await front.move(2, { nodes: [nodeId] })
    await both.acknowledged(30)
  }
  for (let election = 0; election < ELECTIONS; election++) {
    const rested = pause(APART_MS)
    changes.push({ what: 'leaders are elected', at: Date.now() })
    await Promise.all(topics.map((topic) => electNext(cluster(), topic)))
    await rested
  }
  await both.acknowledged(30)
  const found = await both.finish()
  const { repeated } = config.followed.status()
  for (const [name, produced] of Object.entries(found)) {
    const { sends, ...figures } = produced
    const longest = longestSends(produced, changes)
    console.info(
      name,
      { ...figures, repeated },
      changes.map(({ what }, index) => `${what}: ${longest[index]} ms`).join(),
    )
    expect(Math.max(...longest)).toBeLessThan(5000)
  }
  expect(found).toMatchObject(bothKept)
  await config.followed.close()
})
