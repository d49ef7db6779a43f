// `relisten balance --execute` on played parts: round after round, until nothing is left to move, something fails or somebody ends it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BalancerParts } from '../../../src/balancer/balancer-options.ts'
import type { ClusterPartsOptions } from '../../../src/balancer/cluster-parts.ts'
import { balanceCommand } from '../../../src/command-line/balance-command.ts'
import { outputTo } from '../../../src/command-line/output.ts'
import { plan, playedExecution, playedParts } from '../../balancer/balancer-stage.ts'
import { stillPlan } from '../../balancer/decisions.ts'

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => void vi.useRealTimers())

type Played = NonNullable<BalancerParts['execution']>

/** The command on a cluster with something to move until it was moved; time passes until it has ended. */
function executing(args: readonly string[] = [], parts: Partial<BalancerParts> = {}) {
  const [out, error, drawn]: [string[], string[], string[]] = [[], [], []]
  const interrupt = new AbortController()
  let code: number | undefined
  let given: ClusterPartsOptions | undefined
  let plans = 0
  const partsFor = (options: ClusterPartsOptions): BalancerParts => {
    given = options
    const { load } = playedParts().given
    return {
      ...playedParts().given,
      load: { ...load, newestAt: () => Date.now() },
      plan: () => (plans++ === 0 ? plan : stillPlan('balanced')),
      execution: playedExecution(),
      ...parts,
    }
  }
  const terminal = { out: (line: string) => out.push(line), error: (line: string) => error.push(line) }
  const draw = (text: string) => void drawn.push(text)
  const output = outputTo({ ...terminal, draw, interrupted: () => interrupt.signal })
  const command = balanceCommand(output, (ended) => (code = ended), partsFor).exitOverride()
  const run = command.parseAsync(['--brokers', '127.0.0.1:9092', '--execute', ...args], { from: 'user' })
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  const ended = async () => {
    for (let seconds = 0; seconds < 300 && code === undefined; seconds++) await pass(1000)
    await run
    return code
  }
  return { out, error, drawn, interrupt, run, pass, ended, given: () => given, plans: () => plans }
}

/** An execution whose one step ends so. */
const endingWith = (result: 'cancelled' | 'failed', reason: 'broker-lost' | undefined): Played => ({
  ...playedExecution(),
  carryOut: async (steps, { round, emit }) => {
    for (const { topic, partition, kind, from, to, bytes } of steps)
      emit({ type: 'step.ended', round, topic, partition, kind, from, to, result, bytes, reason: 'stalled' })
    return { moved: 0, failed: steps.length, ...(reason ? { reason } : {}) }
  },
})

test('a plan is printed before its steps, then how it ended; at rest the command ends with 0', async () => {
  const { out, error, drawn, ended, plans } = executing()
  expect([await ended(), error, plans()]).toEqual([0, [], 2])
  const table = out.indexOf('1  leader of orders/1     1   2  networkOut  1.0000    0 B')
  const end = out.indexOf('Round 1: 1 done, 0 failed, 0 B copied.')
  expect([out[0], table > 0, end > table]).toEqual([expect.stringMatching(/^Round 1, .*: 1 step, /), true, true])
  expect(out.slice(end + 1)).toEqual(
    expect.arrayContaining([expect.stringMatching(/^Round 2, /), 'Nothing is moved: every goal is met']),
  )
  expect(drawn[0]).toBe('Samples of the load are gathered …')
  expect(drawn).toContain('Samples from after the moves are gathered, for the next round …')
})

test.each([
  ['failed', undefined, 'Round 1: 0 done, 1 failed, 0 B copied.'],
  ['cancelled', 'broker-lost', 'Round 1: 0 done, 1 failed, 0 B copied; it ended early: broker-lost.'],
] as const)(
  'a step that is %s is said, and the command ends with 1 though it comes to rest',
  async (result, why, line) => {
    const { out, error, ended } = executing([], { execution: endingWith(result, why) })
    expect(await ended()).toBe(1)
    expect(error).toEqual([`orders/1 to broker 2: ${result}, stalled.`])
    expect(out).toContain(line)
    expect(out).toContain('Nothing is moved: every goal is met')
  },
)

