/**
 * Commit metadata: what relisten writes into the metadata field of a commit, for whoever reads that commit later: the id of the topic, how many
 * partitions it had when the group began to read it, and the leader epoch of what was read (KIP-320; OffsetCommit has a field for it only from version 6 on).
 */

export interface CommitMetadata {
  readonly topicId: string | undefined
  readonly partitions: number
  /** −1 where none is known. */
  readonly leaderEpoch: number
}

const mark = 'relisten/1'

export const writeCommitMetadata = ({ topicId, partitions, leaderEpoch }: CommitMetadata): string =>
  [mark, topicId ?? '-', partitions, leaderEpoch].join(' ')

/** Undefined for whatever somebody else wrote. */
export function readCommitMetadata(metadata: string | null): CommitMetadata | undefined {
  const match = /^relisten\/1 (-|[0-9a-f]{32}) (\d{1,9}) (-1|\d{1,9})$/.exec(metadata ?? '')
  if (!match) return undefined
  const [, topicId, partitions, leaderEpoch] = match
  return {
    topicId: topicId === '-' ? undefined : topicId,
    partitions: Number(partitions),
    leaderEpoch: Number(leaderEpoch),
  }
}
