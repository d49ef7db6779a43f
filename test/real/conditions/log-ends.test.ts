// Logs that end or begin elsewhere than a member thinks: records are deleted, a log is cut, an operator sets offsets.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { askMetadata } from '../../cluster/broker-view.ts'
import { startFront } from '../../cluster/front.ts'
import { form } from '../harness/form.ts'
import { extents } from '../harness/ground-truth.ts'
import { untilLed } from '../harness/leaders.ts'
import { unhandled } from '../harness/ledger.ts'
import { type RelistenMember, relistenMember } from '../harness/relisten-member.ts'
import { type Figure, report } from '../harness/report.ts'
import { type Run, startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'
import { until } from '../harness/until.ts'

const cluster = sharedCluster({ bindFixed: true })

/** What `offsets.lost` says: `from` and above are gone unhandled, `to` and above are not; reading goes on at `next`. */
interface Gone {
  readonly from: number
  readonly to: number
  readonly next: number
}

test.concurrent('records are deleted below the position of a partition under a backlog', async () => {
  await using front = await startFront(cluster())
  const gate = createGate()
  await using run = await startRun({
    scenario: 'records deleted below the position',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    handle: ({ partition }) => (partition === 0 ? gate.passed() : undefined),
  })
  for (let round = 0; round < form(2, 10); round += 1) {
    gate.close()
    // the queue is full after a few batches, and the log grows on
    await run.pass(3000, [0])
    const { high = 0 } = (await extents(cluster().kafka(), run.topic)).get(0) ?? {}
    await cluster().deleteRecords(run.topic, 0, high - 5)
    gate.open()
    await run.pass(500)
  }
  const low = (await extents(cluster().kafka(), run.topic)).get(0)?.low ?? 0
  const outcome = await run.finish()
  const figures = [different('told as lost', gone(run, 0), rangesOf(unhandled(run.ledger, 0, 0, low)))]
  expect(report(outcome, { rebalances: 0, steadyMs: 10_000, figures })).toEqual([])
})

test.concurrent('an operator resets offsets while the group is empty', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'offsets reset while the group is empty',
    cluster: cluster(),
    client: relistenMember,
    brokers: () => front.endpoints(),
    stream: false,
  })
  await run.workload.backlog(600)
  await until(async () => ((await left(run)) > 0 ? `${await left(run)} messages` : undefined))
  await Promise.all(run.members.map((member) => member.stop()))
  // back and still there; back and gone; where it was
  await cluster().deleteRecords(run.topic, 1, 50)
  const admin = cluster().kafka().admin()
  await admin.connect()
  const partitions = [
    { partition: 0, offset: '40' },
    { partition: 1, offset: '20' },
  ]
  await admin.setOffsets({ groupId: run.groupId, topic: run.topic, partitions })
  await admin.disconnect()
  const [again, beyond] = [run.ledger.handOuts(0).length, run.ledger.handOuts(1).length]
  const others = [2, 3, 4, 5].map((partition) => run.ledger.handOuts(partition).length)
  const resumed = [run.add(), run.add(), run.add()]
  await Promise.all(resumed.map((member) => member.start()))
  const offsets = (partition: number, from: number) =>
    run.ledger
      .handOuts(partition)
      .slice(from)
      .map(({ offset }) => offset)
  const due = {
    0: Array.from({ length: 60 }, (_, index) => 40 + index),
    1: Array.from({ length: 50 }, (_, i) => 50 + i),
  }
  await until(() => (offsets(0, again).length < 60 || offsets(1, beyond).length < 50 ? 'what is due' : undefined), {
    deadlineMs: 10_000,
  }).catch(() => {})
  const figures = [
    different('handled again of what was set back', offsets(0, again), due[0]),
    different('handled again of what is left', offsets(1, beyond), due[1]),
    different('told as lost', gone(run, 1), [{ from: 20, to: 50, next: 50 }]),
    different(
      'told as lost of others',
      [0, 2, 3, 4, 5].flatMap((partition) => gone(run, partition)),
      [],
    ),
    different(
      'handled again of others',
      [2, 3, 4, 5].map((partition) => run.ledger.handOuts(partition).length),
      others,
    ),
  ]
  const outcome = await run.finish({ upTo: 'handled' })
  expect(
    report(outcome, { twice: 'none', seeks: true, rebalances: undefined, steadyMs: Number.POSITIVE_INFINITY, figures }),
  ).toEqual([])
})

