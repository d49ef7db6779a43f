/** The crew: three members and a guest. What a kill leaves uncommitted may be handled again, and nothing else. */
import { join } from 'node:path'
import type { Account, Attempt } from './account.ts'
import { createMember, type Member, type SourceAnswer } from './member.ts'

export interface CrewOptions {
  readonly groupId: string
  readonly topic: string
  /** Where journals and logs go; the first member's journal may be elsewhere. */
  readonly folder: string
  readonly firstJournal: string
  readonly source: () => SourceAnswer
  readonly account: () => Account
  readonly note: (attempt: Attempt) => void
  readonly violated: (sentence: string) => void
  /** What the group has committed, by partition. */
  readonly committed: () => Promise<ReadonlyMap<number, number>>
}

export interface Crew {
  readonly groupId: string
  /** Three; the last one's process lives as long as the run. */
  readonly members: readonly Member[]
  /** Those whose processes are killed. */
  readonly mortal: readonly Member[]
  /** Comes and goes. */
  readonly guest: Member
  readonly everybody: readonly Member[]
  /** Kills the member's process and notes what of its work may be done again. Most of that, over all partitions so far, is `mostUncommitted`. */
  kill(member: Member): Promise<void>
  readonly mostUncommitted: number
  /** May this message be handled again, because it was not committed when its member was killed? */
  mayRepeat(partition: number, offset: number): boolean
}

interface Allowance {
  readonly partition: number
  readonly from: number
  readonly below: number
}

const ALLOWANCES_KEPT = 100

export function createCrew(options: CrewOptions): Crew {
  const { groupId, topic, folder, firstJournal, source, account, note, violated, committed } = options
  const allowances: Allowance[] = []
  let mostUncommitted = 0
  const made = (name: string, journal: string): Member => {
    const task = { name, groupId, topic, journal, log: join(folder, `${name}.log`) }
    return createMember({ task, source, note, violated })
  }
  const members = [
    made('member-1', firstJournal),
    ...['member-2', 'member-3'].map((name) => made(name, join(folder, name))),
  ]
  const guest = made('guest', join(folder, 'guest'))

  return {
    groupId,
    members,
    mortal: members.slice(0, 2),
    guest,
    everybody: [...members, guest],
    async kill(member) {
      const process = String(member.pid)
      await member.kill()
      const ends = account().endsOf(process)
      const offsets = await committed()
      let uncommitted = 0
      for (const [partition, below] of ends) {
        const from = offsets.get(partition) ?? 0
        if (from >= below) continue
        allowances.push({ partition, from, below })
        uncommitted += below - from
      }
      allowances.splice(0, Math.max(0, allowances.length - ALLOWANCES_KEPT))
      mostUncommitted = Math.max(mostUncommitted, uncommitted)
    },
    get mostUncommitted() {
      return mostUncommitted
    },
    mayRepeat: (partition, offset) =>
      allowances.some((one) => one.partition === partition && offset >= one.from && offset < one.below),
  }
}
