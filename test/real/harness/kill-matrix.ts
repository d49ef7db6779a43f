/**
 * A kill matrix: one service that is killed at one recorded step after the other. Its list of brokers is soon obsolete, and while it
 * is down all brokers but one move on: it has to go on by its journal.
 */
import type { Admin } from 'kafkajs'
import type { Front } from '../../cluster/front.ts'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { evict } from './eviction.ts'
import { extents, readLog } from './ground-truth.ts'
import { type KillRow, type MatrixStep, nameOf, printKills } from './kill-table.ts'
import { audit, unhandled } from './ledger.ts'
import type { Life } from './life.ts'
import { relocation } from './relocation.ts'
import { startService } from './service.ts'
import { isOfConsumer, toldLives } from './told-lives.ts'
import { until } from './until.ts'

/** What an operator finds and may change while the service is down. Offsets by partition. */
export interface DownTime {
  readonly admin: Admin
  readonly topic: string
  readonly groupId: string
  readonly members: readonly string[]
  readonly committed: ReadonlyMap<number, number>
}

/** Returns where the next life has to begin, by partition. */
export type WhileDown = (down: DownTime) => Promise<ReadonlyMap<number, number>>

export interface KillMatrix extends AsyncDisposable {
  /** Brings the service to the step, where it dies, and up again. Returns a sentence for each thing that was not as promised. */
  step(step: MatrixStep, whileDown?: WhileDown): Promise<string[]>
  /** Lets the last life catch up, stops it, and reads the log again. Prints the table. Returns sentences like `step`. */
  finish(): Promise<string[]>
}

const OFFSET_COMMIT = 8
const HEARTBEAT = 12
const BACK_WITHIN_MS = 2000
const REACHED_WITHIN_MS = 15_000

