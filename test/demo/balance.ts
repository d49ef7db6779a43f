/**
 * The balancer's demo: a real three-broker Kafka with a load that lies 80 : 10 : 10 comes into balance, while all listeners move in the middle of a
 * round. Producers and a group run through all of it. The balancer reads the load as from AutoMQ's brokers; a reporter writes it in their place.
 */
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { metricsTopic } from '../../actors/balancer/auto-mq-record.ts'
import { type Decision, summaryOf } from '../../machines/balancer/decision.ts'
import type { Imbalance } from '../../machines/balancer/plan.ts'
import { type Balancer, createBalancer } from '../../src/balancer.ts'
import { planTable } from '../../src/command-line/plan-table.ts'
import { follow } from '../../src/index.ts'
import { type LoadedTopic, stageLoad } from '../balancer/loaded-topic.ts'
import { startReporter } from '../balancer/reporter.ts'
import { type Front, startFront } from '../cluster/front.ts'
import { startCluster } from '../cluster/kafka-cluster.ts'
import type { KafkaVersion } from '../cluster/kafka-jars.ts'
import { setAfter } from '../real/harness/address-sets.ts'
import { until, within } from '../real/harness/until.ts'
import { boardLines, brokerLines, progressLine } from './balance-board.ts'
import { type Meter, startMeter, watchGaps } from './balance-meter.ts'
import { balanceResult } from './balance-result.ts'
import type { Board } from './board.ts'
import { runDemo } from './command.ts'

/** Of thirty partitions the first broker leads 24, each of the others three; all have a replica on the first. */
const replicas = Array.from({ length: 30 }, (_, partition) => {
  const other = partition % 2 ? 2 : 3
  return partition < 24 ? [1, other] : [other, 1]
})
/** Lines of the plan that are shown, its head included. */
const shownSteps = 9
/** The load runs for this time before the balancer looks at it, in milliseconds. */
const warmUpMs = 15_000
/** What is measured at the end is the load of this time, in milliseconds: more than the window of the meter. */
const settledMs = 5000
const balancedWithinMs = 75_000

async function demo(version: KafkaVersion, board: Board, signal: AbortSignal) {
  // until Kafka runs there is nothing to end in order; what was started is ended by the cluster's watchdog
  const leave = () => process.exit(130)
  signal.addEventListener('abort', leave)
  const beganAt = Date.now()
  board.say(
    `relisten's balancer: Apache Kafka ${version} with three brokers, of which the first has most of the load.\n`,
  )
  await using cluster = await startCluster({ version, bindFixed: true, onProgress: (line) => board.progress(line) })
  signal.removeEventListener('abort', leave)
  await using front = await startFront(cluster)
  const brokers = () => front.endpoints()
  const followed = follow({ clientId: 'load', brokers, logLevel: kafkajs.logLevel.NOTHING }, { logger: false })
  const kafka = new kafkajs.Kafka(followed)
  await using loaded = await stageLoad({ cluster, kafka, topic: 'orders', replicas, brokers, valueBytes: 8000 })
  await cluster.createTopic(metricsTopic, { partitions: 1 })
  const { sent: sizes } = loaded.generator
  await using _reporter = await startReporter(cluster, loaded.loads, { sizes })
  await using meter = await startMeter(loaded, cluster.nodeIds)
  board.say(
    '  Producers write into 30 partitions, each with two replicas, and a group reads them. A reporter writes what each',
  )
  board.say(`  partition carries into ${metricsTopic} twice a second, as the brokers of AutoMQ do.`)
  board.say(`  For ${warmUpMs / 1000} s nothing looks at it, so that there is something to copy.`)
  await pause(warmUpMs, undefined, { signal })
  const carriedBefore = meter.carried()
  const before = meter.imbalance()

  const balancer = createBalancer({
    ...{ brokers, sampler: 'auto-mq', mode: 'execute', intervalMs: 3000 },
    // Slow enough to be watched: by default five replicas per broker or a hundred leaders go at once, as fast as brokers can.
    execution: { lookMs: 300, sizesMs: 600, limits: { leaders: 2, movesPerBroker: 1 }, bytesPerSecond: 2 ** 20 },
  })
  await using _ = { [Symbol.asyncDispose]: () => balancer.stop() }
  using gaps = watchGaps(() => balancer.status().newestSampleAt)
  const show = watched({ board, balancer, meter, before })
  balancer.start()
  const movedAt = await moveInRound(balancer, front, signal)
  show.listeners = `moved, all of them, in round ${balancer.status().round}: now ${brokers().join(' ')}`
  board.news(`  listeners ${show.listeners}`)
  await atRest(balancer, signal)
  await pause(settledMs, undefined, { signal })
  const carriedAfter = meter.carried()
  const after = meter.imbalance()
  board.end()
  show.end()
  await within(30_000, 'The stop of the balancer', balancer.stop())
  const longest = gaps.longest(movedAt, movedAt + 2000)
  const losses = await loaded.losses()
  await followed.followed.close()
  const outcome = { before, after, carriedBefore, carriedAfter, status: balancer.status(), gaps: longest, losses }
  const { text, holds } = balanceResult({ ...outcome, acknowledged: acknowledgedBy(loaded) })
  return { text: `\n${text}\nIt took ${Math.round((Date.now() - beganAt) / 1000)} s.`, holds }
}

