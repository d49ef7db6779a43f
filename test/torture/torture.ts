/**
 * The torture: a group of three on a real cluster, a steady stream, and one action after the other drawn from a seed, each of them
 * over and everybody back before the next. At the end the log is read again.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startFront } from '../cluster/front.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { startWatchdog } from '../cluster/watchdog.ts'
import { extents, readLog, stampOnAppend } from '../real/harness/ground-truth.ts'
import { watchGroup } from '../real/harness/group-watch.ts'
import { until, within } from '../real/harness/until.ts'
import { createWorkload } from '../real/harness/workload.ts'
import type { Attempt } from './account.ts'
import { createAccount } from './account.ts'
import { filesWith, journalFault } from './artefacts.ts'
import { brokerFaults } from './broker-faults.ts'
import { createCleanup } from './cleanup.ts'
import { createCommitCheck, TOLD_AFTER_MS } from './commit-check.ts'
import { createCrew } from './crew.ts'
import { createDraw } from './draw.ts'
import { CALM, createGaps, type Done, OWN_GAP_MS } from './gaps.ts'
import { createLeakWatch } from './leak-watch.ts'
import type { Member } from './member.ts'
import { fullDisk, memberFaults } from './member-faults.ts'
import { moves } from './moves.ts'
import { type Result, resultOf } from './result.ts'
import { mountSmallDisk } from './small-disk.ts'
import { createSource } from './source.ts'
import type { Action, Stage } from './stage.ts'
import { createStory } from './story.ts'

export interface TortureOptions {
  /** Started with `bindFixed`; it is whole again at the end. */
  readonly cluster: KafkaCluster
  readonly minutes: number
  readonly seed: number
  /** Only these kinds of actions. Default: all. */
  readonly only?: readonly string[]
  /** Messages per second. Default 200. */
  readonly perSecond?: number
  /** Ends the run early, in order. */
  readonly signal?: AbortSignal
  /** Gets a line for each action that is over, and for each violation. */
  readonly say: (line: string) => void
  /** Gets a function that tells how things are now. */
  readonly live?: (line: () => string) => void
}

const PARTITIONS = 6
/** How long a partition that is not back in time is waited for before the run is given up. */
const GIVEN_UP_MS = 60_000
const CALM_EVERY_MS = 45_000

/** The names of all kinds of actions. */
export const kinds: readonly string[] = [...moves, ...brokerFaults, ...memberFaults, fullDisk].map(({ kind }) => kind)

