/** A stock KafkaJS consumer on `follow` as a member, by `eachMessage` or by `eachBatch`. */
import { type Followed, follow, memoryJournal } from '../../../src/index.ts'
import type { Client, Member } from './member.ts'
import { configOf, consumerOf } from './stock-member.ts'

export interface FollowedMember extends Member {
  readonly followed: Followed
  /** What KafkaJS crashed with, each time. */
  readonly crashes: readonly Error[]
}

const member =
  (batches: boolean): Client<FollowedMember> =>
  (task) => {
    const config = follow(configOf(task), { journal: memoryJournal(), logger: false })
    const { followed } = config
    const crashes: Error[] = []
    return {
      ...consumerOf(task, config, { batches, onCrash: (error) => crashes.push(error) }),
      ...{ followed, crashes },
      story: () => [
        ...[...followed.journal.read()].map(({ at, type, data, to }) => `${at} ${type} ${to} ${JSON.stringify(data)}`),
        ...crashes.map((error) => `crash: ${error.stack}`),
      ],
    }
  }

export const followedMember = member(false)
export const followedBatchMember = member(true)
