// Paths from a small abstract machine, end to end: the real service behind the front, every transition taken, and after each of them
// messages flow or rest as the abstract machine says. It cannot see the steps in between: see test/machines.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { stateName } from '../../machines/state-value.ts'
import { type Front, startFront } from '../cluster/front.ts'
import { replay } from '../machines/replay.ts'
import { evict } from './harness/eviction.ts'
import { type RelistenMember, relistenMember } from './harness/relisten-member.ts'
import { report } from './harness/report.ts'
import { type Run, startRun } from './harness/run.ts'
import { allSteps, type Deed, type Step, tour } from './harness/service-tour.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

const HOME = 1

const cluster = sharedCluster({ bindFixed: true })

test('the real service takes every transition of the abstract one, and messages flow or rest as it says', async () => {
  await using front = await startFront(cluster())
  await using run = await startRun({
    scenario: 'every transition of the abstract service',
    cluster: cluster(),
    client: relistenMember,
    members: 1,
    brokers: () => front.endpoints(),
  })
  const steps = tour()
  const taken: { readonly step: Step; readonly tookMs: number }[] = []
  await run.move(
    async () => {
      for (const step of steps) {
        const from = performance.now()
        await deedsOf(run, front)[step.deed]()
        await expectCondition(run, step)
        taken.push({ step, tookMs: Math.round(performance.now() - from) })
      }
    },
    { passes: false },
  )
  if (steps.at(-1)?.to.includes('stopped')) await deedsOf(run, front).start()
  if (steps.at(-1)?.to.includes('paused')) await deedsOf(run, front).resume()
  const outcome = await run.finish()
  console.info(
    [
      ...taken.map(({ step: { from, deed, to }, tookMs }) => `${from} --${deed}--> ${to}: ${tookMs} ms`),
      `${new Set(taken.map(({ step }) => step)).size} of ${allSteps.length} transitions taken in ${steps.length} steps`,
    ].join('\n'),
  )
  expect(allSteps.filter((step) => !taken.some((each) => each.step === step))).toEqual([])
  for (const { consumer } of run.members) {
    const told = replay(lifecycleMachine, consumer.journal.read())
    expect(stateName(told.value)).toBe(consumer.status().state)
  }
  expect(report(outcome, {})).toEqual([])
})

const newest = (run: Run<RelistenMember>): RelistenMember => {
  const member = run.members.at(-1)
  if (!member) throw new Error('The run has no member')
  return member
}

function deedsOf(run: Run<RelistenMember>, front: Front): Record<Deed, () => Promise<unknown>> {
  const { consumer } = newest(run)
  // Any set but the first is away; one that went silent is not used again before its turn comes.
  const next = () => front.move(2 + (front.moveCount % 7), { close: 'fin' })
  return {
    move: next,
    'black-hole': () => front.move(2 + (front.moveCount % 7), { close: 'silent' }),
    back: () => front.move(HOME, { close: 'rst' }),
    evict: async () => {
      const { memberId } = consumer.status()
      await evict(cluster(), run.groupId, memberId ?? '')
      await until(() => (consumer.status().memberId === memberId ? 'another member id' : undefined))
    },
    pause: async () => consumer.pause([{ topic: run.topic }]),
    resume: async () => consumer.resume([{ topic: run.topic }]),
    stop: () => newest(run).stop(),
    start: () => run.add().start(),
  }
}

/** Reading: each partition handles a message that is sent now. Paused or stopped: nothing is handed out any more. */
async function expectCondition(run: Run<RelistenMember>, { to }: Step): Promise<void> {
  const { consumer } = newest(run)
  const state = () => consumer.status().state
  if (to.includes('stopped')) expect(state()).toBe('stopped')
  else await until(() => (state() === 'consuming' ? undefined : `consuming instead of ${state()}`))
  if (!to.includes(',')) return run.pass(100)
  await pause(100)
  const { handled } = run.ledger
  await pause(400)
  expect(run.ledger.handled - handled).toBe(0)
}
