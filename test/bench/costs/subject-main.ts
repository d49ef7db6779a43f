/** The inside of a subject: it consumes as it is told, and reads its own meters. */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { obey, tellParent } from '../../process/parent.ts'
import { type OnHandled, startConsuming } from './consuming.ts'
import { type Meters, startMeters } from './meters.ts'
import type { FromSubject, Reading, SubjectTask, ToSubject } from './subject.ts'
import { type Tap, tapSockets } from './tap.ts'

let tap: Tap | undefined
let meters: Meters | undefined
const tenthMs = 100
let brokers: string[] = []
let stops: (() => Promise<void>)[] = []
let handled = 0
let firstAt = 0
let lastAt = 0
let cpuAtFirstMs = 0
let cpuAtLastMs = 0
let longestGapMs = 0
let longestWaitMs = 0
/** Per consumer and partition, when the newest message was handled. */
const newestOf: number[][] = []
const perTenth: number[] = []
let wanted = Number.POSITIVE_INFINITY
let reached = () => {}

let busy = Promise.resolve()
obey((message: ToSubject) => {
  if (message.kind === 'brokers') brokers = message.brokers
  busy = busy.then(async () => {
    const answer = await answerTo(message).catch((error: Error) => ({ error: error.stack ?? error.message }))
    await tellParent<FromSubject>({ kind: 'answer', ...answer })
  })
})

async function answerTo(message: ToSubject): Promise<Omit<FromSubject, 'kind'>> {
  if (message.kind === 'start') await start(message.task)
  if (message.kind === 'read') return { reading: await read(message.collect) }
  if (message.kind === 'reach') return { reading: await reach(message.messages) }
  if (message.kind === 'describe') await describe(message.times)
  if (message.kind === 'describe') return { reading: await read(false) }
  if (message.kind === 'stop') await Promise.all(stops.map((stop) => stop()))
  return {}
}

async function start({ consuming, consumers = 1, ...task }: SubjectTask): Promise<void> {
  if (task.tapped) tap = tapSockets()
  if (task.metered) meters = startMeters(consuming.journalCapacity ?? 1000)
  brokers = task.brokers
  const ask = async () => brokers
  const groups = Array.from({ length: consumers }, (_, index) =>
    consumers === 1 ? consuming.groupId : `${consuming.groupId}-${index}`,
  )
  stops = await Promise.all(
    groups.map((groupId) => startConsuming({ ...consuming, groupId }, ask, counter(), meters?.given)),
  )
}

/** Counts for one consumer. */
function counter(): OnHandled {
  const newest: number[] = []
  newestOf.push(newest)
  return (messages, partition, timestamp) => {
    const now = Date.now()
    if (timestamp !== undefined) longestWaitMs = Math.max(longestWaitMs, now - Number(timestamp))
    if (handled === 0) {
      firstAt = now
      cpuAtFirstMs = cpuMs()
    }
    const gapMs = now - (newest[partition] ?? now)
    if (gapMs > longestGapMs) longestGapMs = gapMs
    newest[partition] = now
    lastAt = now
    handled += messages
    const tenth = Math.floor((now - firstAt) / tenthMs)
    perTenth[tenth] = (perTenth[tenth] ?? 0) + messages
    if (handled >= wanted) {
      cpuAtLastMs = cpuMs()
      wanted = Number.POSITIVE_INFINITY
      reached()
    }
  }
}

async function reach(messages: number): Promise<Reading> {
  if (handled < messages) {
    await new Promise<void>((resolve) => {
      wanted = messages
      reached = resolve
    })
  } else cpuAtLastMs = cpuMs()
  return read(false)
}

async function describe(times: number): Promise<void> {
  const admin = new Kafka({ clientId: 'costs', brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  for (let time = 0; time < times; time += 1) await admin.describeCluster()
  await admin.disconnect()
}

async function read(collect: boolean): Promise<Reading> {
  if (collect) {
    for (let round = 0; round < 3; round += 1) {
      globalThis.gc?.()
      await pause(50)
    }
  }
  const { rss, heapUsed } = process.memoryUsage()
  // a gap that has not ended counts too
  const now = Date.now()
  const gap = newestOf.flat().reduce((longest, at) => Math.max(longest, now - at), longestGapMs)
  const wait = longestWaitMs
  longestGapMs = 0
  longestWaitMs = 0
  return {
    at: Date.now(),
    cpuMs: cpuMs(),
    rssMb: rss / 2 ** 20,
    mallocMb: await mallocMb(),
    heapMb: heapUsed / 2 ** 20,
    handled,
    firstAt,
    lastAt,
    cpuAtFirstMs,
    cpuAtLastMs,
    longestGapMs: gap,
    longestWaitMs: wait,
    perTenth: Array.from(perTenth, (count) => count ?? 0),
    sockets: tap?.sockets() ?? [],
    metered: meters?.read(),
  }
}

async function mallocMb(): Promise<number> {
  const maps = await readFile('/proc/self/smaps', 'utf8').catch(() => '')
  return Number(/\[heap\]\n(?:.*\n)*?Rss: +(\d+) kB/.exec(maps)?.[1] ?? 0) / 1024
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
