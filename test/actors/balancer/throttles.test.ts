// Throttles of replication on a cluster in memory: what is set, and that what was there is there again.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Throttles } from '../../../actors/balancer/throttles.ts'
import type { ThrottleRate } from '../../../machines/balancer/headroom.ts'
import {
  type HeldThrottle,
  nothingUnfinished,
  reduceUnfinished,
  throttleKey,
} from '../../../machines/balancer/unfinished.ts'
import type { Fact } from '../../../machines/fact.ts'
import { stepTo } from '../../balancer/execution-stage.ts'
import { controlsThrough, FakeControls } from '../../balancer/fake-controls.ts'

const leaderRate = 'leader.replication.throttled.rate'
const followerRate = 'follower.replication.throttled.rate'
const leaderList = 'leader.replication.throttled.replicas'
const followerList = 'follower.replication.throttled.replicas'

const moves = [stepTo('orders', 0, 'replica', 2, 3, [1, 3], 100)]
const at =
  (bytes: number): ThrottleRate =>
  () =>
    bytes

function staged(values: Readonly<Record<string, string>> = {}, held: ReadonlyMap<string, HeldThrottle> = new Map()) {
  const fake = new FakeControls()
  for (const partition of [0, 1]) fake.put('orders', partition, [1, 2])
  fake.put('bills', 0, [1, 2])
  for (const [key, value] of Object.entries(values)) fake.values.set(key, value)
  const facts: Fact[] = []
  const emit = (fact: Fact) => void facts.push(fact)
  const throttles = new Throttles({ controls: fake, emit, held })
  const set = async (rate = at(2e6)) => throttles.set(moves, await fake.topology(), rate)
  const follow = async (rate: ThrottleRate) => throttles.setRates(moves, await fake.topology(), rate)
  const sweep = async (takeBack = false) => throttles.sweep(await fake.topology(), takeBack)
  const said = (type: Fact['type']) =>
    facts.flatMap((fact) => {
      if (fact.type !== type || !('config' in fact)) return []
      return [`${fact.on} ${fact.name} ${fact.config}${'reason' in fact ? ` ${fact.reason}` : ''}`]
    })
  const own = () => Object.fromEntries(fake.values)
  return { fake, facts, throttles, set, follow, sweep, said, own }
}

const ours = {
  [`topic orders ${leaderList}`]: '0:1,0:2',
  [`topic orders ${followerList}`]: '0:3',
  [`broker 1 ${leaderRate}`]: '2000000',
  [`broker 2 ${leaderRate}`]: '2000000',
  [`broker 3 ${followerRate}`]: '2000000',
}

test('replicas of before are throttled as they send, the new one as it takes, on the brokers where they are', async () => {
  const { set, own, facts, throttles } = staged()
  await set()
  expect(own()).toEqual(ours)
  expect(facts.map(({ type }) => type)).toEqual(Array(5).fill('throttle.set'))
  await throttles.restore()
  expect([own(), throttles.isHolding]).toEqual([{}, false])
})

test('each value is recorded before it is set', async () => {
  const { fake, facts, set } = staged()
  fake.failing.set('configure', 'refused')
  await expect(set()).rejects.toThrow()
  expect(facts).toEqual([
    { type: 'throttle.set', on: 'topic', name: 'orders', config: leaderList, before: null, value: '0:1,0:2' },
    // Twice more it was tried.
    ...Array(2).fill(expect.objectContaining({ before: null, value: '0:1,0:2' })),
  ])
})

test('where no broker has a rate, nothing is asked for; where one has, only that one gets it', async () => {
  const { fake, set, own } = staged()
  await set(() => null)
  expect(fake.asked).toEqual([])
  await set((broker, direction) => (broker === 3 && direction === 'follower' ? 2e6 : null))
  expect(Object.keys(own()).filter((key) => key.startsWith('broker'))).toEqual([`broker 3 ${followerRate}`])
})

test('what was there is there again: own values, those of all brokers, lists with other entries', async () => {
  const before = {
    [`broker 1 ${leaderRate}`]: '5000000',
    [`broker  ${followerRate}`]: '9000000',
    [`topic orders ${leaderList}`]: '7:1,0:2',
    [`topic orders ${followerList}`]: '*',
  }
  const { throttles, set, own } = staged(before)
  await set()
  expect(own()).toEqual({
    ...before,
    [`broker 1 ${leaderRate}`]: '2000000',
    [`broker 2 ${leaderRate}`]: '2000000',
    [`broker 3 ${followerRate}`]: '2000000',
    [`topic orders ${leaderList}`]: '7:1,0:2,0:1',
  })
  await throttles.restore()
  expect(own()).toEqual(before)
})

test.each([
  ['more than is in force there', 100e6, { [`broker 3 ${followerRate}`]: '5000000' }, '5000000'],
  ['more than is in force for all brokers', 100e6, { [`broker  ${followerRate}`]: '9000000' }, '9000000'],
  ['less than a move needs to catch up', 10, {}, String(2 ** 20)],
  ['a part of a byte', 2_000_000.4, {}, '2000000'],
])('a rate is never %s', async (_, wanted, before, expected) => {
  const { set, own } = staged(before)
  await set(at(wanted))
  expect(own()[`broker 3 ${followerRate}`]).toBe(expected)
})

