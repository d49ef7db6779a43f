// Records of AutoMQ's metrics, byte by byte: those that are whole, those of other times, and those that are cut or random.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { metricIds, readMetricRecord } from '../../../actors/balancer/auto-mq-record.ts'
import { loadMetrics, metricRecord } from '../../balancer/metric-record.ts'

const at = 1_780_000_000_000
const { appendLatency, pendingAppend, pendingFetch, brokerVersion, bytesIn, bytesOut } = metricIds
const broker = (...metrics: (readonly [number, number])[]) => metricRecord({ at, brokerId: 7, rack: 'b', metrics })
const partition = metricRecord({
  ...{ at, brokerId: 3, rack: 'zone-a', topic: 'orders.eu', partition: 12 },
  metrics: loadMetrics(1024.5, 4096, 9e9),
})

test('the record of a partition is read byte by byte', () => {
  const bytes = Buffer.from(
    `0000${'000000000000000a'}00000003${'00000001'}72${'00000001'}74${'0000000c'}${'00000003'}` +
      `00${'4059000000000000'}01${'4069000000000000'}02${'4072c00000000000'}`,
    'hex',
  )
  expect(readMetricRecord(bytes, 20)).toEqual({
    unknownMetrics: 0,
    sample: {
      ...{ kind: 'partition', topic: 't', partition: 12, brokerId: 3, at: 10, heardAt: 20, spanMs: 60_000 },
      bytesIn: { value: 100, trust: 1, origin: 'reported' },
      bytesOut: { value: 200, trust: 1, origin: 'reported' },
      size: { value: 300, trust: 1, origin: 'reported' },
    },
  })
})

test('a partition is read with its names', () => {
  const sample = { topic: 'orders.eu', partition: 12, brokerId: 3, at, heardAt: null, bytesIn: { value: 1024.5 } }
  expect(readMetricRecord(partition, null)).toMatchObject({ sample })
})

test.each([
  ['0, which has no record', broker(), {}],
  ['0 that names itself', broker([brokerVersion, 0]), {}],
  [
    '1',
    broker([appendLatency, 1], [pendingAppend, 20], [pendingFetch, 30], [brokerVersion, 1]),
    { pendingAppendMs: 20, pendingFetchMs: 30 },
  ],
  ['2', broker([appendLatency, 1], [brokerVersion, 2]), {}],
  [
    '2 with what it may leave out',
    broker([appendLatency, 1], [pendingFetch, 30], [brokerVersion, 2]),
    { pendingFetchMs: 30 },
  ],
])('a broker with metrics of version %s is read', (_, bytes, pending) => {
  const sample = { kind: 'broker', brokerId: 7, at, heardAt: at, spanMs: 60_000, rack: 'b', ...pending }
  expect(readMetricRecord(bytes, at)).toEqual({ sample, unknownMetrics: 0 })
})

test.each([
  ['unknown-type', metricRecord({ type: 2, at, brokerId: 1, metrics: [] })],
  ['unknown-version', metricRecord({ version: 1, at, brokerId: 1, metrics: [] })],
  ['unknown-version', broker([appendLatency, 1], [brokerVersion, 3])],
  ['unknown-version', broker([appendLatency, 1], [brokerVersion, 1.5])],
  ['truncated', null],
  ['truncated', Buffer.alloc(0)],
  ['truncated', partition.subarray(0, -1)],
  ['truncated', Buffer.concat([partition.subarray(0, 14), Buffer.from([0x7f, 0xff, 0xff, 0xff])])],
  ['malformed', Buffer.concat([partition.subarray(0, 14), Buffer.alloc(4, 0xff), Buffer.alloc(20)])],
  ['malformed', metricRecord({ at, brokerId: 1, topic: '', metrics: loadMetrics(1, 1, 1) })],
  ['malformed', metricRecord({ at, brokerId: 1, topic: 't', partition: -1, metrics: loadMetrics(1, 1, 1) })],
  ['malformed', metricRecord({ at, brokerId: -1, metrics: [] })],
  ['malformed', metricRecord({ at: -1, brokerId: 1, metrics: [] })],
  ['malformed', metricRecord({ at, brokerId: 1, topic: 't', metrics: loadMetrics(Number.NaN, 1, 1) })],
  ['malformed', metricRecord({ at, brokerId: 1, topic: 't', metrics: loadMetrics(1, -1, 1) })],
  ['malformed', metricRecord({ at, brokerId: 1, topic: 't', metrics: loadMetrics(1, 1, Infinity) })],
  [
    'incomplete',
    metricRecord({
      ...{ at, brokerId: 1, topic: 't' },
      metrics: [
        [bytesIn, 1],
        [bytesOut, 1],
      ],
    }),
  ],
  ['incomplete', broker([appendLatency, 1], [pendingAppend, 20], [brokerVersion, 1])],
  ['incomplete', broker([brokerVersion, 2])],
])('a record that is %s is skipped', (skipped, bytes) => {
  expect(readMetricRecord(bytes, at)).toEqual({ skipped })
})

test('metrics that nobody knows are counted, whatever their value', () => {
  const metrics = [...loadMetrics(1, 2, 3), [7, Number.NaN], [-1, -1]] as const
  const read = readMetricRecord(metricRecord({ at, brokerId: 1, topic: 't', metrics }), at)
  expect(read).toMatchObject({ unknownMetrics: 2, sample: { bytesIn: { value: 1 }, size: { value: 3 } } })
})

test('bytes behind the metrics change nothing', () => {
  const longer = fc.uint8Array({ maxLength: 40 })
  fc.assert(
    fc.property(longer, (more) => {
      expect(readMetricRecord(Buffer.concat([partition, more]), at)).toEqual(readMetricRecord(partition, at))
    }),
  )
})

test('a record that is cut anywhere is truncated', () => {
  for (let bytes = 0; bytes < partition.length; bytes++)
    expect(readMetricRecord(partition.subarray(0, bytes), at)).toEqual({ skipped: 'truncated' })
})

test('random bytes give a sample or a reason', () => {
  const random = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes))
  const flipped = fc
    .tuple(fc.nat(partition.length - 1), fc.nat(255))
    .map(([index, byte]) => Buffer.from(partition.map((old, place) => (place === index ? byte : old))))
  fc.assert(
    fc.property(fc.oneof(random, flipped), (bytes) => {
      const read = readMetricRecord(bytes, at)
      if ('skipped' in read) return
      const { sample } = read
      expect(sample.at).toBeGreaterThanOrEqual(0)
      if (sample.kind === 'partition') expect(Number.isFinite(sample.bytesIn.value)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})