test('how far a plan is, is drawn, with what was copied and the time left', async () => {
  let resolve = (_: { moved: number; failed: number }) => {}
  const execution: Played = {
    ...playedExecution(),
    carryOut: () => new Promise((done) => (resolve = done)),
    progress: () => ({
      ...{ waiting: 2, underWay: [{ topic: 'orders', partition: 1, to: 2 }], done: 3, failed: 1 },
      ...{ bytes: { copied: 2 ** 20, total: 2 ** 22 }, leftMs: 90_000 },
    }),
  }
  const { out, drawn, pass, ended } = executing([], { execution })
  await pass(1000)
  const line = 'Round 1: 3 of 7 steps done, 1 under way, 1.0 MiB of 4.0 MiB copied, about 1 min 30 s left'
  expect(drawn.at(-1)).toBe(line)
  resolve({ moved: 7, failed: 0 })
  expect(await ended()).toBe(0)
  expect(out).toContain('Round 1: 7 done, 0 failed, 1.0 MiB copied.')
})

test('a throttle that nobody has recorded is said', async () => {
  const execution: Played = {
    ...playedExecution(),
    takeUp: async (_, { emit }) => {
      emit({ type: 'throttle.found', on: 'broker', name: '1', config: 'leader.replication.throttled.rate', value: '7' })
      return { moved: 0, failed: 0, reason: 'restarted' }
    },
  }
  const { error, ended } = executing([], { execution })
  expect(await ended()).toBe(0)
  expect(error).toEqual(['leader.replication.throttled.rate of broker 1 is 7, and no record says who set it.'])
})

test('an interrupt in the middle of a plan waits until what is under way was ended', async () => {
  let end = () => {}
  const signals: AbortSignal[] = []
  const execution: Played = {
    ...playedExecution(),
    carryOut: (_, { signal }) => {
      signals.push(signal)
      return new Promise((resolve) => (end = () => resolve({ moved: 0, failed: 1, reason: 'stopped' })))
    },
  }
  const { out, interrupt, pass, ended, run } = executing([], { execution })
  await pass(1000)
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  interrupt.abort()
  let isOver = false
  void run.then(() => (isOver = true))
  await pass(30_000)
  expect([signals[0]?.aborted, isOver]).toEqual([true, false])
  end()
  expect(await ended()).toBe(1)
  expect(out.at(-1)).toBe('Round 1: 0 done, 1 failed, 0 B copied; it ended early: stopped.')
})

test('where no plan can be made in time, it ends with 1 and says why', async () => {
  const topology = () => Promise.reject(new Error('nobody there'))
  const { error, ended } = executing(['--within-ms', '5000'], { topology })
  expect(await ended()).toBe(1)
  expect(error).toEqual(['Nothing was brought to an end: nobody there.'])
})

test('a plan may take longer than the samples for it', async () => {
  const execution: Played = {
    ...playedExecution(),
    carryOut: () => new Promise((resolve) => setTimeout(() => resolve({ moved: 1, failed: 0 }), 60_000)),
  }
  const { out, ended } = executing(['--within-ms', '40000'], { execution })
  expect(await ended()).toBe(0)
  expect(out).toContain('Round 1: 1 done, 0 failed, 0 B copied.')
})

test('how fast moves may be, and whether throttles are taken back, is passed on', async () => {
  const { given, ended } = executing(['--bytes-per-second', '2000000', '--take-back'])
  expect(await ended()).toBe(0)
  expect(given()?.resolved.execution).toMatchObject({ bytesPerSecond: 2_000_000, takeBack: true })
  const usual = executing()
  expect(await usual.ended()).toBe(0)
  expect(usual.given()?.resolved.execution).toMatchObject({ bytesPerSecond: undefined, takeBack: false })
})

test.each([
  [['--json'], /--json is of a dry run: with --execute, give --journal/],
  [['--bytes-per-second', '1000'], /Expected `execution.bytesPerSecond` to be at least 1048576/],
  [['--bytes-per-second', 'fast'], /Expected `execution.bytesPerSecond`/],
])('wrong usage is refused: %j', async (args, message) => {
  await expect(executing(args).run).rejects.toThrow(message)
})
