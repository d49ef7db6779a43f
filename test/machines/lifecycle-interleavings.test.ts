// Completions of actors, moves, losses and the stop in every order a scheduler can find: the lifecycle live and recorded, on actors that
// end by themselves. It cannot see what a real actor leaves behind: see tasks.test.ts.
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { Fact } from '../../machines/fact.ts'
import { lifecycleMachine, type TaskInput } from '../../machines/lifecycle.ts'
import { inputOf, live } from './lifecycle-stage.ts'
import { failure } from './stories.ts'
import { leavesOf, pathOf, stateOf } from './structure.ts'

/** How each actor can end; the stop always ends in order. */
const endings: Readonly<Record<string, readonly ((told: TaskInput) => Fact)[]>> = {
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

/** What comes from elsewhere while actors work; a fact of the session speaks of the epoch that is newest when it comes. */
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
  // A move alone leads to a hand-over in place, and what ends sessions comes in between: most of what happens are moves.
  const elsewhere = fc.array(
    fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(disturbances.length - 1) }),
    { maxLength: 8 },
  )
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
          seen.states.add(stateOf(stage.snapshot()))
        }
        const work = (actor: string, input: unknown) => {
          const told = input as TaskInput
          let isLeft = false
          const choice = chosen.pop() ?? 0
          const possible = endings[actor] ?? []
          const ending = possible[choice % possible.length]
          void scheduler.schedule(Promise.resolve(), `${actor} ends`).then(() => {
            if (isLeft) seen.late += 1
            // An actor whose state was left has nothing to say any more; one that is late all the same is of an older epoch.
            if (ending && (!isLeft || (tellsLate && told.epoch < stage.snapshot().context.epoch))) send(ending(told))
          })
          return () => {
            isLeft = true
          }
        }
        const stage = live(lifecycleMachine, inputOf(2), work)
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
    { numRuns: 500 },
  )
  expect([...seen.states].toSorted()).toEqual(
    leavesOf(lifecycleMachine)
      .map(pathOf)
      .filter((state) => state !== 'idle')
      .toSorted(),
  )
  expect(seen.late).toBeGreaterThan(0)
}, 60_000)

afterAll(() => console.info(`interleavings: ${seen.runs} runs, ${seen.late} completions of actors that had been left`))
