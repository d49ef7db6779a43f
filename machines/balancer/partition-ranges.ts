/** Many partitions, written short: by topic, as `0-5,7`. */

import { byTopic, type TopicPartition } from '../topic-partition.ts'

export type PartitionRanges = Readonly<Record<string, string>>

export const rangesOf = (partitions: readonly TopicPartition[]): PartitionRanges =>
  Object.fromEntries(Object.entries(byTopic(partitions)).map(([topic, numbers]) => [topic, written(numbers)]))

function written(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = []
  for (const number of numbers.toSorted((one, other) => one - other)) {
    const range = ranges.at(-1)
    if (range && range[1] === number - 1) range[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}

/** Whether a partition is among them. */
export function isWithin(ranges: PartitionRanges | undefined, topic: string, partition: number): boolean {
  const text = ranges && Object.hasOwn(ranges, topic) ? ranges[topic] : undefined
  return (text?.split(',') ?? []).some((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number)
    return first <= partition && partition <= last
  })
}
