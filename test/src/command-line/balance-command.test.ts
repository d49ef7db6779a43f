// `relisten balance` on played parts: its dry run, and what it reads of a journal.
import { expect, test } from 'vitest'
import { FailureError } from '../../../machines/failure.ts'
import type { BalancerParts } from '../../../src/balancer/balancer-options.ts'
import { balanceCommand } from '../../../src/command-line/balance-command.ts'
import { runCommand } from '../../../src/command-line/command.ts'
import { outputTo } from '../../../src/command-line/output.ts'
import { plan, playedParts } from '../../balancer/balancer-stage.ts'
import { stillPlan } from '../../balancer/decisions.ts'
import { newPath } from '../journal/journal-files.ts'

async function balance(args: readonly string[], parts: Partial<BalancerParts> = {}) {
  const [out, error]: [string[], string[]] = [[], []]
  let code = 0
  const partsFor = () => {
    const { played, given } = playedParts(parts)
    played.newestAt = Date.now()
    return given
  }
  const output = outputTo({ out: (line) => out.push(line), error: (line) => error.push(line) })
  const command = balanceCommand(output, (ended) => (code = ended), partsFor).exitOverride()
  await command.parseAsync([...args], { from: 'user' })
  return { code, out, error }
}

const brokers = ['--brokers', '127.0.0.1:9092']

/** A journal with a round in which a step was proposed, and one in which nothing was moved. */
async function lived(): Promise<string> {
  const path = newPath()
  await balance([...brokers, '--journal', path], { plan: () => plan })
  await balance([...brokers, '--journal', path])
  return path
}

test('a dry run prints what it would move, why, what that wins and costs', async () => {
  const { code, out, error } = await balance(brokers, { plan: () => plan })
  expect([code, error]).toEqual([0, []])
  expect(out[0]).toMatch(/^Round 1, .*: 1 step, 0 B to copy; imbalance 1\.0000 → 0\.0000$/)
  expect(out.slice(-3)).toEqual([
    '#  what                from  to  why           wins  costs',
    '1  leader of orders/1     1   2  networkOut  1.0000    0 B',
    'This is a dry run: no step was taken.',
  ])
})

test('a dry run that moves nothing says why', async () => {
  const { code, out } = await balance(brokers)
  expect([code, out]).toEqual([0, expect.arrayContaining(['Nothing is moved: every goal is met'])])
  expect(out.join()).not.toContain('dry run')
})

test('a decision is printed as JSON', async () => {
  const { out } = await balance([...brokers, '--json'], { plan: () => plan })
  expect(JSON.parse(out.join(''))).toMatchObject({ round: 1, steps: plan.steps })
})

test.each([
  ['no samples come', { load: { ...playedParts().given.load } }, 'no samples of the load came'],
  [
    'no load is trusted',
    { plan: () => stillPlan('untrusted') },
    'the load of too many partitions is not known well enough',
  ],
  [
    'the cluster is not read',
    { topology: () => Promise.reject(new FailureError({ kind: 'unreachable', message: 'nobody there' })) },
    'nobody there',
  ],
])('where %s there is no plan in time, and it says why', async (_, parts, why) => {
  const { code, out, error } = await balance([...brokers, '--within-ms', '50'], parts)
  expect([code, out, error]).toEqual([1, [], [`No plan could be made within 50 ms: ${why}.`]])
})

test('a source of loads that can not start ends it before its time', async () => {
  const load = {
    ...playedParts().given.load,
    start: () => Promise.reject(new FailureError({ kind: 'not-authorized', message: 'no ACL' })),
  }
  const { code, error } = await balance(brokers, { load })
  expect([code, error]).toEqual([1, ['No plan could be made within 2 min 0 s: no ACL.']])
})

test('history has a line for each round', async () => {
  const { code, out } = await balance(['history', '--journal', await lived()])
  expect(code).toBe(0)
  const cells = out.map((line) => line.trim().split(/ {2,}/))
  expect(cells).toEqual([
    ['round', 'time (UTC)', 'steps', 'imbalance', 'result'],
    ['1', expect.stringMatching(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$/), '1', '1.0000 → 0.0000', 'proposed'],
    ['2', expect.any(String), '0', '0.0000 → 0.0000', 'still: balanced'],
  ])
})

