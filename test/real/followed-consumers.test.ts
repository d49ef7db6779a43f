// Stock KafkaJS consumers on `follow`, while their brokers move.
import { expect, test } from 'vitest'
import { startFront } from '../cluster/front.ts'
import { setAfter } from './harness/address-sets.ts'
import { MESSAGE_SPACING_MS, report } from './harness/report.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { followedMember } from './harness/stock-member.ts'

const cluster = sharedCluster({ bindFixed: true })

test('all brokers move in an instant, five times', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'followed, instant',
    cluster: cluster(),
    client: followedMember,
    members: 1,
    brokers: () => front.endpoints(),
    options: { maxWaitTimeInMs: 250, fromBeginning: true },
  })
  for (let move = 0; move < 5; move++)
    await run.move(() => front.move(setAfter(front), { close: move % 2 ? 'fin' : 'rst' }))
  const outcome = await run.finish()
  expect(report(outcome, { rebalances: 0, worstMs: 750, aboveSteadyMs: 250 + MESSAGE_SPACING_MS })).toEqual([])
})