test('an unclean leader cuts the log under a backlog', async () => {
  await using front = await startFront(cluster())
  const gate = createGate()
  await using run = await startRun({
    scenario: 'an unclean leader cuts the log',
    cluster: cluster(),
    client: relistenMember,
    members: 1,
    brokers: () => front.endpoints(),
    topic: {
      ...{ partitions: 1, replication: 2 },
      configuration: { 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'true' },
    },
    perSecond: 100,
    handle: () => gate.passed(),
  })
  const { nodeIds, internal, stopBroker, startBroker } = cluster()
  const replicas = async () => {
    const answers = internal.map((endpoint) => askMetadata(endpoint, 500).catch(() => undefined))
    return (await Promise.all(answers))
      .find((view) => view !== undefined)
      ?.topics.get(run.topic)
      ?.get(0)
  }
  const first = (await replicas())?.leader ?? 0
  const second = (await replicas())?.replicas.find((nodeId) => nodeId !== first) ?? 0
  // what comes from here on is on the first only
  await stopBroker(second)
  await until(async () => ((await replicas())?.inSync.length === 1 ? undefined : 'a leader alone'))
  await run.pass(1500)
  gate.close()
  await pause(form(2000, 10_000))
  await run.workload.stop()
  await pause(500)
  let heldAt = 0
  await run.move(async () => {
    await stopBroker(first, 'SIGKILL')
    await startBroker(second)
    await until(async () => ((await replicas())?.leader === second ? undefined : 'the other leader'), {
      deadlineMs: 60_000,
    })
    run.workload.start()
    await pause(1000)
    heldAt = run.ledger.handOuts(0).length
    gate.open()
    await startBroker(first)
    await untilLed(cluster(), [run.topic])
    await cluster().waitReady()
  })
  const outcome = await run.finish()
  const log = outcome.log.get(0)
  const handled = new Set(
    run.ledger.handOuts(0).flatMap(({ sequence, endedAt }) => (endedAt === undefined ? [] : sequence)),
  )
  const ranges = gone(run, 0)
  const before = run.ledger.handOuts(0).filter(({ offset, sequence }) => log?.sequences[offset] !== sequence)
  // the other one had stopped reading some time before it was out of the in-sync replicas: the log says where
  const cut = Math.min(...before.map(({ offset }) => offset))
  const inRange = before.filter(({ offset }) => ranges.some(({ from, to }) => offset >= from && offset < to))
  const figures: Figure[] = [
    {
      name: 'messages of the log that were not handled',
      value: (log?.sequences ?? []).filter((one) => !handled.has(one)).length,
      most: 0,
    },
    { name: 'too few ranges told as lost', value: 1 - ranges.length, most: 0 },
    { name: 'handed out though told as lost', value: inRange.length, most: 0 },
    { name: 'ranges that begin before the cut', value: ranges.filter(({ from }) => from < cut).length, most: 0 },
    {
      name: 'ranges after which reading goes on elsewhere',
      value: ranges.filter(({ next }) => next !== cut).length,
      most: 0,
    },
  ]
  expect(heldAt).toBeGreaterThan(0)
  expect(nodeIds).toContain(first)
  // what the old leader had is not in the log any more: the figures above say what has to hold
  const rest = { ...outcome, foreign: 0, lost: 0, twiceByGroup: 0, twiceByProcess: 0, disorder: 0 }
  expect(
    report(rest, { seeks: true, twice: 'none', rebalances: undefined, steadyMs: Number.POSITIVE_INFINITY, figures }),
  ).toEqual([])
})

/** Messages of the log that nobody has handled. */
async function left(run: Run): Promise<number> {
  const ends = await extents(cluster().kafka(), run.topic)
  return [...ends].reduce((sum, [one, { low, high }]) => sum + unhandled(run.ledger, one, low, high).length, 0)
}

/** What the members told as lost of a partition, in order. */
function gone(run: Run<RelistenMember>, partition: number): Gone[] {
  const told = run.members.flatMap(({ facts }) => facts.filter(({ type }) => type === 'offsets.lost'))
  return told
    .map(({ data }) => data as unknown as { partition: number; from: string; to: string; next?: string })
    .filter((one) => one.partition === partition)
    .map(({ from, to, next = '-1' }) => ({ from: Number(from), to: Number(to), next: Number(next) }))
}

/** Sorted offsets as what `offsets.lost` should say of them, where reading goes on behind each stretch. */
function rangesOf(offsets: readonly number[]): Gone[] {
  const starts = offsets.filter((offset) => !offsets.includes(offset - 1))
  const ends = offsets.filter((offset) => !offsets.includes(offset + 1)).map((offset) => offset + 1)
  return starts.map((from, index) => ({ from, to: ends[index] ?? from, next: ends[index] ?? from }))
}

/** 1 and both texts when they differ. */
function different(name: string, got: unknown, wanted: unknown): Figure {
  const [one, other] = [JSON.stringify(got), JSON.stringify(wanted)]
  if (one === other) return { name: `differences in what is ${name}`, value: 0, most: 0 }
  return {
    name: `difference in what is ${name} (${one.slice(0, 300)}, expected ${other.slice(0, 300)})`,
    value: 1,
    most: 0,
  }
}

/** A handler that waits while it is closed. */
function createGate() {
  let passage = Promise.resolve()
  let open = () => {}
  return {
    passed: () => passage,
    close() {
      passage = new Promise((resolve) => {
        open = resolve
      })
    },
    open: () => open(),
  }
}
