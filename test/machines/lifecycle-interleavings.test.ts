// Completions of ports, moves, losses and the stop in every order a scheduler can find: the lifecycle live and recorded, on ports that
// end by themselves. It cannot see what a real port leaves behind: see supervisor.test.ts.
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { Fact } from '../../machines/fact.ts'
import { lifecycleMachine, type PortInput } from '../../machines/lifecycle.ts'
import { live, type PortName } from './lifecycle-stage.ts'
import { failure } from './lifecycle-stories.ts'

/** How each port can end; the stop always ends in order. */
const endings: Readonly<Record<PortName, readonly ((told: PortInput) => Fact)[]>> = {
  open: [
    ({ epoch }) => ({ type: 'session.joined', epoch, memberId: 'me', generation: 1 }),
    ({ epoch }) => ({ type: 'session.failed', epoch, failure: failure('unreachable') }),
    ({ epoch }) => ({ type: 'session.failed', epoch, failure: failure('login-refused') }),
  ],
  drain: [({ epoch }) => ({ type: 'drain.completed', epoch, tookMs: 1, forced: false })],
  rebuild: [
    ({ epoch }) => ({ type: 'rebuild.proven', epoch, tookMs: 1, gapMs: 1 }),
    ({ epoch }) => ({ type: 'rebuild.unproven', epoch, failure: failure('unproven') }),
    ({ epoch }) => ({ type: 'session.failed', epoch, failure: failure('join-timed-out') }),
  ],
  backOff: [({ attempt }) => ({ type: 'backoff.elapsed', attempt })],
  shutDown: [() => ({ type: 'stop.completed', tookMs: 1, forced: false })],
}

/** What comes from elsewhere while ports work; a fact of the session speaks of the epoch that is newest when it comes. */
const disturbances: readonly ((epoch: number) => Fact)[] = [
  () => ({ type: 'cluster.moved', moves: [], reason: 'moved' }),
  () => ({ type: 'cluster.reached', clusterId: 'ours', brokers: {} }),
  (epoch) => ({ type: 'session.stalled', epoch, failure: failure('session-silent') }),
  (epoch) => ({ type: 'member.lost', epoch, memberId: 'me', failure: failure('member-lost') }),
  (epoch) => ({ type: 'subscription.changed', epoch, topics: ['orders', 'orders-2'] }),
  (epoch) => ({ type: 'session.failed', epoch, failure: failure('session-crashed') }),
  (epoch) => ({ type: 'session.joined', epoch: epoch - 1, memberId: 'me', generation: 1 }),
]

const seen = { runs: 0, states: new Set<string>(), late: 0 }

test('whatever order completions, moves, losses and the stop come in, what must hold holds and the stop ends it', async () => {
  const choices = fc.array(fc.nat(2), { minLength: 40, maxLength: 40 })
  const elsewhere = fc.array(fc.nat(disturbances.length - 1), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      choices,
      elsewhere,
      fc.boolean(),
      async (scheduler, chosen, disturbing, tellsLate) => {
        const broken: string[] = []
        const send = (fact: Fact) => {
          // A completion may come while a fact is being processed; the actor takes them one after the other.
          if (stage.snapshot().status !== 'active') return
          broken.push(...stage.send(fact).map((id) => `${id} after ${fact.type}`))
          seen.states.add(stage.snapshot().value)
        }
        const work = (port: PortName, told: PortInput) => {
          let isLeft = false
          const choice = chosen.pop() ?? 0
          const ending = endings[port][choice % endings[port].length] ?? endings[port][0]
          void scheduler.schedule(Promise.resolve(), `${port} ends`).then(() => {
            if (isLeft) seen.late += 1
            // A port whose state was left has nothing to say any more; one that is late all the same is of an older epoch.
            if (ending && (!isLeft || (tellsLate && told.epoch < stage.snapshot().context.epoch))) send(ending(told))
          })
          return () => {
            isLeft = true
          }
        }
        const stage = live(lifecycleMachine, 2, work)
        send({ type: 'start.requested' })
        for (const which of disturbing) {
          void scheduler.schedule(Promise.resolve(), 'disturbance').then(() => {
            const fact = disturbances[which]?.(stage.snapshot().context.epoch)
            if (fact) send(fact)
          })
        }
        void scheduler.schedule(Promise.resolve(), 'stop').then(() => send({ type: 'stop.requested' }))
        await scheduler.waitIdle()
        expect(broken).toEqual([])
        const ended = stage.snapshot()
        expect(['stopped', 'failed']).toContain(ended.value)
        expect(stage.end()).toEqual([])
        seen.runs += 1
      },
    ),
    { numRuns: 200 },
  )
  expect([...seen.states].toSorted()).toEqual(
    Object.keys(lifecycleMachine.states)
      .filter((state) => state !== 'idle')
      .toSorted(),
  )
  expect(seen.late).toBeGreaterThan(0)
}, 60_000)

afterAll(() => console.info(`interleavings: ${seen.runs} runs, ${seen.late} completions of ports that had been left`))
