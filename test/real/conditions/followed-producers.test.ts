// Producers of KafkaJS on `follow` while all brokers move in an instant, on the older Kafka, and with TLS and a login.
import kafkajs, { type SASLOptions } from 'kafkajs'
import { beforeAll, describe, expect, test } from 'vitest'
import { follow } from '../../../src/index.ts'
import { startFront } from '../../cluster/front.ts'
import { createFrontIdentity, type FrontIdentity } from '../../cluster/front-identity.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form } from '../harness/form.ts'
import { bothKept, longestSends, startBoth } from '../harness/producing.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { median } from '../harness/silence.ts'

const MOVES = form(6, 20)
const clusters = [
  { name: '3.9.1', version: '3.9.1', security: 'plain', medianMs: 120 },
  { name: '4.4.0 with TLS and SCRAM', version: '4.4.0', security: 'scram', medianMs: 250 },
] as const

describe.each(clusters)('on Kafka $name', ({ name, version, security, medianMs }) => {
  const cluster = sharedCluster({ version, security, bindFixed: true })
  let identity: FrontIdentity | undefined
  beforeAll(async () => {
    if (security !== 'plain') identity = await createFrontIdentity(cluster().nodeIds)
  })

  test('no acknowledged message is missing while all brokers move, and of an idempotent producer none is there twice', async () => {
    await using front = await startFront(cluster(), identity ? { tls: identity.tls } : {})
    const secured = identity && { ssl: { ca: [identity.ca] }, sasl: cluster().sasl as SASLOptions }
    const brokers = () => front.endpoints()
    const config = follow(
      { clientId: 'producers', brokers, ...secured, logLevel: kafkajs.logLevel.NOTHING },
      { logger: false },
    )
    await using both = await startBoth(cluster(), config, { topic: 'moved' })
    await both.acknowledged(30)
    const moves: { readonly at: number }[] = []
    for (let move = 0; move < MOVES; move++) {
      moves.push({ at: Date.now() })
      await front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' })
      await both.acknowledged(50)
    }
    const found = await both.finish()
    for (const [kind, produced] of Object.entries(found)) {
      const { sends, ...figures } = produced
      const longest = longestSends(produced, moves)
      const told = `longest send at each move: ${longest} ms; median ${median(longest)} of ${medianMs} ms, worst ${Math.max(...longest)} of 500 ms`
      console.info(`${name}, ${kind}:`, figures, told)
      expect(Math.max(...longest)).toBeLessThan(5000)
    }
    expect(found).toMatchObject(bothKept)
    await config.followed.close()
  })
})
