/** The clients that are compared, and how one of them is started for a trial: its processes, its members, its ledger. */
import type { AnyRecord } from '../../src/index.ts'
import { createLedger, type Ledger } from '../real/harness/ledger.ts'
import { type Member, type MemberTask, recorded } from '../real/harness/member.ts'
import { until, within } from '../real/harness/until.ts'
import { type NodeClient, type SentOptions, startClientProcess } from './client-process.ts'
import { javaMember } from './java-member.ts'

export const clientNames = [
  'relisten-1',
  'relisten-3',
  'kafkajs-list',
  'kafkajs-function',
  'kafkajs-rebuild',
  'kafkajs-followed',
  'platformatic',
  'java',
] as const

export type ClientName = (typeof clientNames)[number]

export interface ClientKind {
  readonly title: string
  readonly members: number
  readonly runs: NodeClient | 'java'
  /** Whether it can be told new addresses while it runs. */
  readonly knows: 'a list' | 'a function'
  /** How it is set up beside its defaults, for the reader. */
  readonly settings: string
}

export const clientKinds: Readonly<Record<ClientName, ClientKind>> = {
  'relisten-1': {
    title: 'relisten, one member',
    members: 1,
    runs: 'relisten',
    knows: 'a function',
    settings: 'defaults',
  },
  'relisten-3': {
    title: 'relisten, three members',
    members: 3,
    runs: 'relisten',
    knows: 'a function',
    settings: 'defaults; the three members in one process',
  },
  'kafkajs-list': {
    title: 'KafkaJS, list',
    members: 1,
    runs: 'kafkajs',
    knows: 'a list',
    settings: '`heartbeatInterval`, `maxWaitTimeInMs` and `partitionsConsumedConcurrently` as relisten',
  },
  'kafkajs-function': {
    title: 'KafkaJS, `brokers` function',
    members: 1,
    runs: 'kafkajs',
    knows: 'a function',
    settings: 'the same',
  },
  'kafkajs-rebuild': {
    title: 'KafkaJS, polled and rebuilt',
    members: 1,
    runs: 'kafkajs-rebuild',
    knows: 'a function',
    settings:
      'the same; asks each second where the brokers are, stops the old consumer by a deadline of 5 s, makes a new one',
  },
  'kafkajs-followed': {
    title: 'KafkaJS on `follow`',
    members: 1,
    runs: 'kafkajs-followed',
    knows: 'a function',
    settings: '`heartbeatInterval`, `maxWaitTimeInMs` and `partitionsConsumedConcurrently` as relisten',
  },
  platformatic: {
    title: '@platformatic/kafka with a rebuild loop',
    members: 1,
    runs: 'platformatic',
    knows: 'a function',
    settings:
      'session timeout 30 s, heartbeats and waits as relisten, commits each second; created again 1 s after its stream ended',
  },
  java: {
    title: 'Java client',
    members: 1,
    runs: 'java',
    knows: 'a list',
    settings: 'session timeout 30 s, heartbeats and waits as relisten, commits each second',
  },
}

/** One client in one trial. */
export interface Side {
  readonly name: ClientName
  readonly ledger: Ledger
  readonly members: readonly Member[]
  /** What the members of relisten told, oldest first. */
  readonly facts: readonly (readonly AnyRecord[])[]
  readonly groupId: string
  generation(): number
  /** Resolves by a deadline of 10 s; what has not stopped by then is killed. */
  stop(): Promise<void>
}

export interface SideTask extends Pick<MemberTask, 'brokers' | 'topic'> {
  readonly groupId: string
  readonly partitions: readonly number[]
  readonly options?: SentOptions
}

/** What every client is set to where relisten's defaults differ from KafkaJS's. */
const common = { heartbeatInterval: 1000, maxWaitTimeInMs: 250, partitionsConsumedConcurrently: 3 }

/** Resolves when all members have joined and every partition is owned. */
export async function startSide(name: ClientName, { partitions, ...task }: SideTask): Promise<Side> {
  const kind = clientKinds[name]
  const ledger = createLedger()
  const tasks = Array.from({ length: kind.members }, (_, index): MemberTask => {
    const options = { ...common, ...task.options }
    return { ...task, name: `${name}-${index + 1}`, handle: recorded(ledger), options }
  })
  const { members, kill } = await make(kind.runs, tasks)
  const stop = async () => {
    await within(10_000, 'The stop', Promise.all(members.map((member) => member.stop()))).catch(() => {})
    await kill()
  }
  try {
    await within(60_000, `The join of ${kind.title}`, Promise.all(members.map((member) => member.start())))
    await until(() => {
      const owned = members.flatMap((member) => member.partitions())
      const missing = partitions.filter((partition) => !owned.includes(partition))
      return missing.length > 0 || owned.length > partitions.length ? `${kind.title} with all partitions` : undefined
    })
  } catch (error) {
    await kill()
    throw error
  }
  return {
    name,
    ledger,
    members,
    facts: members.flatMap((member) => ('facts' in member ? [member.facts as readonly AnyRecord[]] : [])),
    groupId: task.groupId,
    generation: () => Math.max(...members.map((member) => member.generation())),
    stop,
  }
}

async function make(runs: ClientKind['runs'], tasks: readonly MemberTask[]) {
  if (runs === 'java') {
    const members = await Promise.all(tasks.map(javaMember))
    return { members, kill: async () => void (await Promise.all(members.map((member) => member.kill()))) }
  }
  const process = await startClientProcess(runs)
  return { members: tasks.map((task) => process.member(task)), kill: process.kill }
}
