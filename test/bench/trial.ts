/**
 * A trial: one or more clients, each in a group and in processes of its own, read the same topic while the brokers go through
 * rounds of one change. It ends in a row for each client, judged against the log read again.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { extents, readLog, stampOnAppend } from '../real/harness/ground-truth.ts'
import { unhandled } from '../real/harness/ledger.ts'
import { writeStory } from '../real/harness/story.ts'
import { until } from '../real/harness/until.ts'
import { createWorkload } from '../real/harness/workload.ts'
import { type ChangeName, changes } from './change.ts'
import { type ClientName, clientKinds, type Side, startSide } from './client.ts'
import { type Boot, type Row, rowOf } from './row.ts'
import type { Stage } from './stage.ts'
import { type StageTimes, stageTimes } from './stage-times.ts'
import { type Timeline, timelineOf } from './timeline.ts'

export interface TrialOptions {
  readonly stage: Stage
  readonly change: ChangeName
  readonly boot: Boot
  readonly clients: readonly ClientName[]
  readonly rounds: number
  /** How long clients beside each other are watched after the change; a client alone is waited for after each round. */
  readonly watchMs: number
  readonly signal: AbortSignal
}

export interface TrialResult {
  readonly rows: readonly Row[]
  /** Where the time went, for a single relisten member behind a front. */
  readonly stageTimes: StageTimes | undefined
  /** Of the first move. */
  readonly timeline: Timeline
}

const WINDOW_MS = 2000
const STEADY_MS = 6000

export async function trial(options: TrialOptions): Promise<TrialResult> {
  const { stage, boot, clients, rounds, watchMs, signal } = options
  const change = changes[options.change]
  const { cluster } = stage
  const { afterMs = WINDOW_MS } = change
  const id = randomUUID().slice(0, 8)
  const topic = `bench-${id}`
  await cluster.createTopic(topic)
  await stampOnAppend(cluster.kafka(), topic)
  const workload = await createWorkload(cluster, { topic })
  const { partitions } = workload
  const alone = clients.length === 1
  // while they start some are not there yet
  const sides: Side[] = []
  const end = async () => {
    await workload.close()
    await Promise.all(sides.map((side) => side?.stop()))
  }
  try {
    const starts = clients.map(async (name, index) => {
      const moved = clientKinds[name].knows === 'a function' ? () => stage.now() : stage.now()
      const brokers = boot === 'stable' ? [...stage.stable] : moved
      const task = { brokers, topic, groupId: `${name}-${id}`, partitions, options: stage.options }
      sides[index] = await startSide(name, task)
    })
    const failed = (await Promise.allSettled(starts)).find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
    signal.throwIfAborted()

    const behind = (since: number) =>
      sides.flatMap(({ name, ledger }) => {
        const missing = partitions.filter((partition) => ledger.newestSentAt(partition) < since)
        return missing.length > 0 ? [`${name} partition ${missing.join(', ')}`] : []
      })
    /** Waits until all clients have messages sent `ms` from now, or the deadline passes; says whether they have. */
    const pass = (ms: number, deadlineMs: number) => {
      const since = Date.now() + ms
      const missing = () => {
        signal.throwIfAborted()
        return Date.now() < since ? 'time' : behind(since).join('; ') || undefined
      }
      return until(missing, { deadlineMs }).then(
        () => true,
        () => !signal.aborted && false,
      )
    }

    workload.start()
    if (!(await pass(2000, 30_000)))
      throw new Error(`No messages before the first move: ${behind(Date.now() - 3000).join('; ')}`)
    const leaders = await cluster.leaders(topic)
    stage.seen()
    const steadyFrom = Date.now()
    const generations = new Map(sides.map((side) => [side.name, side.generation()]))
    await pass(STEADY_MS, 30_000)

    const moves: { from: number; to: number }[] = []
    const answeredAt: number[] = []
    const first = sides[0] as Side
    const member = first.name.startsWith('relisten')
      ? { groupId: first.groupId, memberId: () => memberIdOf(first) }
      : undefined
    for (let made = 0; made < rounds; made += 1) {
      signal.throwIfAborted()
      const firstOfRound = moves.length
      const mark = () => {
        const now = Date.now()
        const before = moves.at(-1)
        if (before !== undefined && moves.length > firstOfRound && alone) {
          before.to = Math.min(now, before.from + (change.windowMs ?? Number.POSITIVE_INFINITY))
        }
        // clients beside each other are given one figure per round, as most of them never see its end
        if (alone || moves.length === firstOfRound) moves.push({ from: now, to: Number.POSITIVE_INFINITY })
      }
      const answered = (at: number) => void answeredAt.push(at)
      await change.round({ stage, topic, mark, answered, member, signal })
      const madeAt = Date.now()
      const last = moves.at(-1) as { from: number; to: number }
      const isBack = alone ? await pass(afterMs, 60_000) : await watch(() => behind(Date.now() - 1000), watchMs, signal)
      last.to = alone && isBack ? madeAt + afterMs : Date.now()
      if (!isBack) break
      await pass(500, 10_000)
    }

    signal.throwIfAborted()
    const streamTo = Date.now()
    await workload.stop()
    const ends = await extents(cluster.kafka(), topic)
    const unread = () =>
      sides.flatMap(({ name, ledger }) => {
        const current = partitions.every((one) => ledger.newestSentAt(one) > streamTo - WINDOW_MS)
        const missing = [...ends].some(([one, { low, high }]) => unhandled(ledger, one, low, high).length > 0)
        return current && missing ? [name] : []
      })
    await until(() => unread().join() || undefined, { deadlineMs: 10_000, everyMs: 200 }).catch(() => {})
    const rebalances = new Map(sides.map((side) => [side.name, side.generation() - (generations.get(side.name) ?? 0)]))
    await end()
    const log = await readLog(cluster.kafka(), topic)
    await cluster.deleteTopic(topic).catch(() => {})
    const rows = sides.map((side) =>
      rowOf({
        ...{ client: side.name, change: options.change, boot, secure: stage.name === 'tls', alone },
        ...{ watchMs: alone ? 0 : watchMs, rebalances: rebalances.get(side.name) ?? 0 },
        ...{ ledger: side.ledger, log, partitions, moves, answeredAt },
        whole: { from: steadyFrom, to: streamTo },
      }),
    )
    for (const [index, { lost, twiceByGroup, back }] of rows.entries()) {
      const side = sides[index] as Side
      const harmed = lost > 0 || twiceByGroup > 0 || !back
      if (harmed && side.name.startsWith('relisten')) tellStory(`${side.name} ${options.change} ${boot}`, side, moves)
    }
    const told = { change: options.change, boot, secure: stage.name === 'tls' }
    const [facts] = first.facts
    const isBroken = stage.front !== undefined && clients.join() === 'relisten-1' && facts !== undefined
    const seen = { seen: stage.seen(), moves, leaders, ledger: first.ledger, nodeIds: cluster.nodeIds }
    const timeline = timelineOf(sides, partitions, moves[0] as { from: number; to: number })
    return { rows, timeline, stageTimes: isBroken ? { ...told, ...stageTimes({ ...seen, facts }) } : undefined }
  } catch (error) {
    await end()
    throw error
  }
}

