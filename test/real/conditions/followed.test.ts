// Stock KafkaJS consumers on `follow` where brokers are far, and where they have two listeners.
import { expect, test } from 'vitest'
import { startFront } from '../../cluster/front.ts'
import { setAfter, setNow } from '../harness/address-sets.ts'
import { followedMember } from '../harness/followed-member.ts'
import { form } from '../harness/form.ts'
import { report } from '../harness/report.ts'
import { startRun } from '../harness/run.ts'
import { sharedCluster } from '../harness/shared-cluster.ts'

const cluster = sharedCluster({ bindFixed: true })
const options = { maxWaitTimeInMs: 250, fromBeginning: true }
const ROUND_TRIP_MS = 200
/** As for a consumer of relisten, and 250 ms more. */
const FAR_MS = 7 * ROUND_TRIP_MS + 300 + 250
/** Each batch of a stock consumer waits for its commit, and its one worker for all of them: it is this slow without a move. */
const steadyMs = Number.POSITIVE_INFINITY

test('over round trips of 200 ms a followed consumer goes on after all brokers have moved', async () => {
  await using front = await startFront(cluster())
  front.distance({ roundTripMs: ROUND_TRIP_MS, jitterMs: ROUND_TRIP_MS / 20 })
  await using run = await startRun({
    ...{ scenario: 'followed, round trips of 200 ms', cluster: cluster(), client: followedMember, members: 1 },
    ...{ brokers: () => front.endpoints(), options, perSecond: 30, name: 'followed-far' },
  })
  for (let move = 0; move < form(2, 10); move++) {
    await run.move(() => front.move(setAfter(front), { close: move % 2 === 0 ? 'fin' : 'rst' }), { windowMs: 5000 })
    await run.pass(500)
  }
  const outcome = await run.finish()
  expect(report(outcome, { rebalances: 0, steadyMs, worstMs: FAR_MS })).toEqual([])
  expect(run.members.flatMap(({ crashes }) => crashes)).toEqual([])
})

test('of two listeners the one in use ends, and a followed consumer goes on by the other', async () => {
  await using one = await startFront(cluster())
  await using other = await startFront(cluster())
  await using run = await startRun({
    ...{ scenario: 'followed, two listeners', cluster: cluster(), client: followedMember, members: 1 },
    ...{ brokers: () => [...one.endpoints(), ...other.endpoints()], options, name: 'followed-two' },
  })
  for (let round = 0; round < form(1, 5); round++) {
    const [ending, staying] = one.connections() > other.connections() ? [one, other] : [other, one]
    const [now, set] = [setNow(ending), setAfter(ending)]
    await run.move(() => ending.close(now, 'fin'))
    expect(staying.connections()).toBeGreaterThan(0)
    await ending.open(set)
    ending.advertise(set)
    await run.pass(1000)
  }
  const outcome = await run.finish()
  expect(report(outcome, { rebalances: 0, steadyMs, worstMs: 1250 })).toEqual([])
  expect(run.members.flatMap(({ crashes }) => crashes)).toEqual([])
})
