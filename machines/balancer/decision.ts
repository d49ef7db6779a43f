/** The decision of a round: what it was made from, what it wins, and why each thing is moved or left. JSON throughout. */

import { formatBytes } from './byte-count.ts'
import type { ClusterModel, Pin } from './cluster-model.ts'
import { digestOf } from './model-digest.ts'
import { isWithin, type PartitionRanges, rangesOf } from './partition-ranges.ts'
import type { GoalSettings, Imbalance, Plan, SoftGoal, Step, Stillness, Violation } from './plan.ts'

export interface Decision {
  readonly round: number
  /** When it was made, in milliseconds since 1970. */
  readonly at: number
  /** Of the model and the settings: the same inputs have the same digest, and lead to the same plan. */
  readonly digest: string
  /** Ids of the brokers. */
  readonly brokers: readonly number[]
  /** How many partitions each topic has. */
  readonly topics: Readonly<Record<string, number>>
  /** Imbalance per goal, and its weighted sum, before the first step and after the last. */
  readonly before: Imbalance
  readonly after: Imbalance
  readonly total: { readonly before: number; readonly after: number }
  readonly steps: readonly Step[]
  /** To copy, by all steps. */
  readonly bytes: number
  /** Goals that are still violated after the last step. */
  readonly left: readonly Violation[]
  /** Why nothing is moved; null where there are steps. */
  readonly stillness: Stillness | null
  /** Partitions that may not be moved, by why. */
  readonly pinned: Readonly<Partial<Record<Pin, PartitionRanges>>>
}

export function decisionOf(
  { round, at }: Pick<Decision, 'round' | 'at'>,
  model: ClusterModel,
  settings: GoalSettings,
  { steps, before, after, total, left, stillness }: Plan,
): Decision {
  const topics = new Map<string, number>()
  const byPin = new Map<Pin, ClusterModel['partitions'][number][]>()
  for (const each of model.partitions) {
    topics.set(each.topic, (topics.get(each.topic) ?? 0) + 1)
    if (each.pinnedBy === null) continue
    const known = byPin.get(each.pinnedBy)
    if (known) known.push(each)
    else byPin.set(each.pinnedBy, [each])
  }
  return {
    ...{ round, at, digest: digestOf(model, settings), brokers: model.brokers.map(({ id }) => id) },
    topics: Object.fromEntries(topics),
    ...{ before, after, total, steps, left, stillness },
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    pinned: Object.fromEntries([...byPin].map(([pin, partitions]) => [pin, rangesOf(partitions)])),
  }
}

/** What a pin means, after "it stays, as". */
const pins: Readonly<Record<Pin, string>> = {
  excluded: 'its topic is excluded',
  cooling: 'it was moved a short while ago',
  'under-way': 'a reassignment of it is under way',
  'under-replicated': 'a replica of it is not in sync',
  leaderless: 'it has no leader',
  untrusted: 'its load is not known well enough',
  internal: "it is one of Kafka's own, with coordinators on it",
}

const stillnesses: Readonly<Record<Stillness, string>> = {
  balanced: 'every goal is met',
  'below-trigger': 'no broker is far enough from the mean to begin',
  'no-gain': 'no step that breaks no hard goal wins enough for its cost',
  untrusted: 'the load of too many partitions is not known well enough',
  'too-few-brokers': 'there are not two brokers to choose from',
}

/** The decision in lines: a head, each goal, each step, what is left, and what may not be moved. */
export const explain = (decision: Decision): string[] => [
  ...summaryOf(decision),
  ...decision.steps.map((step, index) => `${String(index + 1).padStart(3)}. ${stepLine(step)}`),
  ...remainderOf(decision),
]

/** The head of a decision: what it comes to, what it was made from, why where nothing is moved, and the imbalance of each goal. */
export function summaryOf(decision: Decision): string[] {
  const { round, at, digest, brokers, topics, before, after, total, steps, bytes, stillness } = decision
  const partitions = Object.values(topics).reduce((sum, count) => sum + count, 0)
  const cost = steps.length === 0 ? '' : `, ${formatBytes(bytes)} to copy`
  return [
    `Round ${round}, ${new Date(at).toISOString()}: ${many(steps.length, 'step')}${cost}; imbalance ${change(total)}`,
    `Made from ${many(brokers.length, 'broker')} and ${many(partitions, 'partition')}, digest ${digest}`,
    ...(stillness === null ? [] : [`Nothing is moved: ${stillnesses[stillness]}`]),
    ...(Object.keys(before) as SoftGoal[]).map(
      (goal) => `  ${goal.padEnd(10)} ${change({ before: before[goal], after: after[goal] })}`,
    ),
  ]
}

/** The goals that are still violated, and the partitions that may not be moved, with why. */
export const remainderOf = ({ left, pinned }: Decision): string[] => [
  ...left.map(({ goal, brokers: ids, why }) => `Left: ${goal} on ${among(ids)}: ${why}`),
  ...Object.entries(pinned).map(([pin, ranges]) => `Not to be moved, as ${pins[pin as Pin]}: ${rangeText(ranges)}`),
]

/** Why a partition is moved in this round, or stays. */
export function whyPartition(decision: Decision, topic: string, partition: number): string[] {
  const { round, steps, topics, stillness, pinned } = decision
  const name = `${topic}/${partition}`
  if (!Object.hasOwn(topics, topic) || partition >= (topics[topic] ?? 0))
    return [`${name} was not there in round ${round}`]
  const own = steps.filter((step) => step.topic === topic && step.partition === partition)
  if (own.length > 0) return own.map((step) => `${name} is moved in round ${round}: ${stepLine(step)}`)
  const pin = (Object.keys(pinned) as Pin[]).find((each) => isWithin(pinned[each], topic, partition))
  const why = pin === undefined ? `nothing is to be gained by it: ${stillnesses[stillness ?? 'no-gain']}` : pins[pin]
  return [`${name} stays in round ${round}, as ${why}`]
}

function stepLine({ kind, topic, partition, from, to, bytes, why, wins }: Step): string {
  const what = kind === 'leader' ? 'leadership' : 'a replica'
  const cost = bytes === 0 ? 'copies nothing' : `copies ${formatBytes(bytes)}`
  return `${topic}/${partition}: ${what} from broker ${from} to ${to} for ${why}; wins ${wins.toFixed(4)}, ${cost}`
}

const change = ({ before, after }: Decision['total']): string => `${before.toFixed(4)} → ${after.toFixed(4)}`
const among = (ids: readonly number[]): string => `broker${ids.length === 1 ? '' : 's'} ${ids.join(', ')}`
const many = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`
const rangeText = (ranges: PartitionRanges): string =>
  Object.entries(ranges)
    .map(([topic, numbers]) => `${topic} ${numbers}`)
    .join('; ')
