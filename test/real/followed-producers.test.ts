// Producers of KafkaJS on `follow`, plain and idempotent, while their brokers move: what was acknowledged is in the log.
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { startProducing } from './harness/producing.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { median } from './harness/silence.ts'

const cluster = sharedCluster({ bindFixed: true })
const MOVES = form(6, 21)
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
  const movedAt: number[] = []
  for (let move = 0; move < MOVES; move++) {
    movedAt.push(Date.now())
    await front.move(setAfter(front), { close: endings[move % 3] as 'fin' })
    await Promise.all([plain, idempotent].map((each) => each.acknowledged(75)))
  }
  const [ours, exact, once] = await Promise.all([plain.finish(), idempotent.finish(), transactional.finish()])
  for (const [name, { sends, ...figures }] of Object.entries({ plain: ours, idempotent: exact, transactional: once })) {
    // a send that waits for a move begins a moment before it at the earliest
    const longest = movedAt.map((at, move) => {
      const of = sends.filter(
        (each) => each.at >= at - 50 && each.at < (movedAt[move + 1] ?? Number.POSITIVE_INFINITY) - 50,
      )
      return Math.round(Math.max(...of.map(({ tookMs }) => tookMs)))
    })
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
