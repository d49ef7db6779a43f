/** The lives that a journal tells of: its chain checked, each life replayed, and where the brokers were last. */
import { lifecycleMachine } from '../../../machines/lifecycle.ts'
import { membershipMachine } from '../../../machines/membership.ts'
import { foldOf } from '../../../machines/replay.ts'
import { stateName } from '../../../machines/state-value.ts'
import { fileJournal, type JournalRecord } from '../../../src/index.ts'
import { brokenChain, chainStart } from '../../../src/journal/journal.ts'
import { replay } from '../../machines/replay.ts'

export interface ToldLives {
  /** The records of each life, from its start on. */
  readonly lives: readonly (readonly JournalRecord[])[]
  /** Node id → endpoint, as of the last record. */
  readonly brokers: ReadonlyMap<number, string>
  /** Sentences on what is wrong with chain or replay. */
  readonly violations: readonly string[]
}

/** Reads a journal that nobody writes now. */
export function toldLives(path: string): ToldLives {
  const journal = fileJournal(path)
  const records = [...journal.read()]
  journal.close()
  const violations: string[] = []
  const lives: JournalRecord[][] = []
  const brokers = new Map<number, string>()
  let end: Pick<JournalRecord, 'seq' | 'checksum'> = chainStart
  for (const record of records) {
    const broken = brokenChain(record, end)
    if (broken !== undefined) violations.push(`the chain breaks at record ${record.seq}: ${broken}`)
    end = record
    if (record.type === 'actor.started' && isOfConsumer(record)) lives.push([])
    lives.at(-1)?.push(record)
    place(brokers, record)
  }
  for (const [index, life] of lives.entries()) {
    try {
      const { value } = replay(lifecycleMachine, life)
      if (stateName(value) !== life.findLast(isOfConsumer)?.to)
        violations.push(`life ${index + 1} replays to ${stateName(value)}`)
      const membership = foldOf(membershipMachine, 'membership')
      for (const record of life) membership.take(record)
    } catch (error) {
      violations.push(`life ${index + 1} does not replay: ${error}`)
    }
  }
  return { lives, brokers, violations }
}

export const isOfConsumer = ({ actor }: JournalRecord): boolean => actor === 'consumer'

function place(brokers: Map<number, string>, { type, data }: JournalRecord): void {
  if (type === 'cluster.reached') {
    brokers.clear()
    for (const [nodeId, endpoint] of Object.entries(data.brokers as Record<number, string>)) {
      brokers.set(Number(nodeId), endpoint)
    }
  }
  if (type === 'cluster.moved') {
    for (const { nodeId, to } of data.moves as readonly { nodeId: number; to: string }[]) brokers.set(nodeId, to)
  }
  if (type === 'link.reconnected') brokers.set(data.nodeId as number, data.endpoint as string)
}
