// Requests of producers: Produce, versions 3 to 7, and InitProducerId, versions 0 and 1.

import { Bytes, Reading } from './bytes.ts'
import type { Message } from './log.ts'
import type { Sequenced } from './producer-states.ts'
import type { Partition } from './topic.ts'
import type { Trouble } from './trouble.ts'

export interface Writable {
  readonly trouble: Trouble
  partition(topic: string, index: number): Partition | undefined
  changed(): void
}

/** One partition of a Produce. */
export interface ProducedBatch extends Sequenced {
  readonly topic: string
  readonly index: number
  readonly messages: readonly Message[]
}

export interface Produce {
  readonly acks: number
  readonly timeoutMs: number
  readonly batches: readonly ProducedBatch[]
}

/** Messages of a producer that are in the log now. */
export interface Stored {
  readonly partition: number
  readonly offset: number
  readonly values: readonly string[]
}

const codes = {
  ...{ none: 0, unknownTopic: 3, notLeader: 6, timedOut: 7, tooFewReplicas: 19, tooFewAfterAppend: 20 },
  ...{ outOfOrderSequence: 45, invalidProducerEpoch: 47 },
} as const
/** Only who asks for all replicas hears of them. */
const ofReplicas: ReadonlySet<number> = new Set([codes.timedOut, codes.tooFewReplicas, codes.tooFewAfterAppend])
/** With these the leader has written it. */
const afterAppend: ReadonlySet<number> = new Set([codes.timedOut, codes.tooFewAfterAppend])

export function readProduce(request: Reading): Produce {
  request.string() // transactional id
  const acks = request.int16()
  const timeoutMs = request.int32()
  const topics = request.list(() => {
    const topic = request.text()
    return request.list(() => ({ topic, index: request.int32(), ...readBatch(request.block()) }))
  })
  return { acks, timeoutMs, batches: topics.flat() }
}

/** Reads one batch of records, not packed. */
function readBatch(bytes: Buffer): Omit<ProducedBatch, 'topic' | 'index'> {
  const batch = new Reading(bytes, 43)
  const [producerId, epoch, sequence, count] = [batch.long(), batch.int16(), batch.int32(), batch.int32()]
  const text = () => {
    const length = zigzag(batch)
    batch.skip(Math.max(0, length))
    return length < 0 ? '' : bytes.toString('utf8', batch.at - length, batch.at)
  }
  const messages = Array.from({ length: count }, () => {
    const length = zigzag(batch)
    const end = batch.at + length
    batch.skip(1) // attributes
    batch.varint() // timestamp
    batch.varint() // offset
    const message = { key: text(), value: text() }
    batch.at = end
    return message
  })
  return { producerId, epoch, sequence, count, messages }
}

function zigzag(batch: Reading): number {
  const value = batch.varint()
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** Writes what can be written. `afterMs`: the leader has waited so long for its replicas. */
export function answerProduce(
  kafka: Writable,
  nodeId: number,
  request: Reading,
  reached: (kind: string) => void,
  stored: (what: Stored) => void,
): { readonly body: Buffer; readonly afterMs: number } {
  const { acks, timeoutMs, batches } = readProduce(request)
  let afterMs = 0
  const results = batches.map((batch) => {
    const partition = kafka.partition(batch.topic, batch.index)
    const code = partition?.leader === nodeId ? kafka.trouble.errorOf('produce', partition.number) : codes.notLeader
    const flaw = acks !== -1 && ofReplicas.has(code) ? codes.none : code
    if (code === codes.notLeader) reached('leader moves')
    if (!partition) return { ...batch, code: codes.unknownTopic, offset: -1 }
    if (flaw !== codes.none && !afterAppend.has(flaw)) return { ...batch, code: flaw, offset: -1 }
    const { code: refusal, offset } = write(partition, batch, reached, stored)
    if (flaw === codes.timedOut) afterMs = Math.min(timeoutMs, 1000)
    return refusal !== codes.none || flaw === codes.none
      ? { ...batch, code: refusal, offset }
      : { ...batch, code: flaw, offset: -1 }
  })
  kafka.changed()
  const body = new Bytes()
  body.array(results, ({ topic, index, code, offset }) => {
    body
      .string(topic)
      .int32(1)
      .int32(index)
      .int16(code)
      .int64(offset)
      .int64(-1)
      .int64(code === 0 ? 0 : -1)
  })
  return { body: body.int32(0).taken(), afterMs }
}

function write(
  partition: Partition,
  batch: ProducedBatch,
  reached: (kind: string) => void,
  stored: (what: Stored) => void,
): { readonly code: number; readonly offset: number } {
  const { producers, log, number } = partition
  if (batch.producerId >= 0) {
    const verdict = producers.judge(batch)
    if (verdict.kind !== 'new') reached(`a batch of an idempotent producer: ${verdict.kind}`)
    if (verdict.kind === 'duplicate') return { code: codes.none, offset: verdict.offset }
    if (verdict.kind === 'gap') return { code: codes.outOfOrderSequence, offset: -1 }
    if (verdict.kind === 'fenced') return { code: codes.invalidProducerEpoch, offset: -1 }
  }
  if (!partition.isOriginal) reached('partitions are added')
  const offset = log.end
  partition.append(batch.messages)
  if (batch.producerId >= 0) producers.note(batch, offset)
  stored({ partition: number, offset, values: batch.messages.map(({ value }) => value) })
  return { code: codes.none, offset }
}

export const answerProducerId = (producerId: number): Buffer =>
  new Bytes().int32(0).int16(0).int64(producerId).int16(0).taken()
