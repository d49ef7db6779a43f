// Seeks at random instants, also on assignment, through moves.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import { setAfter } from '../harness/address-sets.ts'
import { form } from '../harness/form.ts'
import type { Handed } from '../harness/member.ts'
import { type RelistenMember, relistenMember } from '../harness/relisten-member.ts'
import { report } from '../harness/report.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { until } from '../harness/until.ts'

const SEEKS = form(50, 500)
const MOVES = form(4, 20)
/** In each of them every partition is sought once more. */
const ROUNDS = form(4, 20)

const cluster = sharedCluster({ bindFixed: true })

/** A seek, and where the hand-outs of its partition stood when it was called. */
interface Seek {
  readonly partition: number
  readonly offset: number
  readonly from: number
  readonly kind: 'running' | 'on assignment' | 'standing'
}

test('the message after a seek is the sought one, and commits follow, at any instant, on assignment, and through moves', async () => {
  await using front = await startFront(cluster())
  const seeks: Seek[] = []
  let seeksOnAssignment = false
  /** Partition → the offset from which on its handlers wait for `release`. */
  const waits = new Map<number, number>()
  let release = () => {}
  let released = Promise.resolve()
  const hold = () => {
    released = new Promise((resolve) => {
      release = resolve
    })
  }
  const seek = ({ consumer }: RelistenMember, partition: number, offset: number, kind: Seek['kind']) => {
    seeks.push({ partition, offset, from: run.ledger.handOuts(partition).length, kind })
    consumer.seek({ topic: run.topic, partition, offset: String(offset) })
  }
  const back = (partition: number) => {
    const newest = run.ledger.handOuts(partition).reduce((most, { offset }) => Math.max(most, offset), 0)
    return Math.max(0, newest - Math.floor(Math.random() * 100))
  }
  await using run = await startRun<RelistenMember>({
    scenario: `${SEEKS} seeks through ${MOVES} moves`,
    cluster: cluster(),
    client: (task) => {
      const member = relistenMember(task)
      // as with offsets from a database: they come a moment after the assignment
      member.consumer.on('partitions.assigned', async ({ data }) => {
        if (!seeksOnAssignment) return
        await pause(Math.random() * 5)
        for (const partition of data.partitions[task.topic] ?? [])
          seek(member, partition, back(partition), 'on assignment')
      })
      return member
    },
    brokers: () => front.endpoints(),
    options: { commitIntervalMs: 50 },
    handle: async ({ partition, offset }: Handed) => {
      if (offset >= (waits.get(partition) ?? Number.POSITIVE_INFINITY)) await released
    },
  })
  const owned = () => run.members.flatMap((member) => member.partitions().map((partition) => ({ member, partition })))

  for (let move = 0; move < MOVES; move += 1) {
    const many = Math.ceil(SEEKS / MOVES)
    const seeking = (async () => {
      for (let made = 0; made < many; made += 1) {
        const { member, partition } = owned()[Math.floor(Math.random() * owned().length)] ?? {}
        if (member && partition !== undefined) seek(member, partition, back(partition), 'running')
        await pause(Math.random() * 200)
      }
    })()
    await pause(Math.random() * 500)
    await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }), { windowMs: 500 })
    await seeking
  }
  // a fourth member joins: all get assignments
  seeksOnAssignment = true
  const joined = run.add()
  await run.move(() => joined.start(), { windowMs: 3000 })
  seeksOnAssignment = false
  await run.pass(500)

  // then each partition is sought back while commits are under way, and stands behind three messages: its commit goes back too
  const admin = cluster().kafka().admin()
  await admin.connect()
  const uncommitted: Seek[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = seeks.length
    hold()
    for (const { member, partition } of owned()) {
      const offset = Math.max(0, back(partition) - 20)
      waits.set(partition, offset + 3)
      seek(member, partition, offset, 'standing')
      await pause(Math.random() * 50)
    }
    const behind = async () => {
      const [found] = await admin.fetchOffsets({ groupId: run.groupId, topics: [run.topic] })
      const committed = new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
      return seeks.slice(first).filter(({ partition, offset }) => committed.get(partition) !== offset + 3)
    }
    await until(async () => ((await behind()).length > 0 ? 'commits of the seeks' : undefined), {
      deadlineMs: 5000,
      everyMs: 100,
    }).catch(() => {})
    uncommitted.push(...(await behind()))
    waits.clear()
    release()
    await run.pass(200)
  }
  await admin.disconnect()

  const missed = seeks.filter(({ partition, from, offset }, index) => {
    const next = run.ledger.handOuts(partition)[from]
    // one that another seek of the partition has overtaken was not due any more
    const overtaken = seeks.slice(index + 1).some((later) => later.partition === partition && later.from === from)
    return !overtaken && next?.offset !== offset
  })
  const most = 0
  const count = (kind: Seek['kind']) => missed.filter((one) => one.kind === kind).length
  const figures = [
    { name: `of ${seeks.length} seeks gave another message next: at random instants`, value: count('running'), most },
    { name: 'on assignment', value: count('on assignment'), most },
    { name: 'while commits were under way', value: count('standing'), most },
    { name: 'commits that did not follow a seek', value: uncommitted.length, most },
    { name: 'no seek on assignment', value: seeks.some(({ kind }) => kind === 'on assignment') ? 0 : 1, most },
  ]
  const outcome = await run.finish({ upTo: 'handled' })
  expect(report(outcome, { twice: 'none', seeks: true, rebalances: 1, figures, steadyMs: 3000 })).toEqual([])
})
