/** Throughput: a full topic read to its end by relisten, or by KafkaJS on `follow`, and by bare KafkaJS, in turns, each time in a process of its own. */
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
        const turns = await inTurns('relisten', cluster, { topic, each, concurrency, messages, rounds })
        const figure = compare(turns, titleOf(each), { bytes, concurrency, least: least[each] })
        say(`${figure.name}: ${figure.value.toFixed(3)} (${figure.reference}; ${figure.note})`)
        figures.push(figure)
      }
    }
    await cluster.deleteTopic(topic)
  }
  return figures
}

/** The same of KafkaJS on `follow`, and the processor time it takes. */
export async function measureFollowed({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const messages = quick ? 200_000 : 1_000_000
  const topic = 'throughput-followed'
  await fillTopic(cluster, { topic, messages, bytes: 100 })
  const figures: GoalFigure[] = []
  for (const each of ['batch', 'message'] as const) {
    const about = { topic, each, concurrency: 1, messages, rounds: quick ? 3 : 7 }
    const { tested, kafkajs } = await inTurns('followed', cluster, about)
    const [ours, theirs] = [tested, kafkajs].map((turns) => ({
      perSecond: median(turns.map(({ perSecond }) => perSecond)),
      cpuMs: median(turns.map(({ cpuMs }) => cpuMs)),
    })) as [Turn, Turn]
    const note = `medians of ${tested.length} turns of ${messages} messages of 100 B`
    figures.push(
      {
        ...{ goal: followedGoal, name: `${titleOf(each)}, throughput`, unit: '×', note },
        ...{ value: ours.perSecond / theirs.perSecond, least: 0.95 },
        reference: `on follow ${rateText(ours.perSecond)}, without ${rateText(theirs.perSecond)}`,
      },
      {
        ...{ goal: followedGoal, name: `${titleOf(each)}, processor time`, unit: '×', note },
        ...{ value: ours.cpuMs / theirs.cpuMs, most: 1.08 },
        reference: `on follow ${Math.round(ours.cpuMs)} ms, without ${Math.round(theirs.cpuMs)} ms`,
      },
    )
  }
  for (const { name, value, reference } of figures) say(`${name}: ${value.toFixed(3)} (${reference})`)
  await cluster.deleteTopic(topic)
  return figures
}

const followedGoal = 'a stock consumer on `follow`, 10⁶ messages of 100 B, against one without it, in turns'
const titleOf = (each: 'batch' | 'message') => `\`${each === 'batch' ? 'eachBatch' : 'eachMessage'}\``

interface Turns {
  readonly tested: readonly Turn[]
  readonly kafkajs: readonly Turn[]
}

async function inTurns(
  tested: Client,
  { internal }: CostRun['cluster'],
  about: Pick<Consuming, 'topic' | 'each' | 'concurrency'> & { readonly messages: number; readonly rounds: number },
): Promise<Turns> {
  const { messages, rounds, ...consuming } = about
  const turns = { tested: [] as Turn[], kafkajs: [] as Turn[] }
  for (let round = 0; round < rounds; round += 1) {
    // A B, B A: neither is always the first
    for (const name of round % 2 === 0 ? (['tested', 'kafkajs'] as const) : (['kafkajs', 'tested'] as const)) {
      const client = name === 'tested' ? tested : 'kafkajs'
      const groupId = `${about.topic}-${about.each}-${about.concurrency}-${client}-${round}`
      turns[name].push(await readOnce(internal, { ...consuming, client, groupId, maxWaitTimeInMs: 250 }, messages))
    }
  }
  return turns
}

/** From the first message handled to the last. */
async function readOnce(brokers: readonly string[], consuming: Consuming, messages: number): Promise<Turn> {
  await using subject = await startSubject({ brokers: [...brokers], consuming })
  const { firstAt, lastAt, cpuAtFirstMs, cpuAtLastMs } = await subject.reach(messages)
  await subject.stop()
  return { perSecond: messages / ((lastAt - firstAt) / 1000), cpuMs: cpuAtLastMs - cpuAtFirstMs }
}

function compare(
  { tested: relisten, kafkajs }: Turns,
  each: string,
  about: { readonly bytes: number; readonly concurrency: number; readonly least: number },
): GoalFigure {
  const rate = (turns: readonly Turn[]) => median(turns.map(({ perSecond }) => perSecond))
  const cpu = (turns: readonly Turn[]) => median(turns.map(({ cpuMs }) => cpuMs))
  return {
    goal,
    name: `${each}, ${about.bytes === 100 ? '100 B' : '1 KB'}, ${about.concurrency} concurrent`,
    value: rate(relisten) / rate(kafkajs),
    unit: '×',
    least: about.least,
    reference: `relisten ${rateText(rate(relisten))}, bare kafkajs ${rateText(rate(kafkajs))}`,
    note: `medians of ${relisten.length} turns; processor time ${(cpu(relisten) / cpu(kafkajs)).toFixed(2)} × that of kafkajs`,
  }
}

const rateText = (perSecond: number) => `${Math.round(perSecond / 1000)},000 messages/s`