test('a rate is followed where it changes by more than a tenth', async () => {
  const { fake, throttles, set, follow, own } = staged({ [`broker 1 ${leaderRate}`]: '50000000' })
  await set(at(10e6))
  const asked = fake.asked.length
  await follow(at(10.9e6))
  await follow(at(9.1e6))
  expect(fake.asked).toHaveLength(asked)
  await follow(at(11.2e6))
  expect(own()).toMatchObject({ [`broker 1 ${leaderRate}`]: '11200000', [`broker 3 ${followerRate}`]: '11200000' })
  await follow(at(100e6))
  expect(own()).toMatchObject({ [`broker 1 ${leaderRate}`]: '50000000', [`broker 2 ${leaderRate}`]: '100000000' })
  await throttles.restore()
  expect(own()).toEqual({ [`broker 1 ${leaderRate}`]: '50000000' })
})

test('what somebody else changes in between is left alone, also when rates are followed, and said', async () => {
  const { fake, throttles, set, follow, said, own } = staged()
  await set()
  fake.values.set(`broker 1 ${leaderRate}`, '3000000')
  await follow(at(8e6))
  expect(own()).toMatchObject({ [`broker 1 ${leaderRate}`]: '3000000', [`broker 2 ${leaderRate}`]: '8000000' })
  fake.values.set(`topic orders ${followerList}`, '0:3,1:4')
  await throttles.restore()
  const kept = { [`broker 1 ${leaderRate}`]: '3000000', [`topic orders ${followerList}`]: '0:3,1:4' }
  expect([own(), throttles.isHolding]).toEqual([kept, false])
  expect(said('throttle.left')).toEqual([`topic orders ${followerList} changed`, `broker 1 ${leaderRate} changed`])
  expect(said('throttle.restored')).toHaveLength(3)
})

test('what somebody else has taken away is as it was', async () => {
  const { fake, throttles, set, said } = staged()
  await set()
  fake.values.clear()
  fake.asked.length = 0
  await throttles.restore()
  expect([fake.asked, said('throttle.restored').length, said('throttle.left')]).toEqual([[], 5, []])
})

test('what a broker out of reach has stays held, is said once, and is restored when it is there', async () => {
  const { fake, throttles, set, said, own } = staged()
  await set()
  fake.failing.set('configs broker 2', 'refused')
  await throttles.restore()
  expect([throttles.isHolding, own()]).toEqual([true, { [`broker 2 ${leaderRate}`]: '2000000' }])
  expect(said('throttle.left')).toEqual([`broker 2 ${leaderRate} unreachable`])
  fake.failing.clear()
  await throttles.restore()
  expect([throttles.isHolding, own()]).toEqual([false, {}])
})

test.each(['lost', 'refused'] as const)(
  'a request to set that is %s is tried three times, and can be restored',
  async (how) => {
    const { fake, throttles, set, own } = staged({ [`topic orders ${leaderList}`]: '7:1' })
    fake.failing.set('configure', how)
    await expect(set()).rejects.toThrow()
    expect(new Set(fake.asked)).toHaveLength(how === 'lost' ? 3 : 1)
    fake.failing.clear()
    await throttles.restore()
    expect([own(), throttles.isHolding]).toEqual([{ [`topic orders ${leaderList}`]: '7:1' }, false])
  },
)

test('requests to restore whose answers are lost are not repeated where the cluster shows that they were carried out', async () => {
  const { fake, throttles, set, own, said } = staged()
  await set()
  fake.asked.length = 0
  fake.failing.set('configure', 'lost')
  await throttles.restore()
  expect([own(), throttles.isHolding, fake.asked.length]).toEqual([{}, false, 5])
  expect([said('throttle.restored').length, said('throttle.left')]).toEqual([5, []])
})

test('a sweep says which throttles nobody has recorded, and changes nothing', async () => {
  const before = {
    [`broker 4 ${leaderRate}`]: '1',
    [`broker  ${followerRate}`]: '2',
    [`topic bills ${leaderList}`]: '0:1',
    [`topic bills ${followerList}`]: '',
  }
  const { fake, facts, set, sweep, own } = staged(before)
  await set()
  const [now, asked] = [own(), fake.asked.length]
  facts.length = 0
  await sweep()
  expect([own(), fake.asked.length]).toEqual([now, asked])
  expect(facts).toEqual([
    { type: 'throttle.found', on: 'broker', name: '', config: followerRate, value: '2' },
    { type: 'throttle.found', on: 'broker', name: '4', config: leaderRate, value: '1' },
    { type: 'throttle.found', on: 'topic', name: 'bills', config: leaderList, value: '0:1' },
  ])
})

