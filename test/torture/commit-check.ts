/** Commits as the coordinator tells them, held against what was handled: never past a message that was not, never backwards. */
import type { CommitSample } from '../real/harness/group-watch.ts'
import type { Account } from './account.ts'

export interface CommitCheck {
  /** Judges the samples that are old enough for everything before them to have been told. Call it now and then. */
  look(): void
  /** The newest committed offset of each partition. */
  newest(): Map<number, number>
  readonly judged: number
}

/** On a busy machine what a member tells arrives late; the times in it are right all the same. */
export const TOLD_AFTER_MS = 4000

export function createCommitCheck(
  samples: readonly CommitSample[],
  account: Account,
  violated: (sentence: string) => void,
): CommitCheck {
  const highest = new Map<number, number>()
  let judged = 0

  return {
    look() {
      const until = Date.now() - TOLD_AFTER_MS
      for (; judged < samples.length; judged += 1) {
        const sample = samples[judged]
        if (sample === undefined || sample.at > until) return
        const { partition, offset, at } = sample
        const before = highest.get(partition) ?? 0
        if (offset < before) violated(`the commit of partition ${partition} went back from ${before} to ${offset}`)
        highest.set(partition, Math.max(before, offset))
        if (account.handledAt(partition, offset) > at) {
          violated(
            `partition ${partition} was committed up to ${offset} at ${at}, when messages below were not handled (now up to ${account.handledTo(partition)})`,
          )
        }
      }
    },
    newest() {
      const found = new Map<number, number>()
      for (const { partition, offset } of samples.slice(-60)) found.set(partition, Math.max(0, offset))
      return found
    },
    get judged() {
      return judged
    },
  }
}
