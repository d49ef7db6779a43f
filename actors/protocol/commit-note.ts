/**
 * A commit note: what relisten writes into the metadata of a commit, for whoever reads that commit later: which topic it was, how many partitions
 * the topic had when the group began to read it, and the leader epoch of what was read (KIP-320; OffsetCommit has a field for it only from version 6 on).
 */

export interface CommitNote {
  readonly topicId: string | undefined
  readonly partitions: number
  /** −1 where none is known. */
  readonly leaderEpoch: number
}

const mark = 'relisten/1'

export const writeCommitNote = ({ topicId, partitions, leaderEpoch }: CommitNote): string =>
  [mark, topicId ?? '-', partitions, leaderEpoch].join(' ')

/** Undefined for whatever somebody else wrote. */
export function readCommitNote(metadata: string | null): CommitNote | undefined {
  const match = /^relisten\/1 (-|[0-9a-f]{32}) (\d{1,9}) (-1|\d{1,9})$/.exec(metadata ?? '')
  if (!match) return undefined
  const [, topicId, partitions, leaderEpoch] = match
  return {
    topicId: topicId === '-' ? undefined : topicId,
    partitions: Number(partitions),
    leaderEpoch: Number(leaderEpoch),
  }
}
