import { randomInt, randomUUID } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { type DeadLetterProducer, deadLetter, follow } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { createDraw } from '../torture/draw.ts'
import { setAfter } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { extents, readLog } from './harness/ground-truth.ts'
import { audit, createLedger, type Ledger } from './harness/ledger.ts'
import { beginLife, type Life } from './harness/life.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'
import { contentOf, createWorkload } from './harness/workload.ts'

/** Every seventh message, of all partitions. */
const POISON = 7
const PER_SECOND = 60

/** Of the service that is killed: how many messages, how many of them in a second, and how often it is killed. */
const [MESSAGES, MESSAGES_PER_SECOND, KILLS] = form([600, 80, 2], [10_000, 140, 20])
const MOVE_EVERY_MS = 2000

const cluster = sharedCluster({ bindFixed: true })

test('poison becomes dead letters while brokers move and the topic for them is away: none is lost, and twice only what was not acknowledged', async () => {
  await using front = await startFront(cluster())
  const topic = `dead-letters-${randomUUID().slice(0, 8)}`
  const config = follow({ brokers: () => front.endpoints(), logLevel: kafkajs.logLevel.NOTHING }, { logger: false })
  const producer = new kafkajs.Kafka(config).producer({
    allowAutoTopicCreation: false,
    retry: { retries: 2, initialRetryTime: 50 },
  })
  await producer.connect()
  let ledger: Ledger | undefined
  const unacknowledged = new Set<number>()
  const move = () => front.move(setAfter(front))
  /** A dead letter that was acknowledged counts as handled. */
  const counted: DeadLetterProducer = {
    async send(record) {
      const sequence = contentOf(record.messages[0]?.value ?? null).sequence
      const { repeated } = config.followed.status()
      try {
        await producer.send(record)
      } catch (error) {
        unacknowledged.add(sequence)
        throw error
      }
      // What it sends again after a broken connection it counts.
      if (config.followed.status().repeated > repeated) unacknowledged.add(sequence)
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

  const written = sequencesOf(await readLog(cluster().kafka(), run.topic)).filter(isPoison)
  const letters = sequencesOf(await readLog(cluster().kafka(), topic))
  expect(written.length).toBeGreaterThan(PER_SECOND / POISON)
  expect([...new Set(letters)].toSorted()).toEqual(written.toSorted())
  const twice = letters.filter((sequence, index) => letters.indexOf(sequence) !== index)
  expect(twice.filter((sequence) => !unacknowledged.has(sequence))).toEqual([])
})

test('poison becomes dead letters while brokers move, their topic is away and the service is killed again and again: twice only what was not acknowledged, or not committed at a kill', async () => {
  const seed = Number(process.env.RELISTEN_SEED ?? randomInt(2 ** 32))
  console.log(`Seed ${seed}. To repeat its kills: RELISTEN_SEED=${seed}, and RELISTEN_FORM=long where it was`)
  const draw = createDraw(seed)
  const id = randomUUID().slice(0, 8)
  const [topic, groupId, letters] = [`topic-${id}`, `group-${id}`, `dead-letters-${id}`]
  const folder = await mkdtemp(join(tmpdir(), 'relisten-dead-letters-'))
  await cluster().createTopic(topic)
  await using front = await startFront(cluster())
  const brokers = { file: join(folder, 'brokers') }
  const tell = async () => {
    await writeFile(`${brokers.file}.new`, front.endpoints().join())
    await rename(`${brokers.file}.new`, brokers.file)
  }
  await tell()
  const admin = cluster().kafka().admin()
  await admin.connect()
  const committed = async (): Promise<Map<number, number>> => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return new Map(found?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]))
  }
  const workload = await createWorkload(cluster(), { topic, perSecond: MESSAGES_PER_SECOND })
  const ledger = createLedger()
  const lives: Life[] = []
  // made ahead: what a kill costs is the service's, not the start of a process
  let ahead = beginLife(ledger)
  const begin = async (): Promise<Life> => {
    const life = await ahead
    ahead = beginLife(ledger)
    lives.push(life)
    const poison = { every: POISON, letters }
    life.start({ name: `life-${lives.length}`, brokers, groupId, topic, journal: join(folder, 'journal'), poison })
    return life
  }
  /** At how many kills each message was handled or stored, and not committed. */
  const uncommitted = new Map<number, number>()
  const kill = async (life: Life) => {
    await life.kill()
    const offsets = await committed()
    const left = workload.partitions.flatMap((partition) =>
      ledger.handOuts(partition).filter(({ offset }) => offset >= (offsets.get(partition) ?? 0)),
    )
    addEach(uncommitted, new Set(left.map(({ sequence }) => sequence)))
  }
  const over = new AbortController()
  const moving = (async () => {
    while (!over.signal.aborted) {
      await pause(MOVE_EVERY_MS, undefined, over).catch(() => {})
      await front.move(setAfter(front), { close: front.moveCount % 2 === 0 ? 'fin' : 'rst' })
      await tell()
    }
  })()

  workload.start()
  let life = await begin()
  /** Two of its letters are not taken by the topic that is away. */
  const waits = () =>
    until(() =>
      life.told.filter(({ type }) => type === 'policy.failed').length < 2 ? 'a letter that waits' : undefined,
    )
  await waits()
  await kill(life)
  life = await begin()
  await waits()
  await cluster().createTopic(letters)
  for (let kills = 1; kills < KILLS; kills += 1) {
    const count = draw.whole(2, Math.ceil(MESSAGES / POISON / KILLS))
    await until(() => (life.sends.size < count ? `${count - life.sends.size} letters` : undefined))
    await pause(draw.whole(0, 1500))
    await kill(life)
    life = await begin()
  }
  await until(() => (workload.sent < MESSAGES ? `${MESSAGES - workload.sent} messages` : undefined), {
    deadlineMs: 300_000,
  })
  await workload.stop()
  const ends = await extents(cluster().kafka(), topic)
  const behind = async () => {
    const offsets = await committed()
    const waiting = [...ends].filter(([partition, { high }]) => (offsets.get(partition) ?? 0) < high)
    return waiting.length > 0 ? `the last commit of ${waiting.length} partitions` : undefined
  }
  await until(behind, { deadlineMs: 120_000, everyMs: 200 })
  over.abort()
  await moving
  await life.stop()
  await (await ahead).kill()
  await workload.close()
  await admin.disconnect()

  const log = await readLog(cluster().kafka(), topic)
  const poison = sequencesOf(log).filter((sequence) => sequence % POISON === 0)
  const handed = countOf(workload.partitions.flatMap((one) => ledger.handOuts(one)).map(({ sequence }) => sequence))
  const stored = countOf(sequencesOf(await readLog(cluster().kafka(), letters)))
  const unacknowledged = new Map<number, number>()
  for (const { sends } of lives) for (const [sequence, count] of sends) add(unacknowledged, sequence, count)
  for (const sequence of poison) add(unacknowledged, sequence, -(handed.get(sequence) ?? 0))
  const most = (sequence: number) => 1 + (uncommitted.get(sequence) ?? 0)
  const mostStored = (sequence: number) => most(sequence) + (unacknowledged.get(sequence) ?? 0)
  const where = (counts: ReadonlyMap<number, number>, fits: (count: number, sequence: number) => boolean) =>
    [...counts].filter(([sequence, count]) => fits(count, sequence)).map(([sequence]) => sequence)
  const isTwice = (count: number) => count > 1
  console.log(
    `${handed.size} messages, ${poison.length} of them poison, ${KILLS} kills, ${front.moveCount} moves. ` +
      `Uncommitted at a kill: ${uncommitted.size}, handed out twice: ${where(handed, isTwice).length}. Letters stored twice: ` +
      `${where(stored, isTwice).length}, not acknowledged at first: ${where(unacknowledged, (count) => count > 0).length}`,
  )
  expect(audit(ledger, log)).toMatchObject({ lost: 0, foreign: 0, twiceByProcess: 0, disorder: 0 })
  expect([...stored.keys()].toSorted()).toEqual(poison.toSorted())
  expect(where(handed, (count, sequence) => count > most(sequence))).toEqual([])
  expect(where(stored, (count, sequence) => count > mostStored(sequence))).toEqual([])
  expect(uncommitted.size).toBeGreaterThan(0)
  await rm(folder, { recursive: true })
})

const sequencesOf = (log: Awaited<ReturnType<typeof readLog>>): number[] =>
  [...log.values()].flatMap(({ sequences }) => sequences)

function add(counts: Map<number, number>, sequence: number, count: number): void {
  counts.set(sequence, (counts.get(sequence) ?? 0) + count)
}

function addEach(counts: Map<number, number>, sequences: Iterable<number>): Map<number, number> {
  for (const sequence of sequences) add(counts, sequence, 1)
  return counts
}

const countOf = (sequences: readonly number[]): Map<number, number> => addEach(new Map(), sequences)
