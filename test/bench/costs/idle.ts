/** The idle consumer: processor time while no message comes, beside bare KafkaJS, in turns, each time in a process of its own. */
import { setTimeout as pause } from 'node:timers/promises'
import type { GoalFigure } from '../goal.ts'
import type { Client } from './consuming.ts'
import { median } from './median.ts'
import type { CostRun } from './run.ts'
import { startSubject } from './subject.ts'

const goal = 'CPU of an idle consumer over bare kafkajs, poll each second'
const topic = 'idle'
const settleMs = 3000

interface Manner {
  readonly name: string
  readonly client: Client
  /** Undefined: the client's own default, 250 for relisten and 5000 for KafkaJS. */
  readonly maxWaitTimeInMs?: number
}

/** `maxWaitTimeInMs` decides how often a consumer fetches, so it has to be the same for a comparison. */
const same = 250
const manners: readonly Manner[] = [
  { name: 'relisten', client: 'relisten', maxWaitTimeInMs: same },
  { name: 'kafkajs, fetches of 250 ms', client: 'kafkajs', maxWaitTimeInMs: same },
  { name: 'kafkajs, its default of 5 s', client: 'kafkajs' },
  { name: 'relisten, fetches of 5 s', client: 'relisten', maxWaitTimeInMs: 5000 },
]

export async function measureIdle({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const windowMs = quick ? 8000 : 30_000
  const rounds = quick ? 1 : 3
  await cluster.createTopic(topic)
  const percents = new Map<Manner, number[]>(manners.map((manner) => [manner, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const manner of round % 2 === 0 ? manners : manners.toReversed()) {
      const { client, maxWaitTimeInMs } = manner
      const groupId = `idle-${client}-${maxWaitTimeInMs}-${round}`
      const consuming = { client, groupId, topic, each: 'message', concurrency: 1, maxWaitTimeInMs } as const
      await using subject = await startSubject({ brokers: cluster.endpoints(), consuming })
      await pause(settleMs)
      const before = await subject.read()
      await pause(windowMs)
      const after = await subject.read()
      await subject.stop()
      const percent = ((after.cpuMs - before.cpuMs) / (after.at - before.at)) * 100
      say(`${manner.name}: ${percent.toFixed(2)} % of a core`)
      percents.get(manner)?.push(percent)
    }
  }
  await cluster.deleteTopic(topic)
  const [relisten = 0, alike = 0, preset = 0, slow = 0] = manners.map((manner) => median(percents.get(manner) ?? []))
  const note = `medians of ${rounds} turns of ${windowMs / 1000} s`
  const told = (value: number) => `${value.toFixed(2)} %`
  return [
    {
      goal,
      name: 'the same fetches of 250 ms',
      value: relisten - alike,
      unit: '% of a core',
      most: 0.5,
      reference: `relisten ${told(relisten)}, bare kafkajs ${told(alike)}`,
      note,
    },
    {
      goal,
      name: 'the same fetches of 5 s',
      value: slow - preset,
      unit: '% of a core',
      reference: `relisten ${told(slow)}, bare kafkajs ${told(preset)}`,
      note: `${note}; 5 s is KafkaJS's default`,
    },
    {
      goal,
      name: "each with its own default: 250 ms, KafkaJS's 5 s",
      value: relisten - preset,
      unit: '% of a core',
      reference: `relisten ${told(relisten)}, bare kafkajs ${told(preset)}`,
      note: `${note}; most of it is twenty times as many fetches, which is what finds a dead connection early`,
    },
  ]
}
