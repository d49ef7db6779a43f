/**
 * A run: one topic, one group, one steady workload, and everything that is watched while a scenario moves the brokers.
 * It ends in its outcome: what the ledger says against the log read again, and the silence of every move.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { TopicOptions } from '../../cluster/admin.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { extents, readLog, stampedOnAppend } from './ground-truth.ts'
import { watchGroup } from './group-watch.ts'
import { createLedger, type Ledger, unhandled } from './ledger.ts'
import { type Client, type Handler, type Member, type MemberTask, recorded } from './member.ts'
import { assess, findings, type Outcome } from './outcome.ts'
import { type Stretch, worstSilence } from './silence.ts'
import { writeStory } from './story.ts'
import { watchTimer } from './timer-watch.ts'
import { until, within } from './until.ts'
import { createWorkload, type Workload, type WorkloadOptions } from './workload.ts'

export interface RunOptions<Kind extends Member> {
  /** First column of the report. */
  readonly scenario: string
  readonly cluster: KafkaCluster
  readonly brokers: MemberTask['brokers']
  /** Default 3. */
  readonly members?: number
  readonly client: Client<Kind>
  /** What a handler does with a message, beside being recorded. */
  readonly handle?: Handler
  readonly options?: MemberTask['options']
  /** Messages per second. Default 200. */
  readonly perSecond?: number
  /** False: the stream is not started; the scenario writes a backlog. Default true. */
  readonly stream?: boolean
  /** What its topic is like. Default: 6 partitions, 3 replicas. */
  readonly topic?: TopicOptions
  /** More of its workload. */
  readonly workload?: Pick<WorkloadOptions, 'bytes' | 'together'>
  /** Further topics of its members; see `MemberTask`. */
  readonly beside?: MemberTask['beside']
  /** What the names of its members begin with; they are their client ids. Default `member`. */
  readonly name?: string
}

export interface FinishOptions {
  /** Figures of silences are of these partitions only. Default all. */
  readonly partitions?: readonly number[]
  /** These need not be read to their end: what counts as lost there is what lies below the committed offset. */
  readonly stuck?: readonly number[]
  /** Up to where messages count as lost: the end of the log (default), or the last one handled of each partition. */
  readonly upTo?: 'end' | 'handled'
  /** Milliseconds the members have for what is still unread. Default 30000. */
  readonly catchUpMs?: number
}

export interface Run<Kind extends Member = Member> extends AsyncDisposable {
  readonly topic: string
  readonly groupId: string
  readonly members: Kind[]
  readonly ledger: Ledger
  readonly workload: Workload
  /** When all had joined and the steady state began. */
  readonly steadyFrom: number
  /** The moves so far, each with the stretch in which its silence counts. */
  readonly moves: readonly Stretch[]
  /** Resolves when each partition has handled a message sent `stretchMs` from now; `except` these. */
  pass(stretchMs: number, except?: readonly number[]): Promise<void>
  /** Resolves when so many more messages were handled. */
  handled(count: number): Promise<void>
  /** Notes the instant, makes the change, and waits until every partition has handled a message sent `windowMs` (2000) later. */
  move(change: () => Promise<unknown>, options?: MoveOptions): Promise<Stretch>
  /** Adds a member; resolves when it is made, not yet started. */
  add(): Kind
  /** The longest silence of these partitions in a stretch. */
  silence(stretch: Stretch, partitions?: readonly number[]): number
  /** Ends the stream, lets the members catch up, stops them, and reads the log again. */
  finish(options?: FinishOptions): Promise<Outcome>
}

export interface MoveOptions {
  readonly windowMs?: number
  /** Partitions that are not waited for. */
  readonly except?: readonly number[]
  /** False: it resolves right after the change, for a run without a stream. Default true. */
  readonly passes?: boolean
}

