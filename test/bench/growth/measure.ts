/** Growth: one consumer on clusters of ever more brokers and partitions; what it costs at rest, per move, and in memory. */
import { setTimeout as pause } from 'node:timers/promises'
import { median } from '../costs/median.ts'
import { type Reading, type Subject, startSubject } from '../costs/subject.ts'
import { type FakeKafka, startFakeKafka, type Traffic } from './fake-kafka.ts'
import type { Cell, Figures } from './growth.ts'

interface Sight {
  readonly subject: Reading
  readonly traffic: Traffic
}

const settleMs = 5000
const restMs = 20_000
/** A move is over by then, with all it makes others do. */
const moveMs = 3000
const moves = 5
const mb = 2 ** 20

export async function measureCell(brokers: number, partitions: number, quick: boolean): Promise<Cell> {
  await using kafka = await startFakeKafka(brokers, partitions)
  const { topic } = kafka
  const read = { client: 'relisten', each: 'message', concurrency: 3, journalCapacity: 200 } as const
  const consuming = { ...read, groupId: 'growth', topic }
  await using subject = await startSubject({ brokers: kafka.endpoints(), consuming, metered: true })
  const produced = { count: kafka.produce() }
  await subject.reach(produced.count)
  await pause(settleMs)
  const before = await sight(subject, kafka)
  await pause(quick ? restMs / 4 : restMs)
  const after = await sight(subject, kafka)
  const rest = between(before, after)
  const moved: Between[] = []
  /** Only until all is handed out: what lies behind is rest, and of that there is more or less as others use the machine. */
  const handedOut: Between[] = []
  const silences: number[] = []
  for (let move = 0; move < moves; move++) {
    const start = await sight(subject, kafka)
    await kafka.move()
    const movedAt = Date.now()
    produced.count += kafka.produce()
    await subject.tell(kafka.endpoints())
    const { lastAt } = await subject.reach(produced.count)
    silences.push(lastAt - movedAt)
    handedOut.push(between(start, await sight(subject, kafka)))
    await pause(Math.max(0, movedAt + moveMs - Date.now()))
    moved.push(between(start, await sight(subject, kafka)))
  }
  const { heapMb, rssMb } = await subject.read({ collect: true })
  await subject.stop()
  const perMinute = (value: number) => (value / rest.ms) * 60_000
  /** What a move takes beyond what the same time at rest does. */
  const perMove = (of: (one: Between) => number, windows: readonly Between[] = moved) =>
    Math.max(0, median(windows.map((one) => of(one) - (of(rest) / rest.ms) * one.ms)))
  const figures: Figures = {
    connections: after.traffic.connections,
    dialsPerMinute: perMinute(rest.dials),
    pollsPerMinute: perMinute(rest.metadata),
    lookUpsPerMinute: perMinute(rest.lookUps),
    fetchMbPerMinute: perMinute(rest.fetchBytes) / mb,
    otherMbPerMinute: perMinute(rest.otherBytes) / mb,
    cpuMsPerSecond: (rest.cpuMs / rest.ms) * 1000,
    dialsPerMove: perMove(({ dials }) => dials),
    lookUpsPerMove: median(handedOut.map(({ lookUps }) => lookUps)),
    otherMbPerMove: perMove(({ otherBytes }) => otherBytes) / mb,
    cpuMsPerMove: perMove(({ cpuMs }) => cpuMs, handedOut),
    factsPerMove: perMove(({ facts }) => facts),
    factKbPerMove: perMove(({ factBytes }) => factBytes) / 1024,
    silenceMs: median(silences),
    heapMb,
    rssMb,
  }
  return { brokers, partitions, figures }
}

async function sight(subject: Subject, kafka: FakeKafka): Promise<Sight> {
  return { subject: await subject.read(), traffic: kafka.traffic() }
}

type Between = ReturnType<typeof between>

function between(before: Sight, after: Sight) {
  const counted = (of: 'dials' | 'lookUps' | 'facts' | 'factBytes') =>
    (after.subject.metered?.[of] ?? 0) - (before.subject.metered?.[of] ?? 0)
  const passed = (of: keyof Traffic) => after.traffic[of] - before.traffic[of]
  return {
    ms: after.subject.at - before.subject.at,
    cpuMs: after.subject.cpuMs - before.subject.cpuMs,
    ...{
      dials: counted('dials'),
      lookUps: counted('lookUps'),
      facts: counted('facts'),
      factBytes: counted('factBytes'),
    },
    ...{ metadata: passed('metadata'), fetchBytes: passed('fetchBytes'), otherBytes: passed('otherBytes') },
  }
}