test('a round that failed or was not closed has its line too', async () => {
  const path = newPath()
  const topology = () => Promise.reject(new FailureError({ kind: 'unreachable', message: 'nobody there' }))
  await balance([...brokers, '--journal', path, '--within-ms', '50'], { topology })
  await balance([...brokers, '--journal', path, '--within-ms', '50'], { topology: () => new Promise<never>(() => {}) })
  const { out } = await balance(['history', '--journal', path])
  expect(out.map((line) => line.replace(/.* {2}/, ''))).toEqual(['result', 'failed: nobody there', 'not closed'])
})

test('explain prints the decision of a round, by default of the newest', async () => {
  const path = await lived()
  const first = await balance(['explain', '1', '--journal', path])
  expect(first.out[0]).toMatch(/^Round 1, /)
  expect(first.out.at(-1)).toBe(
    '  1. orders/1: leadership from broker 1 to 2 for networkOut; wins 1.0000, copies nothing',
  )
  const newest = await balance(['explain', '--journal', path])
  expect(newest.out[0]).toMatch(/^Round 2, /)
  const json = await balance(['explain', '1', '--journal', path, '--json'])
  expect(JSON.parse(json.out.join(''))).toMatchObject({ round: 1, bytes: 0 })
  const none = await balance(['explain', '3', '--journal', path])
  expect([none.code, none.error]).toEqual([1, ['There is no decision of round 3 in this journal.']])
})

test('why says of a partition why it was moved or stays', async () => {
  const path = await lived()
  expect((await balance(['why', 'orders/1', '--journal', path])).out).toEqual([
    'orders/1 stays in round 2, as nothing is to be gained by it: every goal is met',
  ])
})

test('a journal without a round says so', async () => {
  const path = newPath()
  await balance([...brokers, '--journal', path, '--within-ms', '20'], { load: { ...playedParts().given.load } })
  expect(await balance(['history', '--journal', path])).toMatchObject({
    ...{ code: 1, error: ['There is no round in this journal.'] },
  })
  expect(await balance(['why', 'orders/1', '--journal', path])).toMatchObject({
    ...{ code: 1, error: ['There is no decision in this journal.'] },
  })
})

test.each([
  [['explain'], /"balance explain" needs --journal/],
  [['plan'], /Expected one of explain, history, why after "balance", got "plan"/],
  [['explain', 'x', '--journal', '.'], /Expected the number of a round, got "x"/],
  [['why', '--journal', '.'], /Expected a partition as TOPIC\/NUMBER, got nothing/],
  [['why', 'orders', '--journal', '.'], /got "orders"/],
  [['history', '1', '--journal', '.'], /takes --journal only/],
  [['history', '--journal', '/nowhere'], /There is no journal at/],
  [[...brokers, '--within-ms', '0'], /Expected --within-ms/],
  [[...brokers, '--bytes-per-second', '2000000'], /--bytes-per-second and --take-back need --execute/],
  [[...brokers, '--take-back'], /--bytes-per-second and --take-back need --execute/],
  [[], /Expected addresses of brokers/],
])('wrong usage is refused: %j', async (args, message) => {
  await expect(balance(args)).rejects.toThrow(message)
})

test('the journal of a balancer is shown, verified and replayed as others are', async () => {
  const path = await lived()
  const relisten = async (...args: string[]) => {
    const out: string[] = []
    const code = await runCommand(args, { out: (line) => out.push(line), error: (line) => out.push(line) })
    return { code, out }
  }
  const shown = await relisten('journal', 'show', path)
  expect(shown.out.filter((line) => line.includes('Round 1 proposes 1 step'))).toHaveLength(1)
  expect(await relisten('journal', 'verify', path)).toMatchObject({
    ...{ code: 0, out: expect.arrayContaining([expect.stringMatching(/^replay +good, 2 starts, ends in stopped$/)]) },
  })
  const { out } = await relisten('journal', 'replay', path)
  expect(JSON.parse(out.join(''))).toMatchObject({
    ...{ actor: 'balancing', machine: { value: 'stopped', context: { round: 2 } } },
    status: { state: 'stopped', round: 2, rounds: { still: 1, proposed: 0 } },
  })
})
