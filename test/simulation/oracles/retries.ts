// A handler that has failed: it is called again within the wait that is due, unless somebody else decides.

import type { Sighting } from '../sighting.ts'
import { type Oracle, Table } from './oracle.ts'

/** What SPEC's table of loops says: 250 ms doubling to 30 s. */
const longestWaitMs = (tries: number): number => Math.min(30_000, 250 * 2 ** (tries - 1))

const longAgo = Number.NEGATIVE_INFINITY

/** With these nothing is handed out until there is an assignment. */
const endsAssignment: ReadonlySet<string> = new Set([
  ...['group.rebalancing', 'join.requested', 'member.lost', 'member.fenced', 'session.stalled', 'session.failed'],
  ...['session.fenced', 'subscription.changed', 'rebuild.unproven', 'stop.requested', 'partitions.lost'],
  ...['partitions.revoked', 'journal.failed'],
])

/** When the handler of each partition, which has failed, is called again at the latest. */
export class Retries {
  private readonly due = new Table(() => ({ from: -1, tries: 0, at: longAgo }))
  /** Lives that end: a handler that was given up may settle after that. */
  private readonly ending = new Set<string>()

  see(sighting: Sighting, at: number): void {
    if (sighting.type === 'stop-asked' || sighting.type === 'crashed') this.ending.add(sighting.life)
    if (sighting.type === 'threw' && !this.ending.has(sighting.life)) {
      const { life, partition, from } = sighting
      const retry = this.due.of(life, partition)
      const tries = retry.from === from ? retry.tries + 1 : 1
      Object.assign(retry, { from, tries, at: at + longestWaitMs(tries) })
    }
    if (sighting.type === 'undecided' || sighting.type === 'retried') {
      const retry = this.due.of(sighting.life, sighting.partition)
      if (sighting.type === 'undecided') retry.tries++
      retry.at = at + longestWaitMs(retry.tries)
    }
    const ends: readonly string[] = ['started', 'handled', 'asked', 'paused', 'sought']
    if (ends.includes(sighting.type)) {
      const { life, partition } = sighting as { life: string; partition: number }
      this.due.of(life, partition).at = longAgo
    }
    if (sighting.type === 'removed') this.forget('', ` ${sighting.partition}`)
    if (sighting.type === 'stands-still') {
      for (const [key, retry] of this.due) if (key.startsWith(`${sighting.life} `)) retry.at += sighting.forMs
    }
    const isOver =
      ['assigned', 'join-sent', 'crashed', 'stop-asked'].includes(sighting.type) ||
      (sighting.type === 'fact' && endsAssignment.has(sighting.fact))
    if (isOver) this.forget(`${(sighting as { life: string }).life} `)
  }

  /** The latest moment of the next call; long ago where none is due. */
  at(life: string, partition: number): number {
    return this.due.of(life, partition).at
  }

  /** The latest of all. */
  get latest(): number {
    return Math.max(0, ...[...this.due].map(([, { at }]) => at))
  }

  /** Those whose time is over, which are told once. */
  late(at: number): string[] {
    return [...this.due].filter(([, retry]) => retry.at > longAgo && retry.at < at).map(([key]) => key)
  }

  /** What is late has its reason. */
  excuse(life: string, at: number): void {
    for (const [key, retry] of this.due)
      if (key.startsWith(`${life} `) && retry.at > longAgo) retry.at = Math.max(retry.at, at)
  }

  /** Nothing is due. The tries go on: whether they begin anew, only the consumer knows, and fewer of them only make it come earlier. */
  private forget(start: string, end = ''): void {
    for (const [key, retry] of this.due) if (key.startsWith(start) && key.endsWith(end)) retry.at = longAgo
  }
}

/** A call waits for a slot, and what was fetched before is looked at first. */
const slackMs = 2000

/** K3: a handler that has failed is called again within its wait. Where others are at work, they may have its slot. */
export function failedComesAgain(): Oracle {
  const retries = new Retries()
  const atWork = new Table(() => new Set<string>())
  return {
    id: 'K3',
    see(sighting, at) {
      retries.see(sighting, at)
      if (sighting.type === 'started') atWork.of(sighting.life).add(`message ${sighting.partition}`)
      if (sighting.type === 'handled' || sighting.type === 'threw')
        atWork.of(sighting.life).delete(`message ${sighting.partition}`)
      if (sighting.type === 'called') atWork.of(sighting.life).add(`batch ${sighting.partition}`)
      if (sighting.type === 'returned') atWork.of(sighting.life).delete(`batch ${sighting.partition}`)
      for (const [life, works] of atWork) if (works.size > 0) retries.excuse(life, at)
      const [late] = retries.late(at - slackMs)
      if (late === undefined) return undefined
      const [life, partition] = late.split(' ')
      retries.excuse(life ?? '', at)
      return `${life} has not called the handler of partition ${partition} again, which has failed`
    },
  }
}
