// Requests for committed offsets, as the coordinator answers them.

import { Bytes, type Reading } from './bytes.ts'
import { errors, type Group } from './group.ts'
import type { Partition } from './topic.ts'
import type { Trouble } from './trouble.ts'

export interface Committing {
  readonly group: Group
  readonly trouble: Trouble
  readonly commitErrors: number[]
  lostCommitAnswers: number
  partition(topic: string, index: number): Partition | undefined
}

export interface CommitWatch {
  committed(commit: { memberId: string; generation: number; partition: number; offset: number; sentAt: number }): void
  placed(partition: number, offset: number): void
  reached(kind: string): void
}

const unknownTopic = 3

/** `unready` is the error of a node that is no coordinator at the moment. The answer is undefined when it gets lost. */
export function answerCommit(
  kafka: Committing,
  unready: number,
  request: Reading,
  version: number,
  sentAt: number,
  watch: CommitWatch,
): Buffer | undefined {
  request.text()
  const generation = request.int32()
  const memberId = request.text()
  const isStatic = version >= 7
  const instanceId = isStatic ? request.string() : null
  const topics = request.list(() => ({
    topic: request.text(),
    partitions: request.list(() => {
      const [index, offset] = [request.int32(), request.long()]
      if (isStatic) request.int32() // leader epoch
      return { index, offset, metadata: request.text() }
    }),
  }))
  let error = unready
  if (error !== 0) watch.reached(error === errors.loading ? 'commit error 14' : 'commit error 16')
  const planned = error === 0 ? kafka.commitErrors.shift() : undefined
  if (planned !== undefined) {
    error = planned
    watch.reached(`commit error ${planned}`)
  }
  if (error === 0) error = kafka.group.mayCommit(memberId, generation, instanceId)
  let isTaken = false
  const answer = new Bytes().int32(0)
  answer.array(topics, ({ topic, partitions }) => {
    answer.string(topic).array(partitions, ({ index, offset, metadata }) => {
      const partition = kafka.partition(topic, index)
      const number = partition?.number ?? -1
      const own = error || (partition ? kafka.trouble.errorOf('offset commit', number) : unknownTopic)
      if (own === 0) {
        watch.committed({ memberId, generation, partition: number, offset, sentAt })
        kafka.group.offsets.set(number, offset)
        kafka.group.metadata.set(number, metadata)
        isTaken = true
      }
      answer.int32(index).int16(own)
    })
  })
  if (isTaken && kafka.lostCommitAnswers > 0) {
    kafka.lostCommitAnswers--
    watch.reached('commit answer lost')
    return undefined
  }
  return answer.taken()
}

export function answerOffsets(kafka: Committing, unready: number, request: Reading, watch: CommitWatch): Buffer {
  request.text()
  const topics = request.list(() => ({ topic: request.text(), partitions: request.list(() => request.int32()) }))
  const answer = new Bytes().int32(0)
  answer.array(topics, ({ topic, partitions }) => {
    answer.string(topic).array(partitions, (index) => {
      const number = kafka.partition(topic, index)?.number ?? -1
      const error = unready || kafka.trouble.errorOf('offset fetch', number)
      const offset = error === 0 ? (kafka.group.offsets.get(number) ?? -1) : -1
      if (error === 0 && number >= 0) watch.placed(number, offset)
      const metadata = error === 0 ? (kafka.group.metadata.get(number) ?? '') : ''
      answer.int32(index).int64(offset).string(metadata).int16(error)
    })
  })
  return answer.int16(unready).taken()
}
