// Requests that read: fetches, offsets of logs, ends of epochs.

import { Bytes, type Reading } from './bytes.ts'
import type { BrokerClock } from './ground.ts'
import type { Partition, Topic } from './topic.ts'
import type { Trouble } from './trouble.ts'

export interface Readable {
  readonly clock: BrokerClock
  readonly trouble: Trouble
  topicNamed(name: string): Topic | undefined
  partition(topic: string, index: number): Partition | undefined
  await(look: () => void): () => void
}

type Reply = (body: Buffer) => unknown

const codes = { none: 0, outOfRange: 1, unknownTopic: 3, notLeader: 6, fencedEpoch: 74, unknownEpoch: 75 } as const
const readCommitted = 1
const earliest = -2
const replicaVersion = 11
const withEpochs = 4

/** Why the node does not answer for this partition; 0 when it does. */
function refusal(partition: Partition | undefined, nodeId: number, epoch: number): number {
  if (!partition) return codes.unknownTopic
  if (epoch >= 0 && epoch < partition.epoch) return codes.fencedEpoch
  if (epoch > partition.epoch) return codes.unknownEpoch
  return partition.leader === nodeId ? codes.none : codes.notLeader
}

export function answerFetch(
  kafka: Readable,
  nodeId: number,
  version: number,
  request: Reading,
  reply: Reply,
  reached: (kind: string) => void,
  read: (partition: number) => void,
): void {
  request.int32()
  const maxWaitMs = request.int32()
  const minBytes = request.int32()
  request.skip(4)
  const isCommittedOnly = request.int8() === readCommitted
  request.skip(4 + 4)
  const wanted = request.list(() => {
    const topic = request.text()
    return { topic, partitions: request.list(() => readWanted(request)) }
  })
  const endOf = ({ log }: Partition) => (isCommittedOnly ? log.stableEnd : log.end)
  const stateOf = (topic: string, { index, epoch, offset }: Wanted) => {
    const partition = kafka.partition(topic, index)
    let error = refusal(partition, nodeId, epoch)
    if (error === 0 && partition && (offset > partition.log.end || offset < partition.log.start))
      error = codes.outOfRange
    if (error === 0 && partition) error = kafka.trouble.errorOf('fetch', partition.number)
    return { partition, error }
  }
  const until = kafka.clock.now + maxWaitMs
  const isDue = (): boolean => {
    if (kafka.clock.now >= until) return true
    let bytes = 0
    for (const { topic, partitions } of wanted) {
      for (const asked of partitions) {
        const { partition, error } = stateOf(topic, asked)
        if (error !== 0 || !partition) return true
        if (asked.offset >= endOf(partition)) continue
        bytes += minBytes <= 1 ? 1 : partition.log.read(asked.offset, asked.most, endOf(partition)).bytes.length
        if (bytes >= minBytes) return true
      }
    }
    return false
  }
  let isAnswered = false
  const look = () => {
    if (isAnswered || !isDue()) return
    isAnswered = true
    leave()
    kafka.clock.cancel(timer)
    const answer = new Bytes().int32(0).int16(0).int32(0)
    answer.array(wanted, ({ topic, partitions }) => {
      answer.string(topic).array(partitions, (asked) => {
        const { partition, error } = stateOf(topic, asked)
        if (error === codes.notLeader) reached('leader moves')
        answer.int32(asked.index).int16(error)
        if (error !== 0 || !partition) answer.int64(-1).int64(-1).int64(-1).int32(0)
        const found = error === 0 && partition?.log.read(asked.offset, asked.most, endOf(partition))
        if (found && partition) {
          if (partition.log.isAnother) read(partition.number)
          answer.int64(partition.log.end).int64(partition.log.stableEnd).int64(partition.log.start)
          answer.array(isCommittedOnly ? found.aborted : [], ({ producerId, first }) =>
            answer.int64(producerId).int64(first),
          )
        }
        if (version >= replicaVersion) answer.int32(-1)
        answer.block(found ? found.bytes : Buffer.alloc(0))
      })
    })
    reply(answer.taken())
  }
  const leave = kafka.await(look)
  const timer = kafka.clock.plan(maxWaitMs, look)
  look()
}

interface Wanted {
  readonly index: number
  readonly epoch: number
  readonly offset: number
  readonly most: number
}

function readWanted(request: Reading): Wanted {
  const index = request.int32()
  const epoch = request.int32()
  const offset = request.long()
  request.skip(8)
  return { index, epoch, offset, most: request.int32() }
}

/** ListOffsets, versions 2 to 4; from the fourth on with leader epochs. */
export function answerListOffsets(
  kafka: Readable,
  nodeId: number,
  version: number,
  request: Reading,
  reply: Reply,
): void {
  request.int32()
  const isCommittedOnly = request.int8() === readCommitted
  const topics = request.list(() => ({
    topic: request.text(),
    partitions: request.list(() => ({
      index: request.int32(),
      current: version >= withEpochs ? request.int32() : -1,
      time: request.long(),
    })),
  }))
  const answer = new Bytes().int32(0)
  answer.array(topics, ({ topic, partitions }) => {
    answer.string(topic).array(partitions, ({ index, current, time }) => {
      const partition = kafka.partition(topic, index)
      const error =
        refusal(partition, nodeId, current) || kafka.trouble.errorOf('list offsets', partition?.number ?? -1)
      const log = partition?.log
      const end = (isCommittedOnly ? log?.stableEnd : log?.end) ?? -1
      const offset = time === earliest ? (log?.start ?? -1) : end
      answer
        .int32(index)
        .int16(error)
        .int64(-1)
        .int64(error === 0 ? offset : -1)
      // The end has the epoch of today, whether anything was written in it or not.
      if (version >= withEpochs) answer.int32(error === 0 && time !== earliest ? (partition?.epoch ?? -1) : -1)
    })
  })
  reply(answer.taken())
}

/** OffsetForLeaderEpoch, versions 2 and 3: where an epoch ends in the log of today. */
export function answerEpochs(kafka: Readable, nodeId: number, version: number, request: Reading, reply: Reply): void {
  const replicaIdSince = 3
  if (version >= replicaIdSince) request.int32()
  const topics = request.list(() => ({
    topic: request.text(),
    partitions: request.list(() => ({ index: request.int32(), current: request.int32(), epoch: request.int32() })),
  }))
  const answer = new Bytes().int32(0)
  answer.array(topics, ({ topic, partitions }) => {
    answer.string(topic).array(partitions, ({ index, current, epoch }) => {
      const partition = kafka.partition(topic, index)
      const error = refusal(partition, nodeId, current)
      const found =
        error === 0 && partition && epoch <= partition.epoch ? partition.log.endOfEpoch(epoch) : { epoch: -1, end: -1 }
      // The epoch of today ends where the log does, although nothing may be written in it yet.
      const isNewest = partition !== undefined && error === 0 && epoch === partition.epoch
      answer.int16(error).int32(index)
      answer.int32(isNewest ? epoch : found.epoch).int64(isNewest ? partition.log.end : found.end)
    })
  })
  reply(answer.taken())
}
