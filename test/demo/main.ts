/**
 * The demo: a real three-broker Kafka whose brokers move eight times, a group of three relisten consumers embedded like a service would embed
 * them, beside it a stock KafkaJS consumer on `follow`, and another without it, all with the same function for `brokers`. Two stock producers, one of
 * them on `follow`, write through the same moves into topics of their own; what the consumers read comes past the front.
 */
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { bundlePage } from '../../page/build/bundle.ts'
import { follow, serveInspector } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { startCluster } from '../cluster/kafka-cluster.ts'
import type { KafkaVersion } from '../cluster/kafka-jars.ts'
import { followedMember } from '../real/harness/followed-member.ts'
import { readLog } from '../real/harness/ground-truth.ts'
import { startProducing } from '../real/harness/producing.ts'
import { relistenMember } from '../real/harness/relisten-member.ts'
import { stockMember } from '../real/harness/stock-member.ts'
import { until, within } from '../real/harness/until.ts'
import { createWorkload } from '../real/harness/workload.ts'
import type { Board } from './board.ts'
import { runDemo } from './command.ts'
import { demoMoves } from './moves.ts'
import { type MadeMove, type Producers, type Result, result } from './result.ts'
import { createSide, type Side } from './side.ts'

const topic = 'orders'

async function demo(version: KafkaVersion, board: Board, signal: AbortSignal): Promise<Result> {
  // until Kafka runs there is nothing to end in order; what was started is ended by the cluster's watchdog
  const leave = () => process.exit(130)
  signal.addEventListener('abort', leave)
  const beganAt = Date.now()
  board.say(`relisten demo: Apache Kafka ${version} with three brokers that move while a group consumes.\n`)
  await using cluster = await startCluster({ version, bindFixed: true, onProgress: (line) => board.progress(line) })
  signal.removeEventListener('abort', leave)
  await using front = await startFront(cluster)
  await cluster.createTopic(topic)
  const brokers = () => front.endpoints()
  await bundlePage()
  // It prints its address.
  await using inspector = await serveInspector({ port: 0 })
  const relisten = createSide({
    ...{ name: 'relisten', client: relistenMember, members: 3, topic, brokers },
    options: { inspect: inspector.observe },
    describe: (members) => [...new Set(members.map(({ consumer }) => consumer.status().state))].join(', '),
  })
  const followed = createSide({
    ...{ name: 'on follow', client: followedMember, members: 1, topic, brokers },
    options: { maxWaitTimeInMs: 250, fromBeginning: true },
    describe: (members) => [...new Set(members.map((member) => member.followed.status().state))].join(', '),
  })
  const stock = createSide({ name: 'KafkaJS', client: stockMember, members: 1, topic, brokers })
  const sides = [relisten, followed, stock]
  const workload = await createWorkload(cluster, { topic })
  const config = { clientId: 'demo', brokers, logLevel: kafkajs.logLevel.NOTHING }
  const produce = async (name: keyof Producers, kafka: kafkajs.KafkaConfig) => {
    await cluster.createTopic(`produced-${name}`)
    const options = { topic: `produced-${name}`, perSecond: 200, isConcurrent: true, lastSendMs: 3000 }
    return startProducing(cluster, kafka, options)
  }
  await using followedProducer = await produce('followed', follow(config, { logger: false }))
  await using stockProducer = await produce('stock', config)
  const end = async () => {
    await workload.close()
    // a stock consumer may wait for a dead broker for half a minute and more
    const stopped = within(3000, 'The stop of KafkaJS', stock.stop()).catch(() => {})
    await Promise.all([stopped, relisten.stop(), followed.stop()])
  }
  await using _ = { [Symbol.asyncDispose]: end }

  let now = 'the groups join'
  const lines = () => [
    '',
    `  ${now}`,
    `  brokers at ${[1, 2, 3].map((nodeId) => front.endpoint(nodeId)).join('   ')}`,
    '',
    columns('', 'state', 'longest gap', 'handled', 'twice', 'behind'),
    ...sides.map((side) => sideLine(side, workload.sent)),
  ]
  await within(60_000, 'The join of all groups', Promise.all(sides.map((side) => side.start())))
  board.say(
    '  Three relisten members, a KafkaJS consumer on `follow` and one without it have joined, each side in a group of its own.',
  )
  board.say('  200 messages per second flow into six partitions. `brokers` is a function: no old address stays valid.')
  board.say('  Two KafkaJS producers, on `follow` and without it, write as many into topics of their own.')
  board.news(columns('', 'state', 'longest gap', 'handled', 'twice', 'behind'))
  workload.start()
  const steadyFrom = Date.now() + 1000
  now = 'nothing moves yet'
  board.live(lines)
  const watch = async (ms: number, patienceMs = 0) => {
    await pause(ms, undefined, { signal })
    // should relisten need longer, let it end before the next move, so that each move is judged by itself
    const relistenBack = () => (relisten.silentMs() > 1000 ? 'messages for relisten' : undefined)
    await until(relistenBack, { deadlineMs: 4000 }).catch(() => {})
    const stockBack = () => {
      signal.throwIfAborted()
      return stock.phaseGapMs() > 2000 && stock.silentMs() < 1000 ? undefined : 'messages for KafkaJS'
    }
    if (patienceMs > 0) await until(stockBack, { deadlineMs: patienceMs, everyMs: 100 }).catch(() => {})
    signal.throwIfAborted()
    for (const side of sides) board.news(sideLine(side, workload.sent))
  }
  await watch(4000)

  const made: MadeMove[] = []
  const moves = demoMoves(await cluster.coordinatorOf('demo-relisten'))
  for (const [index, move] of moves.entries()) {
    now = `move ${index + 1} of ${moves.length}: ${move.says}`
    board.news(`\n  ${now}`)
    for (const side of sides) side.beginPhase()
    const before = { generations: sides.map((side) => side.generation()), sent: workload.sent, at: Date.now() }
    await move.make(front, signal)
    const to = Date.now() + 2000
    await watch(3500, move.patienceMs)
    const phaseTo = Date.now()
    const [ours = 0, onFollow = 0, theirs = 0] = sides.map(
      (side, index) => side.generation() - (before.generations[index] ?? 0),
    )
    const rebalances = { relisten: ours, followed: onFollow, stock: theirs }
    made.push({
      move,
      phase: { move: { from: before.at, to }, phaseTo, sequences: { from: before.sent, below: workload.sent } },
      rebalances,
    })
  }

  now = 'the end: the stream has stopped, and the log is read again'
  board.end()
  board.say(`\n  ${now}`)
  await workload.stop()
  const whole = { from: steadyFrom, to: Date.now() }
  await until(() => (relisten.ledger.handled < workload.sent ? 'the last messages' : undefined), {
    deadlineMs: 5000,
  }).catch(() => {})
  await until(() => (followed.ledger.handled < workload.sent ? 'the last messages' : undefined), {
    deadlineMs: 5000,
  }).catch(() => {})
  const [log, ...produced] = await Promise.all([
    readLog(cluster.kafka(), topic),
    followedProducer.finish(),
    stockProducer.finish(),
  ])
  await end()
  board.say('')
  const producers = { followed: produced[0], stock: produced[1] }
  const outcome = result({ relisten, followed, stock }, producers, made, log, whole)
  return { ...outcome, text: `${outcome.text}\nIt took ${Math.round((Date.now() - beganAt) / 1000)} s.` }
}

function sideLine(side: Side, sent: number): string {
  const { handled, twice } = side.ledger
  const behind = Math.max(0, sent - (handled - twice))
  const gap = `${(side.phaseGapMs() / 1000).toFixed(2)} s`
  return columns(side.name, side.state(), gap, ...[handled, twice, behind].map(String))
}

const columns = (name: string, state: string, ...rest: string[]) =>
  `  ${name.padEnd(10)}${state.padEnd(18)}${rest.map((text) => text.padStart(13)).join('')}`

await runDemo({
  name: 'npm run demo',
  description:
    'Moves the brokers of a real Kafka in eight ways under a relisten group and stock KafkaJS consumers, on `follow` and without it.',
  run: demo,
})
