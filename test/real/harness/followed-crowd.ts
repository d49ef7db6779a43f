/**
 * A crowd: one process with ten `Kafka`s on `follow`, of which the first has two groups and an admin and the others a group each, seen from the
 * test. Each group reads the whole topic. The other side is followed-crowd-main.ts.
 */
import { fileURLToPath } from 'node:url'
import { forkChild } from '../../process/child.ts'
import { createLedger, type Ledger } from './ledger.ts'
import type { Handed } from './member.ts'

export type ToCrowd =
  | { kind: 'brokers'; brokers: string[] }
  | { kind: 'start'; topic: string; groupIds: readonly string[] }
  | { kind: 'end' }

export type FromCrowd =
  | { kind: 'up' }
  | { kind: 'handed'; handed: Omit<Handed, 'signal' | 'process'> }
  | { kind: 'joined'; groupId: string }
  /** Something that no move may lead to: a crash, a warning of Node's, an admin call that failed. */
  | { kind: 'wrong'; text: string }
  /** A round of the admin's calls has ended well. */
  | { kind: 'answered' }
  | { kind: 'polled'; at: number; reason: string }
  | { kind: 'dialled'; at: number; reason: string | undefined }
  | { kind: 'left'; states: readonly string[]; tookMs: number; timerLateMs: number }

type Left = Omit<Extract<FromCrowd, { kind: 'left' }>, 'kind'>

export interface Crowd extends AsyncDisposable {
  /** By group. */
  readonly ledgers: ReadonlyMap<string, Ledger>
  /** How often each group was joined. */
  readonly joins: ReadonlyMap<string, number>
  readonly wrong: readonly string[]
  /** Rounds of the admin's calls. */
  readonly answered: number
  readonly polls: readonly { readonly at: number; readonly reason: string }[]
  /** Connections that were opened to ask where the brokers are: when. */
  readonly pollDials: readonly number[]
  /** Where the brokers are from now on. */
  tell(brokers: string[]): void
  /** Disconnects every client: what they were then, and how and after how many milliseconds the process ended, which nobody ends. */
  end(): Promise<Left & { readonly ending: string; readonly endedAfterMs: number }>
}

/** Resolves when all have joined. */
export async function startCrowd(topic: string, groupIds: readonly string[], brokers: string[]): Promise<Crowd> {
  const main = fileURLToPath(new URL('./followed-crowd-main.ts', import.meta.url))
  const ledgers = new Map(groupIds.map((groupId) => [groupId, createLedger()]))
  const joins = new Map(groupIds.map((groupId) => [groupId, 0]))
  const [wrong, polls, pollDials]: [string[], { at: number; reason: string }[], number[]] = [[], [], []]
  let answered = 0
  let left: Left | undefined
  const hear = (message: FromCrowd) => {
    if (message.kind === 'handed') note(ledgers, message.handed)
    if (message.kind === 'joined') joins.set(message.groupId, (joins.get(message.groupId) ?? 0) + 1)
    if (message.kind === 'wrong') wrong.push(message.text)
    if (message.kind === 'answered') answered += 1
    if (message.kind === 'polled') polls.push(message)
    if (message.kind === 'dialled' && message.reason === 'poll') pollDials.push(message.at)
    if (message.kind === 'left') left = message
  }
  const child = forkChild<ToCrowd, FromCrowd>({ what: 'the crowd', main, hear })
  try {
    await child.up
    child.send({ kind: 'brokers', brokers })
    child.send({ kind: 'start', topic, groupIds })
    const missing = () => groupIds.filter((groupId) => joins.get(groupId) === 0)
    await child.until(() => (missing().length > 0 ? `${missing().join(', ')} had joined; ${wrong.join()}` : undefined))
  } catch (error) {
    await child.kill()
    throw error
  }
  return {
    ...{ ledgers, joins, wrong, polls, pollDials },
    get answered() {
      return answered
    },
    tell: (told) => child.send({ kind: 'brokers', brokers: told }),
    async end() {
      child.send({ kind: 'end' })
      await child.until(() => (left === undefined ? 'its clients were disconnected' : undefined))
      const since = performance.now()
      await child.gone
      return { ...(left as Left), ending: child.ending, endedAfterMs: performance.now() - since }
    },
    [Symbol.asyncDispose]: child.kill,
  }
}

function note(ledgers: ReadonlyMap<string, Ledger>, { at = 0, ...handed }: Omit<Handed, 'signal' | 'process'>): void {
  const ledger = ledgers.get(handed.member)
  if (ledger === undefined) return
  const handOut = ledger.begin({ ...handed, process: 'crowd', startedAt: at })
  handOut.endedAt = at
  ledger.end(handOut)
}
