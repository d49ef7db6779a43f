// Brokers that are far away, and brokers that are slow.
import { expect, test } from 'vitest'
import { Reader, request, text } from '../../cluster/broker-request.ts'
import { type Front, startFront } from '../../cluster/front.ts'
import type { Seen } from '../../cluster/front-address.ts'
import { form } from '../harness/form.ts'
import { relistenMember } from '../harness/relisten-member.ts'
import { type Figure, report } from '../harness/report.ts'
import { overDistance, ROUND_TRIPS_MS } from '../harness/round-trips.ts'
import { type Run, startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'

const SLOW_MS = form(12_000, 120_000)
const FETCH = 1

const cluster = sharedCluster({ bindFixed: true })

// all of them at a time: they mostly wait
form(test.concurrent, test)('with round trips of 50 to 500 ms a group joins, rests and follows moves', async () => {
  const distances = ROUND_TRIPS_MS.map((roundTripMs) =>
    overDistance({ cluster: cluster(), name: 'plain', roundTripMs, trips: 7 }),
  )
  expect((await Promise.all(distances)).flat()).toEqual([])
})

test.concurrent('a broker answers fetches after three seconds', async () => {
  await slowly('a broker answers fetches after 3 s', { feltMs: 2500 }, (front) => front.hold(FETCH, 3000, [1]))
})

test.concurrent('a broker sends no more than 100 kB/s', async () => {
  await slowly('a broker sends 100 kB/s', { workload: { bytes: 600 } }, async (front, run) => {
    front.distance({ bytesPerSecond: 100_000 }, [1])
    // what is connected already is not slow
    await front.move(2, { nodes: [1] })
    await run.workload.backlog(900)
  })
})

test.concurrent('a consumer quota throttles by ten seconds', async () => {
  const name = 'throttled'
  await slowly(
    'a quota throttles by 10 s',
    { name, perSecond: 12, members: 1, workload: { bytes: 1000 }, feltMs: 8000 },
    async (_, run) => {
      // a broker counts only where there is a limit, and gives no more at once than what it allows in its window of ten seconds
      await limitConsumers(`${name}-1`, 1_000_000_000)
      for (let batch = 0; batch < 10; batch += 1) await run.workload.backlog(60)
      await run.pass(0)
      // then what a broker gave in these ten seconds is twice what it may give: it waits for about ten
      await limitConsumers(`${name}-1`, 15_000)
    },
  )
})

interface Slow extends Partial<Pick<Parameters<typeof startRun>[0], 'workload' | 'name' | 'perSecond' | 'members'>> {
  /** It takes effect: a partition is silent for so long at least. */
  readonly feltMs?: number
}

/** A run that is slowed down for a while: everything is handled at that pace, in the same sessions. */
async function slowly(
  scenario: string,
  { feltMs = 0, ...options }: Slow,
  slow: (front: Front, run: Run) => Promise<void> | void,
): Promise<void> {
  const seen: Seen[] = []
  await using front = await startFront(cluster(), { tap: (one) => seen.push(one) })
  await using run = await startRun({
    ...{ scenario, cluster: cluster(), client: relistenMember, ...options },
    brokers: () => front.endpoints(),
  })
  let from = 0
  await run.move(async () => {
    await slow(front, run)
    // connections that a move brings about are made by then
    await run.pass(1500)
    from = Date.now()
    await run.pass(SLOW_MS)
  })
  const to = Date.now()
  const extra = cluster().nodeIds.map((nodeId): Figure => {
    const host = front.address(nodeId)
    const made = seen.filter((one) => one.kind === 'accepted' && one.host === host && one.at >= from && one.at <= to)
    return { name: `connections made to node ${nodeId}`, value: made.length, most: run.members.length }
  })
  const sessions = Math.max(...run.members.map(({ told }) => told.get('session.opened') ?? 0))
  const outcome = await run.finish({ catchUpMs: 60_000 })
  const figures = [
    ...extra,
    { name: 'sessions of a member', value: sessions, most: 1 },
    { name: 'ms of the slowness that were not felt', value: feltMs - Math.max(...outcome.silencesMs), most: 0 },
  ]
  expect(report(outcome, { rebalances: 0, steadyMs: Number.POSITIVE_INFINITY, figures })).toEqual([])
}

/** AlterClientQuotas v0: what a client id may fetch per second, from every broker, in bytes. */
async function limitConsumers(clientId: string, bytesPerSecond: number): Promise<void> {
  const [one, zero] = [Buffer.from([0, 0, 0, 1]), Buffer.from([0])]
  const rate = Buffer.alloc(8)
  rate.writeDoubleBE(bytesPerSecond)
  const entity = Buffer.concat([one, text('client-id'), text(clientId)])
  const operation = Buffer.concat([one, text('consumer_byte_rate'), rate, zero])
  const body = Buffer.concat([one, entity, operation, zero])
  const answer = new Reader(
    await request(cluster().internal[0] as string, { apiKey: 49, version: 0, body, deadlineMs: 10_000 }),
  )
  answer.int32() // throttle time
  const [refused] = answer.array(() => ({ error: answer.int16(), message: answer.text() }))
  if (refused === undefined || refused.error !== 0) throw new Error(`The quota is refused: ${JSON.stringify(refused)}`)
}
