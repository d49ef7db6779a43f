import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { type DeadLetterProducer, deadLetter } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { readLog } from './harness/ground-truth.ts'
import type { Ledger } from './harness/ledger.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { contentOf } from './harness/workload.ts'

/** Every seventh message, of all partitions. */
const POISON = 7
const PER_SECOND = 60

const cluster = sharedCluster({ bindFixed: true })

test('poison becomes dead letters while brokers move and the topic for them is away: none is lost, and twice only what was not acknowledged', async () => {
  await using front = await startFront(cluster())
  const topic = `dead-letters-${randomUUID().slice(0, 8)}`
  const kafka = new kafkajs.Kafka({ brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING })
  const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 2, initialRetryTime: 50 } })
  await producer.connect()
  let ledger: Ledger | undefined
  let moves = 0
  const unacknowledged = new Set<number>()
  const move = async () => {
    moves += 1
    await front.move(setAfter(front))
    moves += 1
  }
  /** A dead letter that was acknowledged counts as handled. */
  const counted: DeadLetterProducer = {
    async send(record) {
      const sequence = contentOf(record.messages[0]?.value ?? null).sequence
      const movesBefore = moves
      try {
        await producer.send(record)
      } catch (error) {
        unacknowledged.add(sequence)
        throw error
      }
      // KafkaJS sends again by itself what it has not heard of.
      if (moves !== movesBefore) unacknowledged.add(sequence)
      const { headers = {} } = record.messages[0] ?? {}
      const offset = Number(headers['relisten-original-offset'])
      const handOuts = ledger?.handOuts(Number(headers['relisten-original-partition'])) ?? []
      const handOut = handOuts.findLast((each) => each.offset === offset)
      if (handOut) ledger?.end(handOut)
    },
  }
  let poisonFrom = Number.POSITIVE_INFINITY
  const isPoison = (sequence: number) => sequence >= poisonFrom && sequence % POISON === 0
  await using run = await startRun({
    scenario: 'dead letters while all move and their topic is away',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    perSecond: PER_SECOND,
    options: { onHandlerError: deadLetter({ producer: counted, topic, maxAttempts: 2 }) },
    handle: ({ sequence }) => {
      if (isPoison(sequence)) throw new Error(`No handler for ${sequence}`)
    },
  })
  ledger = run.ledger
  poisonFrom = run.workload.sent
  await Promise.race(run.members.map((member) => member.fact('policy.failed')))
  await run.move(move, { passes: false })
  const waiting = () => run.members.flatMap(({ consumer }) => consumer.status().ready || consumer.status().reason)
  expect(waiting()).toEqual([true, true, true])
  await cluster().createTopic(topic)
  await run.pass(1000)
  await run.move(move)
  const outcome = await run.finish()
  expect(report(outcome, { rebalances: 0, steadyMs: Number.POSITIVE_INFINITY })).toEqual([])
  await producer.disconnect()

  const sequencesOf = (log: Awaited<ReturnType<typeof readLog>>) =>
    [...log.values()].flatMap(({ sequences }) => sequences)
  const written = sequencesOf(await readLog(cluster().kafka(), run.topic)).filter(isPoison)
  const letters = sequencesOf(await readLog(cluster().kafka(), topic))
  expect(written.length).toBeGreaterThan(PER_SECOND / POISON)
  expect([...new Set(letters)].toSorted()).toEqual(written.toSorted())
  const twice = letters.filter((sequence, index) => letters.indexOf(sequence) !== index)
  expect(twice.filter((sequence) => !unacknowledged.has(sequence))).toEqual([])
})
