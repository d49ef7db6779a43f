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
const MOVES = form(6, 20)

test('no acknowledged message is missing while all brokers move, and of an idempotent producer none is there twice', async () => {
  await using front = await startFront(cluster())
  for (const topic of ['plain', 'idempotent']) await cluster().createTopic(`produced-${topic}`)
  const config = follow(
    { clientId: 'producers', brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING },
    { logger: false },
  )
  await using plain = await startProducing(cluster(), config, { topic: 'produced-plain' })
  await using idempotent = await startProducing(cluster(), config, {
    topic: 'produced-idempotent',
    producer: { idempotent: true },
  })
  await Promise.all([plain, idempotent].map((each) => each.acknowledged(30)))
  const movedAt: number[] = []
  for (let move = 0; move < MOVES; move++) {
    movedAt.push(Date.now())
    await front.move(setAfter(front), { close: (['fin', 'rst', 'silent'] as const)[move % 3] as 'fin' })
    await Promise.all([plain, idempotent].map((each) => each.acknowledged(30)))
  }
  const [ours, exact] = await Promise.all([plain.finish(), idempotent.finish()])
  for (const [name, { sends, ...figures }] of Object.entries({ plain: ours, idempotent: exact })) {
    const longest = movedAt.map((at) =>
      Math.max(...sends.filter((each) => each.at >= at - 1000 && each.at < at + 2000).map(({ tookMs }) => tookMs)),
    )
    console.info(
      name,
      figures,
      'longest send at each move',
      longest.map(Math.round),
      'median',
      Math.round(median(longest)),
    )
  }
  console.info(config.followed.status())
  expect(ours).toMatchObject({ missing: 0, failures: {} })
  expect(exact).toMatchObject({ missing: 0, twice: 0, disordered: 0, failures: {} })
  await config.followed.close()
})