/** Resolves with true once nothing has been missing for three seconds, with false after `watchMs`. */
async function watch(missing: () => readonly string[], watchMs: number, signal: AbortSignal): Promise<boolean> {
  const until = Date.now() + watchMs
  let goodSince: number | undefined
  while (Date.now() < until) {
    await pause(100, undefined, { signal })
    if (missing().length > 0) goodSince = undefined
    else goodSince ??= Date.now()
    if (goodSince !== undefined && Date.now() - goodSince > 3000) return true
  }
  return missing().length === 0
}

/** What a member of relisten told, its moves and its repeated hand-outs, for somebody who has to find out why. */
function tellStory(name: string, { facts, ledger }: Side, moves: readonly { from: number }[]): void {
  const repeats = [0, 1, 2, 3, 4, 5].flatMap((partition) => {
    const seen = new Set<number>()
    return ledger.handOuts(partition).flatMap(({ member, offset, startedAt }) => {
      if (seen.has(offset)) return `${startedAt} ${member} is handed offset ${offset} of partition ${partition} again`
      seen.add(offset)
      return []
    })
  })
  const told = facts.flatMap((each, member) =>
    each.map(({ at, type, to, data }) => `${at} member ${member + 1} ${type} (${to}) ${JSON.stringify(data)}`),
  )
  writeStory(name, [...moves.map(({ from }) => `${from} a move`), ...repeats, ...told].toSorted())
}

function memberIdOf({ facts }: Side): string {
  const joined = facts[0]?.findLast(({ type }) => type === 'session.joined')
  return String((joined?.data as { memberId?: string } | undefined)?.memberId)
}