export async function torture(options: TortureOptions): Promise<Result> {
  const { cluster, minutes, seed, only, perSecond = 200, say, live = () => {} } = options
  const signal = options.signal ?? new AbortController().signal
  const id = randomUUID().slice(0, 8)
  const [topic, groupId] = [`torture-${id}`, `torture-group-${id}`]
  const folder = mkdtempSync(join(tmpdir(), 'relisten-torture-'))
  const watchdog = startWatchdog(folder)
  const canary = `canary-${randomUUID()}`
  const draw = createDraw(seed)
  const story = createStory(say)
  const done: Done[] = []
  const gaps = createGaps(done)

  await using cleanup = createCleanup()
  cleanup.defer(() => watchdog.end())
  const disk = mountSmallDisk(join(folder, 'disk'))
  cleanup.defer(async () => disk?.unmount())
  await using front = await startFront(cluster)
  await cluster.createTopic(topic, { partitions: PARTITIONS })
  await stampOnAppend(cluster.kafka(), topic)

  const account = createAccount({
    partitions: PARTITIONS,
    violated: story.violated,
    mayRepeat: (partition, offset) => crew.mayRepeat(partition, offset),
    onSilence: gaps.note,
  })
  const source = createSource(front, canary, () => {
    for (const member of crew.everybody) member.answerAll()
  })
  const admin = cluster.kafka().admin({ retry: { retries: 2 } })
  await admin.connect()
  cleanup.defer(() => admin.disconnect())
  const committed = async (): Promise<Map<number, number>> => {
    const asked = admin.fetchOffsets({ groupId, topics: [topic] })
    const [answer] = await within(3000, 'The question for commits', asked).catch(() => [])
    // what was committed at least: more may be handled again than after an answer, never less
    if (answer === undefined) return commits.newest()
    return new Map(answer.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]))
  }
  const crew = createCrew({
    ...{ groupId, topic, folder, committed },
    firstJournal: join(disk?.folder ?? folder, 'member-1'),
    source: () => source.answer(),
    account: () => account,
    note: (attempt: Attempt) => account.note(attempt),
    violated: story.violated,
  })
  const guard = () => watchdog.guard(crew.everybody.flatMap(({ alive, pid }) => (alive && pid ? [pid] : [])))
  story.follow(() => crew.everybody)
  cleanup.defer(async () => {
    await Promise.all(crew.everybody.map((member) => member.kill()))
  })
  const workload = await createWorkload(cluster, { topic, partitions: PARTITIONS, perSecond, requestTimeoutMs: 2000 })
  cleanup.defer(() => workload.close())

  const stage: Stage = {
    ...{ cluster, front, crew, source, draw, disk, signal, canary },
    tell: story.tell,
    wait: (ms) => pause(ms, undefined, { signal }),
  }
  const beganAt = Date.now()
  const lasts = minutes * 60_000
  const elapsed = () => clock(Date.now() - beganAt)
  const silentMs = () => Date.now() - Math.min(...workload.partitions.map(account.newestStart))
  const counted = (isMove: boolean) => done.filter((one) => one.isMove === isMove).length
  live(() => {
    const { ms, kind } = gaps.worst()
    return `${elapsed()} of ${minutes} min   ${account.handled} messages   ${counted(true)} moves   ${counted(false)} faults   worst gap ${(ms / 1000).toFixed(2)} s (${kind})   lost so far ${account.passedOver()}   twice ${account.repeats}   violations ${story.violations.length}   silent now ${(silentMs() / 1000).toFixed(1)} s`
  })

  /** Resolves when every partition has handled a message that was sent after now. */
  const back = async (backWithinMs: number, after: string): Promise<number> => {
    const from = Date.now()
    const waiting = () => workload.partitions.filter((partition) => account.newestSentAt(partition) < from)
    const missing = () => {
      signal.throwIfAborted()
      return waiting().length > 0 ? `new messages of partition ${waiting().join(', ')}` : undefined
    }
    await until(missing, { deadlineMs: backWithinMs, everyMs: 10 }).catch(async (error) => {
      signal.throwIfAborted()
      story.violated(`${after}: not back within ${backWithinMs} ms. ${error.message}`)
      await until(missing, { deadlineMs: GIVEN_UP_MS })
    })
    return Date.now() - from
  }

  await within(90_000, 'The join of three members', Promise.all(crew.members.map((member) => member.start())))
  guard()
  workload.start()
  await back(10_000, 'the start')
  const watch = await watchGroup(cluster, groupId, topic)
  cleanup.defer(async () => void (await watch.stop().catch(() => {})))
  const commits = createCommitCheck(watch.commits, account, story.violated)
  const looking = setInterval(() => {
    commits.look()
    guard()
    if (account.passedOver() > 0) story.violatedOnce('passed over', `${account.passedOver()} messages are passed over`)
  }, 1000)
  cleanup.defer(() => clearInterval(looking))

  const leaks = createLeakWatch(story.violated)
  const calm = async () => {
    await stage.wait(1500)
    await Promise.all(crew.members.map(async (member) => leaks.note(member.name, member.pid, await member.measure())))
  }

  const perform = async (action: Action) => {
    const { kind, isMove, backWithinMs } = action
    const one: Done = { kind, isMove, backWithinMs, from: Date.now(), overAt: 0, to: Number.POSITIVE_INFINITY }
    done.push(one)
    story.begin(kind)
    await action.act(stage)
    one.overAt = Date.now()
    guard()
    const backMs = await back(backWithinMs, kind)
    one.to = Date.now()
    story.end(kind, `over after ${one.overAt - one.from} ms, back ${backMs} ms later`)
    say(
      `${elapsed()}  ${kind}: over after ${seconds(one.overAt - one.from)}, all back ${seconds(backMs)} later   ${account.handled} messages, worst gap ${seconds(gaps.worst().ms)}`,
    )
  }

  const possible = [...brokerFaults, ...memberFaults, ...(disk ? [fullDisk] : [])]
  const wanted = ({ kind }: Action) => only === undefined || only.includes(kind)
  // every kind comes before the next round begins; from the second on moves are twice as frequent as anything else
  const round = (times: number) => draw.shuffled([...Array(times).fill(moves), possible].flat().filter(wanted))
  let finishedWell = true
  try {
    await calm()
    let calmAt = Date.now()
    let left: Action[] = round(1)
    while (Date.now() - beganAt < lasts) {
      if (left.length === 0) left = round(2)
      const action = left.pop()
      if (action === undefined) break
      await perform(action)
      await stage.wait(draw.whole(200, 2500))
      if (Date.now() - calmAt > CALM_EVERY_MS) {
        await calm()
        calmAt = Date.now()
      }
    }
    await calm()
  } catch (error) {
    finishedWell = false
    if (!signal.aborted) story.violated(`the run could not go on: ${error instanceof Error ? error.message : error}`)
  }

  say(`${elapsed()}  The stream ends; the log is read again`)
  await within(30_000, 'The end of the stream', workload.stop()).catch((error: Error) => story.violated(error.message))
  const ends = await extents(cluster.kafka(), topic)
  const unhandled = () => [...ends].filter(([partition, { high }]) => account.handledTo(partition) < high)
  await until(() => (unhandled().length > 0 ? 'the last messages' : undefined), { deadlineMs: 30_000 }).catch(() => {})
  const stopping = crew.everybody.map((member: Member) => member.stop().catch((error) => story.violated(`${error}`)))
  await Promise.all(stopping)
  await leaks.atEnd(crew.everybody)
  const atEnd = await committed()
  for (const [partition, { high }] of ends) {
    const at = atEnd.get(partition) ?? 0
    if (at !== high)
      story.violated(`partition ${partition} is committed up to ${at} after the stop, its log ends at ${high}`)
  }
  await pause(TOLD_AFTER_MS)
  commits.look()
  const log = await readLog(cluster.kafka(), topic)
  const { lost, foreign } = account.compare(log)
  if (lost > 0) story.violated(`${lost} messages of the log were handled by nobody`)
  if (foreign > 0) story.violated(`${foreign} hand-outs are not what the log holds`)
  const journals = crew.everybody.filter(({ pid }) => pid !== undefined).map(({ journal }) => journal)
  for (const journal of journals) {
    const fault = journalFault(journal)
    if (fault !== undefined) story.violated(fault)
  }
  for (const file of filesWith(canary, [folder])) story.violated(`a secret stands in ${file}`)

  const byKind = gaps.byKind(log)
  for (const kind of [CALM, ...moves.map((move) => move.kind)]) {
    const { own } = byKind.get(kind) ?? {}
    if (own !== undefined && own.ms - own.logMs > OWN_GAP_MS) {
      story.violated(`${kind}: partition ${own.partition} was silent for ${own.ms} ms from ${own.from} on`)
    }
  }

  return resultOf({
    ...{ seed, minutes, done, account, crew, story, leaks, lost, log, only },
    version: cluster.version,
    byKind,
    tookMs: Date.now() - beganAt,
    commitSamples: commits.judged,
    coordinatorChanges: watch.coordinatorChanges,
    finishedWell,
    withoutDisk: disk === undefined,
    interrupted: signal.aborted,
  })
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`

function clock(ms: number): string {
  const whole = Math.floor(ms / 1000)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