export async function startKillMatrix(cluster: KafkaCluster, front: Front): Promise<KillMatrix> {
  const service = await startService(cluster, front.endpoints())
  const { topic, groupId, journal, kafka, admin, ledger, workload } = service
  const relocate = relocation(front, cluster.nodeIds)
  const rows: KillRow[] = []
  /** Offsets that an operator told the group to leave out, from and to (exclusive). */
  const skipped = new Map<number, readonly [from: number, to: number]>()

  const handledEnd = (partition: number) =>
    ledger.handOuts(partition).reduce((end, { offset }) => Math.max(end, offset + 1), 0)
  const oneOf = (nodeIds: readonly number[]) => nodeIds[rows.length % Math.max(1, nodeIds.length)]

  /** Begins what leads to the step; the life that will not survive it. */
  const drive = async (step: MatrixStep): Promise<Life> => {
    if (step.during === 'start') {
      await service.current?.kill()
      // the very first life finds its list in order
      if (service.current) await relocate.allBut(oneOf(cluster.nodeIds))
      return service.doomed(step)
    }
    const life = service.current ?? (await service.resume())
    const learned = movedFrom(life)
    life.arm(step)
    if (step.during === 'stop') void life.stop()
    if (step.during === 'unproven move') front.drop([OFFSET_COMMIT, HEARTBEAT])
    if (step.during === 'move' || step.during === 'unproven move') await relocate.besides(learned)
    if (step.during === 'replacement') {
      const [memberId = ''] = await service.members()
      await relocate.allBut(oneOf(cluster.nodeIds))
      await learned()
      await evict(cluster, groupId, memberId)
    }
    return life
  }

  return {
    async step(step, whileDown) {
      const violations: string[] = []
      const promise = (holds: boolean, otherwise: string) => {
        if (!holds) violations.push(`${nameOf(step)}: ${otherwise}`)
      }
      const kept = async (work: Promise<unknown>) => work.catch((error: unknown) => promise(false, `${error}`))

      const victim = await drive(step)
      await kept(victim.killed(REACHED_WITHIN_MS))
      await victim.kill()
      front.drop([])
      const before = toldLives(journal)
      violations.push(...before.violations)
      promise(
        before.lives.length === service.lifeCount,
        `${before.lives.length} of ${service.lifeCount} lives are told`,
      )
      const told = before.lives.at(-1)?.map(({ type }) => type) ?? []
      promise(told.at(-1) === step.type, `the step was not reached; recorded is ${told.join(', ')}`)

      const committed = await service.committed()
      const ends = new Map(workload.partitions.map((partition) => [partition, handledEnd(partition)]))
      for (const [partition, end] of ends) {
        const at = committed.get(partition) ?? 0
        promise(at <= end, `${partition} is committed up to ${at}, handled up to ${end}`)
      }
      const wanted = await whileDown?.({ admin, topic, groupId, members: await service.members(), committed })
      for (const [partition, offset] of wanted ?? []) skipped.set(partition, [ends.get(partition) ?? 0, offset])
      const left = await service.members()
      // one stays where the journal knows it; the addresses of the others are closed, like those of the list
      const stay = oneOf(cluster.nodeIds.filter((nodeId) => before.brokers.get(nodeId) === front.endpoint(nodeId)))
      promise(stay !== undefined, 'the journal knows no address that is still right')
      await relocate.allBut(stay)

      await kept(service.resume())
      const survivor = service.current as Life
      const firsts = [...survivor.firsts]
      const times = firsts.map(([, { at }]) => at - survivor.startedAt)
      const [backMs, allBackMs] = [Math.min(...times), Math.max(...times)]
      const story = survivor.told.map(({ at, type }) => `${type} ${at - survivor.startedAt}`).join(', ')
      promise(backMs <= BACK_WITHIN_MS, `the first message came ${backMs} ms after the start: ${story}`)
      for (const [partition, { offset }] of firsts) {
        const [floor, exactly] = [committed.get(partition) ?? 0, wanted?.get(partition)]
        const fits = exactly === undefined ? offset >= floor : offset === exactly
        promise(fits, `${partition} is read from ${offset}; committed is ${floor}, the operator said ${exactly}`)
      }
      await kept(until(() => unsettled(survivor, cluster, before.brokers, front), { deadlineMs: 10_000 }))
      for (const memberId of left) promise(hasEvicted(survivor, memberId), `${memberId} is not told as evicted`)
      // so that the next kill finds something committed in this life
      const uncommitted = async () => (total(await service.committed()) > total(committed) ? undefined : 'a commit')
      await kept(until(uncommitted, { everyMs: 100 }))
      rows.push({
        step,
        backMs,
        allBackMs,
        uncommitted: total(ends) - total(committed),
        again: firsts.reduce((sum, [one, { offset }]) => sum + Math.max(0, (ends.get(one) ?? 0) - offset), 0),
        left: left.length,
        violations,
      })
      return violations
    },

    async finish() {
      const violations: string[] = []
      const none = (count: number, what: string) => {
        if (count > 0) violations.push(`${count} ${what}`)
      }
      await workload.stop()
      const ends = await extents(kafka, topic)
      const missing = () =>
        [...ends].flatMap(([partition, { low, high }]) => {
          const [from, to] = skipped.get(partition) ?? [0, 0]
          return unhandled(ledger, partition, low, high).filter((offset) => offset < from || offset >= to)
        }).length
      // what does not come is counted as lost
      await until(() => (missing() > 0 ? `${missing()} messages` : undefined)).catch(() => {})
      await service.current?.stop()
      const { foreign, twiceByProcess, disorder } = audit(ledger, await readLog(kafka, topic))
      none(missing(), 'messages are lost')
      none(foreign, 'messages are not those of the log')
      none(twiceByProcess, 'messages were handled twice by one life')
      none(disorder, 'messages were handled out of order')
      none(ledger.twice - rows.reduce((sum, { again }) => sum + again, 0), 'messages too many were handled again')
      const committed = await service.committed()
      for (const [partition, { high }] of ends)
        none(high - (committed.get(partition) ?? 0), `of ${partition} not committed`)
      none((await service.members()).length, 'members are in the group after the stop')
      const told = toldLives(journal)
      violations.push(...told.violations)
      none(service.lifeCount - told.lives.length, 'lives are not told')
      printKills(rows)
      console.log(`${told.lives.length} lives on one journal, ${ledger.handled} messages handled, ${missing()} lost`)
      return violations
    },

    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  }
}

const total = (offsets: ReadonlyMap<number, number>) => [...offsets.values()].reduce((sum, offset) => sum + offset, 0)

const hasEvicted = (life: Life, memberId: string) =>
  life.told.some(({ type, data }) => type === 'member.evicted' && data.memberId === memberId)

/** What waits until the life has told of a move later than now, or is dead. */
function movedFrom(life: Life): () => Promise<void> {
  const already = life.told.length
  const told = () => life.told.slice(already).some(({ type }) => type === 'cluster.moved')
  return () => until(() => (told() || !life.alive ? undefined : 'the fact cluster.moved'))
}

/** What is still missing until a life has told of all that moved while the service was down, and consumes. */
function unsettled(
  life: Life,
  { nodeIds }: KafkaCluster,
  before: ReadonlyMap<number, string>,
  front: Front,
): string | undefined {
  const moves = life.told.flatMap(({ type, data }) => (type === 'cluster.moved' ? data.moves : []))
  const told = new Map([...before, ...moves.map(({ nodeId, to }) => [nodeId, to] as const)])
  const missing = nodeIds.filter((nodeId) => told.get(nodeId) !== front.endpoint(nodeId))
  if (missing.length > 0) return `the move of node ${missing.join(', ')}`
  return life.told.findLast(isOfConsumer)?.to === 'consuming' ? undefined : 'the state consuming'
}