test('a sweep that is to take back deletes what it finds, and leaves what is held', async () => {
  const found = { [`broker  ${followerRate}`]: '2', [`topic bills ${leaderList}`]: '0:1' }
  const { set, sweep, said, own } = staged(found)
  await set(at(100e6))
  await sweep(true)
  expect(Object.keys(own())).toEqual(Object.keys({ ...ours }))
  expect(said('throttle.restored')).toEqual([`broker  ${followerRate}`, `topic bills ${leaderList}`])
})

/** What an earlier life has recorded of one setting. */
const earlier = (config: string, before: string | null, values: readonly string[]) => {
  const throttle = { on: 'broker' as const, name: '1', config, before, values }
  return new Map([[throttleKey(throttle), throttle]])
}

test.each([
  ['its first value', '2000000', '7', 'throttle.restored'],
  ['its last value', '3000000', '7', 'throttle.restored'],
  ['what was there before', '7', '7', 'throttle.restored'],
  ['a value of somebody else', '4', '4', 'throttle.left'],
] as const)('of an earlier life, %s is recognised', async (_, now, then, fact) => {
  const held = earlier(leaderRate, '7', ['2000000', '3000000'])
  const { throttles, said, own } = staged({ [`broker 1 ${leaderRate}`]: now }, held)
  await throttles.restore()
  expect([own(), said(fact).length]).toEqual([{ [`broker 1 ${leaderRate}`]: then }, 1])
})

test.each([
  ['is in force', { [`broker 1 ${leaderRate}`]: '2000000' }],
  ['was never set', {}],
])('where a throttle of an earlier life %s, a rate is not above what is in force for all brokers', async (_, left) => {
  const values = { ...left, [`broker  ${leaderRate}`]: '2000000' }
  const { throttles, set, own } = staged(values, earlier(leaderRate, null, ['2000000']))
  await set(at(50e6))
  expect(own()).toMatchObject({ [`broker 1 ${leaderRate}`]: '2000000', [`broker 2 ${leaderRate}`]: '2000000' })
  await throttles.restore()
  expect(own()).toEqual({ [`broker  ${leaderRate}`]: '2000000' })
})

const outcome = fc.constantFrom('done', 'done', 'done', 'lost', 'refused')
const maybe = (...values: readonly string[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
const beforeAll = fc.record({
  [`broker 1 ${leaderRate}`]: maybe('1500000', '60000000'),
  [`broker 3 ${followerRate}`]: maybe('2000000', '60000000'),
  [`broker  ${leaderRate}`]: maybe('3000000', '60000000'),
  [`topic orders ${leaderList}`]: maybe('*', '1:1', '0:1'),
  [`topic orders ${followerList}`]: maybe('', '1:4,0:3'),
})
const work = fc.oneof(
  fc.constantFrom('set', 'restore', 'killed').map((kind) => ({ kind, bytes: 2e6 })),
  fc.constantFrom(1e6, 2e6, 20e6, 100e6).map((bytes) => ({ kind: 'follow', bytes })),
)

test('whatever is lost, refused or killed on the way, in the end each value is what it was', async () => {
  await fc.assert(
    fc.asyncProperty(beforeAll, fc.array(work, { maxLength: 6 }), fc.array(outcome), async (given, works, outcomes) => {
      const entries = Object.entries(given).flatMap(([key, value]) =>
        value === undefined ? [] : [[key, value] as const],
      )
      const { fake, own } = staged(Object.fromEntries(entries))
      const [before, left] = [own(), [...outcomes]]
      const controls = controlsThrough(fake, async (_, ask) => {
        const how = left.shift() ?? 'done'
        if (how === 'refused') throw new Error('it is refused')
        const value = await ask()
        if (how === 'lost') throw new Error('its answer is lost')
        return value
      })
      const topology = await fake.topology()
      let fold = nothingUnfinished
      const emit = ({ type, ...data }: Fact) => {
        fold = reduceUnfinished(fold, { type, data })
      }
      const live = () => new Throttles({ controls, emit, held: fold.throttles })
      let throttles = live()
      for (const { kind, bytes } of works) {
        if (kind === 'set') await throttles.set(moves, topology, at(bytes)).catch(() => {})
        if (kind === 'follow') await throttles.setRates(moves, topology, at(bytes)).catch(() => {})
        if (kind === 'restore') await throttles.restore()
        if (kind === 'killed') throttles = live()
        expect(Number(own()[`broker 3 ${followerRate}`] ?? 0)).toBeLessThanOrEqual(
          Number(before[`broker 3 ${followerRate}`] ?? Number.POSITIVE_INFINITY),
        )
        expect(Number(own()[`broker 2 ${leaderRate}`] ?? 0)).toBeLessThanOrEqual(
          Number(before[`broker  ${leaderRate}`] ?? Number.POSITIVE_INFINITY),
        )
      }
      left.length = 0
      await throttles.restore()
      expect([own(), fold.throttles.size, throttles.isHolding]).toEqual([before, 0, false])
    }),
    { numRuns: 500 },
  )
})
