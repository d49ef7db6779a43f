// The quick start of the README, run as it stands while every broker moves.
import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import Table from 'cli-table3'
import { beforeAll, expect, test } from 'vitest'
import { type Front, startFront } from '../cluster/front.ts'
import { createProject, type Program, readmeCode } from '../quick-start.ts'
import { createDraw, type Draw } from '../torture/draw.ts'
import { setAfter } from './harness/address-sets.ts'
import { form } from './harness/form.ts'
import { readLog } from './harness/ground-truth.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until, within } from './harness/until.ts'
import { createWorkload } from './harness/workload.ts'

/** Programs that get SIGTERM, and how many of them run at a time. */
const PROGRAMS = form(8, 100)
const AT_ONCE = 4
/** The option's default. */
const STOP_TIMEOUT_MS = 15_000
/** Latest instant of the signal, from when the program listens for it or has joined. */
const LATEST_MS = 3000
const MOVE_EVERY_MS = 2000

const cluster = sharedCluster({ bindFixed: true })
const topic = 'orders'

beforeAll(async () => {
  await cluster().createTopic(topic)
})

test('the quick start reads every message once while every broker moves, and ends by itself on SIGTERM', async () => {
  await using front = await startFront(cluster())
  await using project = await compiled()
  const tell = () => project.write('brokers.txt', brokersOf(front))
  await tell()
  await using program = project.run('quick-start')
  const prints = (what: string, found: () => boolean) =>
    until(() => {
      if (program.exitCode !== null)
        throw new Error(`It has ended with code ${program.exitCode}: ${program.complained}`)
      return found() ? undefined : `${what}; printed: ${program.printed.slice(-500)} ${program.complained.slice(-500)}`
    })
  await prints('the join', () => /^joined as /m.test(program.printed))

  const workload = await createWorkload(cluster(), { topic })
  const reads = async (count: number) => {
    const wanted = workload.sent + count
    await prints(`${wanted} messages`, () => handed(program.printed).length >= wanted)
  }
  workload.start()
  await reads(200)
  for (const set of [2, 3]) {
    await front.move(set, { close: set === 2 ? 'fin' : 'rst' })
    await tell()
    await reads(200)
  }
  // closed at once it would drop what is not sent yet, and nothing would ever be there to read
  await workload.stop()
  await reads(0)
  await workload.close()
  expect(program.printed.match(/^moved:/gm)?.length).toBeGreaterThanOrEqual(2)

  program.signal('SIGTERM')
  await program.ended()
  expect({ exitCode: program.exitCode, complained: program.complained }).toEqual({ exitCode: 0, complained: '' })
  const log = await readLog(cluster().kafka(), topic)
  const written = [...log].flatMap(([partition, { low, sequences }]) =>
    sequences.map((sequence, index) => `${partition} ${low + index} ${sequence}`),
  )
  expect(handed(program.printed).toSorted()).toEqual(written.toSorted())
})

// Before the program listens for it, the signal ends it as it ends any program: nobody can catch it, and nothing has begun.
test('the quick start ends with code 0 and leaves no member behind, whenever SIGTERM comes while brokers move', async () => {
  const seed = Number(process.env.RELISTEN_SEED ?? randomInt(2 ** 32))
  console.log(`Seed ${seed}. To repeat: RELISTEN_SEED=${seed}, and RELISTEN_FORM=long where it was`)
  const draw = createDraw(seed)
  await using front = await startFront(cluster())
  await using project = await compiled()
  const tell = () => project.write('brokers.txt', brokersOf(front))
  await tell()
  const workload = await createWorkload(cluster(), { topic, perSecond: 100 })
  workload.start()
  const admin = cluster().kafka().admin()
  await admin.connect()
  const over = new AbortController()
  const moving = (async () => {
    while (!over.signal.aborted) {
      await front.move(setAfter(front), { close: front.moveCount % 2 === 0 ? 'fin' : 'rst' })
      await tell()
      await pause(MOVE_EVERY_MS, undefined, over).catch(() => {})
    }
  })()
  const ends: End[] = []
  const violations: string[] = []
  while (ends.length < PROGRAMS) {
    const wave = Array.from({ length: Math.min(AT_ONCE, PROGRAMS - ends.length) }, () => drawInterruption(draw))
    ends.push(...(await Promise.all(wave.map((each) => interrupt(project.run('quick-start'), each)))))
    const { groups } = await admin.describeGroups(['orders'])
    const left = groups.flatMap(({ members }) => members.map(({ memberId }) => memberId))
    if (left.length > 0) violations.push(`after ${ends.length} programs ${left.join(', ')} is in the group`)
  }
  over.abort()
  await moving
  await workload.close()
  await admin.disconnect()
  printEnds(ends)
  const others = ends.filter(
    ({ exitCode, alarms, stopMs }) => exitCode !== 0 || alarms.length > 0 || stopMs > STOP_TIMEOUT_MS,
  )
  expect({ others, violations }).toEqual({ others: [], violations: [] })
})

