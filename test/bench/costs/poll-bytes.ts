/** The bytes of a poll on a cluster with many topics, counted at the sockets, beside KafkaJS's `describeCluster`. */
import { setTimeout as pause } from 'node:timers/promises'
import type { GoalFigure } from '../goal.ts'
import type { CostRun } from './run.ts'
import { startSubject } from './subject.ts'
import { isOfPoller, type TappedSocket } from './tap.ts'

const goal = 'bytes per poll on a cluster of 2,000 topics'

export async function measurePollBytes({ cluster, quick, say }: CostRun): Promise<GoalFigure[]> {
  const count = quick ? 200 : 2000
  const names = Array.from({ length: count }, (_, index) => `poll-bytes-${String(index).padStart(4, '0')}`)
  const [topic = ''] = names
  const admin = cluster.kafka().admin()
  await admin.connect()
  try {
    const startedAt = Date.now()
    for (let first = 0; first < count; first += 200) {
      const topics = names
        .slice(first, first + 200)
        .map((name) => ({ topic: name, numPartitions: 1, replicationFactor: 1 }))
      await admin.createTopics({ topics, waitForLeaders: false })
    }
    await cluster.waitReady()
    say(`${count} topics after ${Math.round((Date.now() - startedAt) / 1000)} s`)
    return await countBytes({ cluster, quick, say }, topic, count)
  } finally {
    await admin.deleteTopics({ topics: names })
    await admin.disconnect()
    await cluster.waitReady()
  }
}

async function countBytes({ cluster, quick, say }: CostRun, topic: string, count: number): Promise<GoalFigure[]> {
  const consuming = { client: 'relisten', groupId: 'poll-bytes', topic, each: 'message', concurrency: 1 } as const
  await using subject = await startSubject({ brokers: cluster.endpoints(), consuming, tapped: true })
  await pause(3000)
  const before = await subject.read()
  await pause(quick ? 5000 : 10_000)
  const after = await subject.read()
  const polls = passed(before.sockets, after.sockets).filter(
    (socket) => isOfPoller(socket) && sumOf(socket.requests) > 0,
  )
  if (polls.length === 0)
    throw new Error('No poll was seen: the poller asks in other requests than those that are counted')
  const polled = polls.reduce((sum, { requests }) => sum + sumOf(requests), 0)
  const bytes = polls.reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0)
  const times = 3
  const described = await subject.describe(times)
  const beside = passed(after.sockets, described.sockets).slice(after.sockets.length)
  const describeBytes = beside.reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0)
  await subject.stop()
  const figure: GoalFigure = {
    goal,
    name: 'both ways',
    value: bytes / polled,
    unit: 'bytes',
    most: 2048,
    reference: `KafkaJS's describeCluster: ${Math.round(describeBytes / times)} bytes`,
    note: `${polled} polls in ${Math.round((after.at - before.at) / 1000)} s, ${count} topics`,
  }
  say(`${figure.name}: ${figure.value.toFixed(0)} bytes (${figure.reference}; ${figure.note})`)
  return [figure]
}

/** What passed between two readings, socket by socket. */
function passed(before: readonly TappedSocket[], after: readonly TappedSocket[]): TappedSocket[] {
  return after.map((now, index) => {
    const then = before[index]
    if (!then) return now
    const sent = Object.entries(now.requests).map(([apiKey, count]): [string, number] => {
      return [apiKey, count - (then.requests[Number(apiKey)] ?? 0)]
    })
    return {
      dialledAt: now.dialledAt,
      requests: Object.fromEntries(sent),
      bytesIn: now.bytesIn - then.bytesIn,
      bytesOut: now.bytesOut - then.bytesOut,
    }
  })
}

const sumOf = (requests: Readonly<Record<number, number>>) =>
  Object.values(requests).reduce((sum, count) => sum + count, 0)