/** Resolves when the members have joined, every partition is owned and the stream has been handled for a few seconds. */
export async function startRun<Kind extends Member = Member>(options: RunOptions<Kind>): Promise<Run<Kind>> {
  const { scenario, cluster, brokers, members: count = 3, client, handle, perSecond = 200, stream = true } = options
  const id = randomUUID().slice(0, 8)
  const [topic, groupId] = [`topic-${id}`, `group-${id}`]
  const configuration = { ...stampedOnAppend, ...options.topic?.configuration }
  await cluster.createTopic(topic, { ...options.topic, configuration })
  const kafka = cluster.kafka()
  const ledger = createLedger()
  const workload = await createWorkload(cluster, {
    ...{ topic, perSecond, partitions: options.topic?.partitions ?? 6 },
    ...options.workload,
  })
  const members: Kind[] = []
  const moves: Stretch[] = []
  const timer = watchTimer()

  const add = () => {
    const name = `${options.name ?? 'member'}-${members.length + 1}`
    const member = client({
      name,
      brokers,
      groupId,
      topic,
      handle: recorded(ledger, handle),
      beside: options.beside,
      options: options.options ?? {},
    })
    members.push(member)
    return member
  }

  const stop = async (member: Member) => {
    const from = performance.now()
    await within(20_000, `The stop of ${member.name}`, member.stop()).catch(() => {})
    return Math.round(performance.now() - from)
  }
  const close = async () => {
    timer.stop()
    await workload.close()
    return Math.max(0, ...(await Promise.all(members.map(stop))))
  }

  const generation = () => Math.max(...members.map((member) => member.generation()))
  const pass: Run['pass'] = async (stretchMs, except = []) => {
    const sentAfter = Date.now() + stretchMs
    const waiting = () =>
      workload.partitions.filter((one) => !except.includes(one) && ledger.newestSentAt(one) < sentAfter)
    await until(() => (waiting().length > 0 ? `new messages of partition ${waiting().join(', ')}` : undefined), {
      deadlineMs: stretchMs + 60_000,
    })
  }

  try {
    for (let made = 0; made < count; made += 1) add()
    await within(
      60_000 + 3000 * count,
      `The join of ${count} members`,
      Promise.all(members.map((member) => member.start())),
    )
    await until(() => unowned(members, workload.partitions))
    if (stream) {
      workload.start()
      await pass(1000)
    }
  } catch (error) {
    writeStory(scenario, members.flatMap((member) => member.story?.() ?? []).toSorted())
    await close()
    throw error
  }
  const watch = await watchGroup(cluster, groupId, topic)
  const firstGeneration = generation()
  const steadyFrom = Date.now()
  if (stream) await pass(2000)

  let finished = false
  const story = () =>
    [
      ...moves.map(({ from, to }) => `${from} a move until ${to}`),
      ...members.flatMap((member) => member.story?.() ?? []),
    ].toSorted()
  const silence: Run['silence'] = (stretch, partitions = workload.partitions) =>
    worstSilence(ledger, partitions, stretch).ms

  return {
    topic,
    groupId,
    members,
    ledger,
    workload,
    steadyFrom,
    moves,
    pass,
    add,
    silence,

    async handled(count) {
      const enough = ledger.handled + count
      const missing = () => (ledger.handled < enough ? `${enough - ledger.handled} messages` : undefined)
      await until(missing, { deadlineMs: 60_000 })
    },

    async move(change, { windowMs = 2000, except = [], passes = true } = {}) {
      const from = Date.now()
      const stretch = { from, to: Number.POSITIVE_INFINITY }
      moves.push(stretch)
      await change()
      stretch.to = Date.now() + windowMs
      if (passes) await pass(windowMs, except)
      return stretch
    },

    async finish({ partitions = workload.partitions, stuck = [], upTo = 'end', catchUpMs = 30_000 } = {}) {
      finished = true
      await workload.stop()
      const steadyTo = Date.now()
      const ends = await extents(kafka, topic)
      const awaited = upTo === 'end' ? [...ends].filter(([partition]) => !stuck.includes(partition)) : []
      const behind = () =>
        awaited
          .map(([partition, { low, high }]) => ({ partition, missing: unhandled(ledger, partition, low, high) }))
          .filter(({ missing }) => missing.length > 0)
      // what does not come is counted as lost below, with all the other figures
      await until(
        () =>
          behind().length > 0
            ? behind()
                .map((one) => `${one.missing.length} of ${one.partition}`)
                .join()
            : undefined,
        { deadlineMs: catchUpMs, everyMs: 200 },
      ).catch(() => {})
      const rebalances = generation() - firstGeneration
      const stopMs = await close()
      for (const member of members) member.assertReplay?.()
      const committed = await watch.stop()
      const log = await readLog(kafka, topic)
      const countedTo = (partition: number) => {
        if (stuck.includes(partition)) return committed.get(partition)
        return upTo === 'end' ? undefined : afterLastHandled(ledger, partition)
      }
      return {
        scenario,
        ...assess({
          ledger,
          log,
          moves,
          partitions,
          countedTo,
          commits: watch.commits,
          steady: { from: steadyFrom, to: steadyTo },
        }),
        rebalances,
        coordinatorChanges: watch.coordinatorChanges,
        timerLateMs: timer.worstMs,
        stopMs,
        story: [...story(), ...findings({ ledger, log, moves, partitions, countedTo })],
      }
    },

    async [Symbol.asyncDispose]() {
      if (!finished) writeStory(scenario, story())
      await close()
      await watch.stop().catch(() => {})
    },
  }
}

/** One change, noted as a move by all runs. */
export async function moveAll(
  runs: readonly Run[],
  change: () => Promise<unknown>,
  options?: MoveOptions,
): Promise<Stretch[]> {
  const changed = pause(0).then(change)
  return Promise.all(runs.map((each) => each.move(() => changed, options)))
}

function unowned(members: readonly Member[], partitions: readonly number[]): string | undefined {
  const owned = members.flatMap((member) => member.partitions())
  const missing = partitions.filter((partition) => !owned.includes(partition))
  if (missing.length > 0) return `an owner of partition ${missing.join(', ')}`
  return owned.length > partitions.length ? `a single owner of each partition (${owned.join()})` : undefined
}

const afterLastHandled = (ledger: Ledger, partition: number): number =>
  ledger
    .handOuts(partition)
    .reduce((after, { offset, endedAt }) => (endedAt === undefined ? after : Math.max(after, offset + 1)), 0)
