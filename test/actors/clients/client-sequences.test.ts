// What a client makes of its idempotent producers: which batches it sends again though they were acknowledged.
import { expect, test } from 'vitest'
import { ClientSequences } from '../../../actors/clients/client-sequences.ts'
import type { ProducedPartition, ProducedResult } from '../../../actors/protocol/produce.ts'

const batch = (sequence: number, own: Partial<ProducedPartition> = {}): ProducedPartition => ({
  ...{ topic: 'orders', partition: 0, producerId: 7n, producerEpoch: 0, sequence, count: 2, records: Buffer.alloc(0) },
  ...own,
})
const result = (offset: bigint, errorCode = 0): ProducedResult => ({
  ...{ topic: 'orders', partition: 0, errorCode, offset, logAppendTime: -1n, logStart: -1n },
})
/** Takes a batch of the client and tells it this result. */
const acknowledged = (sequences: ClientSequences, given: ProducedPartition, told: ProducedResult) => {
  expect(sequences.take(given)).toBeUndefined()
  sequences.settle([given], [told])
}

test('a batch that is sent again though it was acknowledged is known by its numbers', () => {
  const sequences = new ClientSequences()
  acknowledged(sequences, batch(0), result(40n))
  expect(sequences.take(batch(0))).toEqual(result(40n))
  expect(sequences.take(batch(2))).toBeUndefined()
})

test('what bears the numbers of a batch that has failed is another one', () => {
  const sequences = new ClientSequences()
  acknowledged(sequences, batch(0), result(-1n, 2))
  expect(sequences.take(batch(0))).toBeUndefined()
})

test('behind the end of a transaction no batch of its producer is one that was sent before, and those of others still are', () => {
  const sequences = new ClientSequences()
  const other = batch(0, { producerId: 8n })
  acknowledged(sequences, batch(0), result(40n))
  acknowledged(sequences, other, result(50n))
  sequences.endTransaction(batch(0))
  expect(sequences.take(batch(0))).toBeUndefined()
  expect(sequences.take(other)).toEqual(result(50n))
})
