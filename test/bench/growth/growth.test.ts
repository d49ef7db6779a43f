import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createConsumer } from '../../../src/index.ts'
import { growthSection } from '../growth-section.ts'
import { growthOf } from '../plan.ts'
import { lookUpBroker } from './broker-names.ts'
import { startFakeKafka } from './fake-kafka.ts'
import { type Cell, type Figures, figureNames, isTooSteep, slopeOf } from './growth.ts'

/** Cells where all figures are what `of` gives for the size. */
const cellsOf = (of: (brokers: number, partitions: number) => number): Cell[] =>
  growthOf({ quick: false, only: ['growth'], apart: false }).map(({ brokers, partitions }) => {
    const value = of(brokers, partitions)
    return { brokers, partitions, figures: Object.fromEntries(figureNames.map((name) => [name, value])) as Figures }
  })

test.each([
  ['nothing', () => 500, 0, 0],
  ['the brokers', (brokers: number) => 100 * brokers, 1, 0],
  ['both', (brokers: number, partitions: number) => 100 * brokers * partitions, 1, 1],
  ['the square of the brokers', (brokers: number) => 100 * brokers ** 2, 2, 0],
  ['the root of the partitions', (_: number, partitions: number) => 100 * Math.sqrt(partitions), 0, 0.5],
])('the slope is the power with which a figure grows with %s', (_cause, of, brokers, partitions) => {
  const cells = cellsOf(of)
  expect(slopeOf(cells, 'dialsPerMove', 'brokers')).toBeCloseTo(brokers)
  expect(slopeOf(cells, 'dialsPerMove', 'partitions')).toBeCloseTo(partitions)
})

test('the steepest step counts: a square that hides behind a constant at first is found', () => {
  const slope = slopeOf(
    cellsOf((brokers) => 2000 + brokers ** 2),
    'dialsPerMove',
    'brokers',
  )
  expect(slope).toBeCloseTo(Math.log(12_000 / 2900) / Math.log(100 / 30))
  expect(isTooSteep('dialsPerMove', 'brokers', slope ?? 0)).toBe(true)
})

test('what is noise does not grow, and one size alone has no slope', () => {
  const cells = cellsOf((brokers) => (brokers === 3 ? 0 : 0.5))
  expect(slopeOf(cells, 'dialsPerMove', 'brokers')).toBe(0)
  expect(slopeOf(cells.slice(0, 1), 'dialsPerMove', 'brokers')).toBeUndefined()
})

test('the table sets the slopes in bold that are steeper than their cause', () => {
  const lines = growthSection(
    cellsOf((brokers, partitions) => brokers ** 2 * partitions),
    () => '',
  ).split('\n')
  const of = (title: string) => lines.find((line) => line.startsWith(`| ${title} |`))
  expect(of('dials per move')).toContain('| **2.00** | 1.00 |')
  // Who answers a dial lists all brokers.
  expect(of('MB per move, without fetches')).toContain('| 2.00 | 1.00 |')
})

test('a consumer reads from fake brokers, and goes on when all of them have moved', async () => {
  await using kafka = await startFakeKafka(4, 8)
  const handled: number[] = []
  const consumer = createConsumer({
    logger: false,
    brokers: async () => kafka.endpoints(),
    lookup: lookUpBroker,
    kafka: { clientId: 'test' },
    groupId: 'test',
    topics: [kafka.topic],
    fromBeginning: true,
    eachMessage: async ({ partition }) => void handled.push(partition),
  })
  try {
    expect(kafka.produce()).toBe(4)
    await consumer.start()
    await expect.poll(() => handled.toSorted(), { timeout: 5000 }).toEqual([0, 1, 2, 3])
    const before = kafka.traffic()
    await kafka.move()
    kafka.produce()
    await expect.poll(() => handled.length, { timeout: 5000 }).toBe(8)
    await pause(100)
    const { connections, metadata, fetchBytes, otherBytes } = kafka.traffic()
    expect(connections).toBeGreaterThan(4)
    expect(metadata - before.metadata).toBeGreaterThanOrEqual(4)
    expect(fetchBytes).toBeGreaterThan(before.fetchBytes)
    expect(otherBytes).toBeGreaterThan(before.otherBytes)
  } finally {
    await consumer.stop()
  }
})