test('the quick start ends with code 1 and says why, when its topic does not exist', async () => {
  await using front = await startFront(cluster())
  await using project = await compiled((code) =>
    code.replace("topics: ['orders']", "topics: ['no-orders'], metadataLagMs: 500"),
  )
  await project.write('brokers.txt', brokersOf(front))
  await using program = project.run('quick-start')
  await within(30_000, 'The program', program.ended())
  expect(program.exitCode).toBe(1)
  expect(program.complained).toMatch(/RelistenError.*topic-missing.*no-orders/s)
  expect(program.printed).toBe('')
})

/** A project with the compiled quick start. */
async function compiled(change = (code: string) => code) {
  const project = await createProject()
  const [quickStart = ''] = await readmeCode()
  await project.write('quick-start.ts', change(quickStart))
  await project.compile('quick-start')
  return project
}

const brokersOf = (front: Front): string => `${front.endpoints().join('\n')}\n`

/** When a program gets SIGTERM, in milliseconds from when it listens for it or has joined, and when it gets a second one, from the first. */
interface Interruption {
  readonly since: 'it listens' | 'it has joined'
  readonly afterMs: number
  readonly againMs: number | undefined
}

interface End extends Interruption {
  readonly during: (typeof states)[number]
  readonly exitCode: number | null
  readonly alarms: readonly string[]
  readonly stopMs: number
}

const states = ['connecting or joining', 'joined, nothing read', 'reading'] as const

/** The earlier the more often: a third of the instants are within the first hundred milliseconds. */
function drawInterruption(draw: Draw): Interruption {
  const since = draw.one(['it listens', 'it has joined'] as const)
  const afterMs = Math.round(LATEST_MS * (draw.whole(0, 1000) / 1000) ** 3)
  const isTwice = draw.chance(0.25)
  const againMs = draw.whole(0, 20)
  return { since, afterMs, againMs: isTwice ? againMs : undefined }
}

async function interrupt(program: Program, interruption: Interruption): Promise<End> {
  const { since, afterMs, againMs } = interruption
  await within(30_000, 'The start of a program', program.listens())
  if (since === 'it has joined') await until(() => (hasJoined(program) ? undefined : 'the join'), { everyMs: 2 })
  await pause(afterMs)
  const during = stateOf(program)
  const from = performance.now()
  program.signal('SIGTERM')
  if (againMs !== undefined) {
    await pause(againMs)
    program.signal('SIGTERM')
  }
  await within(STOP_TIMEOUT_MS + 5000, 'The stop of a program', program.ended()).catch(() => {})
  const stopMs = Math.round(performance.now() - from)
  return { ...interruption, during, exitCode: program.exitCode, alarms: alarmsIn(program.complained), stopMs }
}

const hasJoined = ({ printed }: Program): boolean => /^joined as /m.test(printed)

function stateOf(program: Program): End['during'] {
  if (!hasJoined(program)) return 'connecting or joining'
  return handed(program.printed).length > 0 ? 'reading' : 'joined, nothing read'
}

/** What it complains of, but for warnings that are true here: that no broker answers where all have moved, and that the machine is busy. */
const alarmsIn = (complained: string): string[] =>
  complained.split('\n').filter((line) => line !== '' && !expectedWarning.test(line))

const expectedWarning = /^{"level":40,.*"fact":"(cluster\.unreachable|event-loop\.starved)"/

function printEnds(ends: readonly End[]): void {
  const table = new Table({
    head: ['SIGTERM while', 'programs', 'twice', 'earliest', 'latest', 'median stop', 'worst stop', 'other codes'],
    style: { head: [], border: [] },
  })
  for (const during of states) {
    const own = ends.filter((end) => end.during === during)
    if (own.length === 0) continue
    const after = own.map(({ afterMs }) => afterMs)
    const stops = own.map(({ stopMs }) => stopMs).toSorted((one, other) => one - other)
    table.push([
      ...[during, own.length, own.filter(({ againMs }) => againMs !== undefined).length],
      ...[`${Math.min(...after)} ms`, `${Math.max(...after)} ms`],
      ...[`${stops[Math.floor(stops.length / 2)]} ms`, `${stops.at(-1)} ms`],
      own.filter(({ exitCode }) => exitCode !== 0).length,
    ])
  }
  console.log(table.toString())
}

/** What the lines about messages begin with: partition, offset, sequence. The rest of a value is when it was sent. */
const handed = (printed: string): string[] => printed.match(/^\d+ \d+ \d+(?= \d+$)/gm) ?? []
