/** Throughput: a full topic read to its end by relisten and by bare KafkaJS, in turns, each time in a process of its own. */
import type { GoalFigure } from '../goal.ts'
import type { Client, Consuming } from './consuming.ts'
import { fillTopic } from './filled-topic.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'
import { startSubject } from './subject.ts'

const goal = 'throughput, `eachBatch` / `eachMessage`, 10⁶ messages of 100 B and of 1 KB, against bare kafkajs in turns'
const least = { batch: 0.98, message: 0.95 } as const

interface Turn {
  readonly perSecond: number
  readonly cpuMs: number
}

export async function measureThroughput({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const messages = quick ? 200_000 : 1_000_000
  const rounds = quick ? 3 : 5
  const figures: GoalFigure[] = []
  for (const bytes of quick ? [100] : [100, 1024]) {
    const topic = `throughput-${bytes}`
    await fillTopic(cluster, { topic, messages, bytes })
    for (const concurrency of quick ? [1] : [1, 4]) {
      for (const each of ['batch', 'message'] as const) {
        const turns: Record<Client, Turn[]> = { relisten: [], kafkajs: [] }
        for (let round = 0; round < rounds; round += 1) {
          // A B, B A: neither is always the first
          const order: Client[] = round % 2 === 0 ? ['relisten', 'kafkajs'] : ['kafkajs', 'relisten']
          for (const client of order) {
            const groupId = `${topic}-${each}-${concurrency}-${client}-${round}`
            const consuming = { client, groupId, topic, each, concurrency, maxWaitTimeInMs: 250 }
            turns[client].push(await readOnce(cluster.internal, consuming, messages))
          }
        }
        const figure = compare(turns, `\`${each === 'batch' ? 'eachBatch' : 'eachMessage'}\``, {
          bytes,
          concurrency,
          least: least[each],
        })
        say(`${figure.name}: ${figure.value.toFixed(3)} (${figure.reference}; ${figure.note})`)
        figures.push(figure)
      }
    }
    await cluster.deleteTopic(topic)
  }
  return figures
}

/** From the first message handled to the last. */
async function readOnce(brokers: readonly string[], consuming: Consuming, messages: number): Promise<Turn> {
  await using subject = await startSubject({ brokers: [...brokers], consuming })
  const { firstAt, lastAt, cpuAtFirstMs, cpuAtLastMs } = await subject.reach(messages)
  await subject.stop()
  return { perSecond: messages / ((lastAt - firstAt) / 1000), cpuMs: cpuAtLastMs - cpuAtFirstMs }
}

function compare(
  { relisten, kafkajs }: Readonly<Record<Client, readonly Turn[]>>,
  each: string,
  about: { readonly bytes: number; readonly concurrency: number; readonly least: number },
): GoalFigure {
  const rate = (turns: readonly Turn[]) => median(turns.map(({ perSecond }) => perSecond))
  const cpu = (turns: readonly Turn[]) => median(turns.map(({ cpuMs }) => cpuMs))
  const count = (perSecond: number) => `${Math.round(perSecond / 1000)},000 messages/s`
  return {
    goal,
    name: `${each}, ${about.bytes === 100 ? '100 B' : '1 KB'}, ${about.concurrency} concurrent`,
    value: rate(relisten) / rate(kafkajs),
    unit: '×',
    least: about.least,
    reference: `relisten ${count(rate(relisten))}, bare kafkajs ${count(rate(kafkajs))}`,
    note: `medians of ${relisten.length} turns; processor time ${(cpu(relisten) / cpu(kafkajs)).toFixed(2)} × that of kafkajs`,
  }
}
