/** Producing at rest: KafkaJS's producer on `follow` and without it, each in a process of its own, in turns on the same topic. */
import type { GoalFigure } from '../goal.ts'
import {
  type Burst,
  type BurstReading,
  type NodeProducer,
  type ProducerProcess,
  startProducerProcess,
} from '../producers/producer-process.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'

const goal = 'a producer of KafkaJS on `follow`, `acks` −1, against one without it, in turns'
const topic = 'produce'

type Side = 'followed' | 'kafkajs'
type Readings = Readonly<Record<Side, readonly BurstReading[]>>

/** Messages of one `send`, and how many sends are under way at a time. */
const shapes = [
  { batch: 1, atOnce: 32 },
  { batch: 1, atOnce: 1 },
  { batch: 100, atOnce: 8 },
  { batch: 100, atOnce: 1 },
  { batch: 10_000, atOnce: 1 },
] as const
const sizes = [
  { bytes: 100, size: '100 B' },
  { bytes: 1024, size: '1 KB' },
] as const
/** Sends begun in a second where latency is measured: far from what either side can do. */
const modestRate = 100

export async function measureProduce({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const [rounds, forMs] = quick ? [3, 1000] : [9, 1500]
  // one replica and none to wait for: nothing stands beside what the client itself takes; a batch of 10,000 has no room in Kafka's default of 1 MB
  const configuration = { 'max.message.bytes': String(16 * 2 ** 20), 'retention.bytes': String(64 * 2 ** 20) }
  await cluster.createTopic(topic, { replication: 1, configuration })
  const figures: GoalFigure[] = []
  const measure = async (followed: NodeProducer, kafkajs: NodeProducer, name: string, bytes: number, only?: number) => {
    await using ours = await startProducerProcess(followed, cluster.internal)
    await using theirs = await startProducerProcess(kafkajs, cluster.internal)
    const sides = { followed: ours, kafkajs: theirs }
    for (const { batch, atOnce } of shapes) {
      if (only !== undefined && batch !== only) continue
      const title = `${name}, ${batch.toLocaleString('en')} in a \`send\``
      const load = { topic, bytes, batch, forMs }
      const fast = await inTurns(sides, { ...load, pace: { atOnce } }, rounds)
      figures.push(throughput(`${title}, ${atOnce === 1 ? 'one send' : `${atOnce} sends`} at a time`, fast))
      const hasLatency = batch < 10_000 && atOnce > 1
      if (hasLatency) {
        const slow = await inTurns(sides, { ...load, pace: { perSecond: modestRate } }, rounds)
        figures.push(latency(`${title}, ${modestRate} sends a second`, slow))
      }
      for (const { name, value, reference, note } of figures.slice(hasLatency ? -2 : -1))
        say(`${name}: ${value.toFixed(3)} (${reference}; ${note})`)
    }
  }
  for (const { bytes, size } of quick ? sizes.slice(0, 1) : sizes) await measure('followed', 'kafkajs', size, bytes)
  await measure('followed-idempotent', 'kafkajs-idempotent', '100 B, idempotent', 100, 100)
  await cluster.deleteTopic(topic)
  return figures
}

/** A turn of each before it counts: what is compiled while it runs, and what is looked up once. */
async function inTurns(
  sides: Readonly<Record<Side, ProducerProcess>>,
  burst: Burst,
  rounds: number,
): Promise<Readings> {
  const readings = { followed: [] as BurstReading[], kafkajs: [] as BurstReading[] }
  for (let round = -1; round < rounds; round += 1) {
    // A B, B A: neither is always the first
    for (const side of round % 2 === 0 ? (['followed', 'kafkajs'] as const) : (['kafkajs', 'followed'] as const)) {
      const reading = await sides[side].burst(burst)
      if (round >= 0) readings[side].push(reading)
    }
  }
  return readings
}

const of = (readings: readonly BurstReading[], which: keyof BurstReading) => median(readings.map((one) => one[which]))

function throughput(name: string, { followed, kafkajs }: Readings): GoalFigure {
  const [ours, theirs] = [of(followed, 'perSecond'), of(kafkajs, 'perSecond')]
  const cpu = of(followed, 'cpuMs') / of(kafkajs, 'cpuMs')
  return {
    ...{ goal, name: `${name}: throughput`, value: ours / theirs, unit: '×', least: 0.95 },
    reference: `on follow ${rounded(ours)} messages/s, without ${rounded(theirs)}`,
    note: `medians of ${followed.length} turns; processor time ${cpu.toFixed(2)} × that of the other`,
  }
}

function latency(name: string, { followed, kafkajs }: Readings): GoalFigure {
  const [ours, theirs] = [of(followed, 'p99Ms'), of(kafkajs, 'p99Ms')]
  return {
    ...{ goal, name: `${name}: 99 % of latencies`, value: ours / theirs, unit: '×', most: 1.1 },
    reference: `on follow ${ours.toFixed(2)} ms, without ${theirs.toFixed(2)} ms; medians ${of(followed, 'medianMs').toFixed(2)} and ${of(kafkajs, 'medianMs').toFixed(2)} ms`,
    note: `medians of ${followed.length} turns`,
  }
}

const rounded = (perSecond: number) => Math.round(perSecond).toLocaleString('en')
