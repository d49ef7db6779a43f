// Plans: enough of everything in each seed, and the same each time.
import { expect, test } from 'vitest'
import { dimensions, drawn, leastShare, optionsOf } from './dimensions.ts'
import { kinds, planOf, proofs } from './faults/plan.ts'

const seeds = Array.from({ length: 500 }, (_, index) => index)

test('each plan has at least twenty faults, of which five are moves, in the order of their time', () => {
  for (const seed of seeds) {
    const { faults } = planOf(seed)
    expect(faults.length).toBeGreaterThanOrEqual(20)
    expect(faults.filter(({ kind }) => kinds.get(kind)?.isMove).length).toBeGreaterThanOrEqual(5)
    const times = faults.map(({ atMs }) => atMs)
    expect(times).toEqual(times.toSorted((one, other) => one - other))
  }
})

test('a seed has one plan', () => {
  for (const seed of seeds.slice(0, 20)) expect(planOf(seed)).toEqual(planOf(seed))
  expect(planOf(1)).not.toEqual(planOf(2))
})

test('without dimensions a seed has the faults it always had, and each dimension only adds its own', () => {
  for (const seed of seeds.slice(0, 50)) {
    const plain = planOf(seed, [])
    const { faults, stretch } = planOf(seed, ['partitions are added'])
    expect(stretch).toBe(1)
    expect(faults.filter(({ kind }) => kinds.get(kind)?.dimension === undefined)).toEqual(plain.faults)
    expect(plain.faults.some(({ kind }) => kinds.get(kind)?.dimension !== undefined)).toBe(false)
  }
})

test('every dimension is drawn in more of the seeds than it has to take effect in', () => {
  for (const { name } of dimensions) {
    const share = seeds.filter((seed) => drawn(seed).includes(name)).length / seeds.length
    expect(share, name).toBeGreaterThan(leastShare)
  }
  expect(drawn(1, new Set(dimensions.map(({ name }) => name)))).toEqual([])
})

test.each(['slow brokers', 'long distances'])('with %s a fetch brings enough, whatever else a seed has', (name) => {
  const small = new Set(['many partitions', 'narrow lines', name])
  const inOrder = dimensions.map((each) => each.name).filter((each) => small.has(each))
  expect(optionsOf(1, new Set(inOrder)).maxBytesPerPartition).toBe(100_000)
})

test('every kind of fault is planned, and says what shows that it was reached', () => {
  const planned = new Set(seeds.flatMap((seed) => planOf(seed).faults.map(({ kind }) => kind)))
  expect([...kinds.keys()].filter((kind) => !planned.has(kind))).toEqual([])
  expect([...kinds.values()].filter((kind) => kind.proofs.length === 0)).toEqual([])
  expect(proofs.length).toBeGreaterThan(50)
})
