// Records as AutoMQ's reporter writes them, for the tests of whoever reads them.
import { metricIds, recordTypes } from '../../actors/balancer/auto-mq-record.ts'

export interface MetricRecord {
  readonly type?: number
  readonly version?: number
  readonly at: number
  readonly brokerId: number
  readonly rack?: string
  readonly topic?: string
  readonly partition?: number
  readonly metrics: readonly (readonly [id: number, value: number])[]
}

export function metricRecord({ version = 0, at, brokerId, rack = '', topic, partition = 0, ...rest }: MetricRecord) {
  const { type = topic === undefined ? recordTypes.broker : recordTypes.partition, metrics } = rest
  const where = topic === undefined ? [] : [text(topic), int32(partition)]
  const each = metrics.map(([id, value]) => Buffer.concat([int8(id), float64(value)]))
  const head = [int8(type), int8(version), int64(BigInt(at)), int32(brokerId), text(rack)]
  return Buffer.concat([...head, ...where, int32(metrics.length), ...each])
}

/** What a partition carried, complete. */
export const loadMetrics = (bytesIn: number, bytesOut: number, size: number) =>
  [
    [metricIds.bytesIn, bytesIn],
    [metricIds.bytesOut, bytesOut],
    [metricIds.size, size],
  ] as const

const written = (bytes: number, write: (buffer: Buffer) => void): Buffer => {
  const buffer = Buffer.alloc(bytes)
  write(buffer)
  return buffer
}
const int8 = (value: number) => written(1, (buffer) => buffer.writeInt8(value))
const int32 = (value: number) => written(4, (buffer) => buffer.writeInt32BE(value))
const int64 = (value: bigint) => written(8, (buffer) => buffer.writeBigInt64BE(value))
const float64 = (value: number) => written(8, (buffer) => buffer.writeDoubleBE(value))
const text = (value: string) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([int32(bytes.length), bytes])
}