interface Watched {
  readonly board: Board
  readonly balancer: Balancer
  readonly meter: Meter
  readonly before: Imbalance
}

/** Draws the board, and says each plan before its first step. */
function watched({ board, balancer, meter, before }: Watched) {
  const show = { listeners: 'at their first addresses', end: () => clearInterval(timer) }
  const view = () => ({
    ...{ now: Date.now(), before, listeners: show.listeners },
    ...{ brokers: meter.carried(), status: balancer.status(), imbalance: meter.imbalance() },
  })
  const timer = setInterval(() => board.news(`  ${progressLine(balancer.status())}`), 5000)
  balancer.on('plan.proposed', ({ data }) => {
    const decision = data.decision as Decision
    const rows = planTable(decision)
    board.say('')
    for (const line of [...summaryOf(decision), ...rows.slice(0, shownSteps)]) board.say(`  ${line}`)
    if (rows.length > shownSteps) board.say(`  … and ${rows.length - shownSteps} more steps`)
    for (const line of brokerLines(meter.carried())) board.news(line)
  })
  board.live(() => boardLines(view()))
  return show
}

/** Moves all listeners while the first replicas of a plan are copied. */
async function moveInRound(balancer: Balancer, front: Front, signal: AbortSignal): Promise<number> {
  let isCopying = false
  const off = balancer.on('step.begun', ({ data }) => {
    isCopying ||= data.kind === 'replica'
  })
  const missing = () => {
    signal.throwIfAborted()
    return isCopying ? undefined : `a replica that is copied: ${JSON.stringify(balancer.status())}`
  }
  await until(missing, { deadlineMs: balancedWithinMs })
  off()
  const { at } = await front.move(setAfter(front), { close: 'fin' })
  return at
}

/** Resolves when a round after the first plan moves nothing, by figures that can be trusted. */
async function atRest(balancer: Balancer, signal: AbortSignal): Promise<void> {
  const missing = () => {
    signal.throwIfAborted()
    const { rounds, decision } = balancer.status()
    const isAtRest = rounds.executed > 0 && decision?.stillness && decision.stillness !== 'untrusted'
    return isAtRest ? undefined : `a round that moves nothing: ${JSON.stringify(balancer.status())}`
  }
  await until(missing, { deadlineMs: balancedWithinMs })
}

const acknowledgedBy = ({ generator }: LoadedTopic): number =>
  [...generator.acknowledged.values()].reduce((sum, count) => sum + count, 0)

await runDemo({
  name: 'npm run demo:balance',
  description: 'Brings a real Kafka with a lopsided load into balance, while all its listeners move.',
  run: demo,
})
