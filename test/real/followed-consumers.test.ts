// Stock KafkaJS consumers on `follow`, by message and by batch, while their brokers move in every way.
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type Front, startFront } from '../cluster/front.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { setAfter, setNow } from './harness/address-sets.ts'
import { type FollowedMember, followedBatchMember, followedMember } from './harness/followed-member.ts'
import { form } from './harness/form.ts'
import type { Outcome } from './harness/outcome.ts'
import { type Bounds, delays, report } from './harness/report.ts'
import { moveAll, type Run, startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import type { Stretch } from './harness/silence.ts'

/** A stock consumer has no fetch under way for as long as its handlers run, and KafkaJS's own fetches wait for each other. */
const STOCK_MS = 250
const MAX_WAIT_MS = 250

interface Scenario {
  readonly name: string
  readonly worstMs: number
  readonly move: (front: Front, nodeIds: readonly number[], coordinator: number) => Promise<unknown>
}

const scenarios: readonly Scenario[] = [
  { name: 'instant', worstMs: 1000, move: (front) => front.move(setAfter(front), { close: 'fin' }) },
  { name: 'instant, reset', worstMs: 1000, move: (front) => front.move(setAfter(front), { close: 'rst' }) },
  { name: 'black hole', worstMs: 1500, move: (front) => front.move(setAfter(front), { close: 'silent' }) },
  {
    name: 'overlap',
    worstMs: 500,
    move: async (front) => {
      const [from, to] = [setNow(front), setAfter(front)]
      await front.open(to)
      front.advertise(to)
      await pause(2000)
      await front.close(from, 'fin')
    },
  },
  {
    name: 'node by node',
    worstMs: 500,
    move: async (front, nodeIds) => {
      const set = setAfter(front)
      for (const nodeId of nodeIds) {
        await front.move(set, { nodes: [nodeId] })
        await pause(700)
      }
    },
  },
  {
    name: 'the coordinator only',
    worstMs: 500,
    move: (front, _nodeIds, coordinator) => front.move(setAfter(front), { nodes: [coordinator] }),
  },
]

const versions = form([{ version: '4.4.0' }] as const, [{ version: '4.4.0' }, { version: '3.9.1' }] as const)

describe.each(versions)('on Kafka $version', ({ version }) => {
  const cluster = sharedCluster({ version, bindFixed: true })

  test('brokers move in every way: nothing is lost, nobody joins again, nothing crashes', async () => {
    await using front = await startFront(cluster())
    const clients = { 'by message': followedMember, 'by batch': followedBatchMember }
    await using runs = await startRuns(cluster(), front, `followed, every move (${version})`, clients)
    const rounds = form(1, 4)
    const silences: { readonly scenario: Scenario; readonly ms: readonly number[] }[] = []
    for (const scenario of scenarios) {
      for (let round = 0; round < rounds; round++) {
        const coordinator = await cluster().coordinatorOf(runs.all[0]?.groupId ?? '')
        const change = () => scenario.move(front, cluster().nodeIds, coordinator)
        const stretches = await moveAll(runs.all, change, { windowMs: 1000 })
        silences.push({ scenario, ms: runs.all.map((run, index) => run.silence(stretches[index] as Stretch)) })
      }
    }
    const boundsOf = (outcome: Outcome, index: number): Bounds => ({
      // without a move a stock consumer is KafkaJS's own
      ...{ rebalances: 0, steadyMs: Number.POSITIVE_INFINITY },
      figures: silences.map(({ scenario: { name, worstMs }, ms }) => {
        // as `worstMs` has it: a machine that was busy in this very run gets its own delays on top
        const most = worstMs + STOCK_MS + delays(outcome).busyMs
        return { name: `ms of silence, ${name}`, value: ms[index] ?? 0, most }
      }),
    })
    expect(await runs.finish(boundsOf)).toEqual([])
  })
})

/** Runs of one member each, side by side. */
async function startRuns(
  cluster: KafkaCluster,
  front: Front,
  scenario: string,
  clients: Readonly<Record<string, typeof followedMember>>,
) {
  const all: Run<FollowedMember>[] = []
  const close = async () => void (await Promise.all(all.map((run) => run[Symbol.asyncDispose]())))
  try {
    for (const [name, client] of Object.entries(clients)) {
      all.push(
        await startRun({
          ...{ scenario: `${scenario}, ${name}`, cluster, client, members: 1, brokers: () => front.endpoints() },
          options: { maxWaitTimeInMs: MAX_WAIT_MS, fromBeginning: true },
          name: name.replace(' ', '-'),
        }),
      )
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    all,
    /** A sentence for each bound that one of them breaks, and for each crash. */
    async finish(boundsOf: (outcome: Outcome, index: number) => Bounds): Promise<string[]> {
      const outcomes = await Promise.all(all.map((run) => run.finish()))
      const crashes = all.flatMap(({ members }) => members.flatMap((member) => member.crashes.map(String)))
      return [...outcomes.flatMap((outcome, index) => report(outcome, boundsOf(outcome, index))), ...crashes]
    },
    [Symbol.asyncDispose]: close,
  }
}
