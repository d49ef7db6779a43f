/** The plan of a benchmark: which clients go through which changes, how often, on which stage, and about how long that takes. */
import { type ChangeName, changeNames, changes } from './change.ts'
import { type ClientName, clientNames } from './client.ts'
import { type CostRow, costRows } from './costs/measure.ts'
import { sizes } from './growth/growth.ts'
import type { Boot } from './row.ts'
import type { StageName } from './stage.ts'

export interface PlannedTrial {
  readonly stage: StageName
  readonly change: ChangeName
  readonly boot: Boot
  readonly clients: readonly ClientName[]
  readonly rounds: number
  readonly watchMs: number
  /** What it shows is drawn for the README; it gives no row. */
  readonly isPicture?: true
}

export interface PlannedProducers extends Pick<PlannedTrial, 'stage' | 'change' | 'rounds'> {}

export interface PlanOptions {
  /** Five minutes, without Java. */
  readonly quick: boolean
  /** Names of clients, changes or stages, `costs` or rows of them, `growth`, `picture`; empty for everything. */
  readonly only: readonly string[]
  /** Every other client by itself too, not all of them through the same move. */
  readonly apart: boolean
}

const rowsOfCosts = Object.keys(costRows) as CostRow[]
const isApart = (name: string): boolean => ['growth', 'picture', 'producers', 'costs', ...rowsOfCosts].includes(name)

/** What can be asked for with `--only`. */
export const parts: readonly string[] = [
  ...clientNames,
  ...changeNames,
  'moved',
  'stable',
  'tls',
  'costs',
  ...rowsOfCosts,
  'growth',
  'picture',
  'producers',
]

const WATCH_MS = 40_000
const QUICK_WATCH_MS = 30_000
const STAGE_START_MS = 15_000
/** Start of the clients, steady state, end and reading of the log. */
const AROUND_MS = 16_000
const WINDOW_MS = 2700

const frontChanges: readonly ChangeName[] = ['instant-fin', 'instant-rst', 'black-hole', 'overlap', 'node-by-node']
const restartChanges: readonly ChangeName[] = ['rolling-restart', 'all-restarted']

export function planOf({ quick, only, apart }: PlanOptions): PlannedTrial[] {
  const all = quick ? quickPlan() : fullPlan(apart)
  const wanted = (kind: readonly string[], has: readonly string[]) => {
    const asked = only.filter((name) => kind.includes(name))
    return asked.length === 0 || asked.some((name) => has.includes(name))
  }
  const pictures = only.includes('picture') || (only.length === 0 && !quick) ? [picture] : []
  if (only.length > 0 && only.every(isApart)) return pictures
  const rows = all.filter(
    ({ stage, change, boot, clients }) =>
      wanted(clientNames, clients) &&
      wanted(changeNames, [change]) &&
      wanted(['moved', 'stable'], [boot]) &&
      (!only.includes('tls') || stage === 'tls'),
  )
  return [...rows, ...pictures]
}

/** The two of the picture go through one and the same move, both with the function that tells the addresses in force. */
const picture: PlannedTrial = {
  ...{ stage: 'front', change: 'instant-fin', boot: 'moved', clients: ['relisten-1', 'kafkajs-function'] },
  ...{ rounds: 1, watchMs: WATCH_MS, isPicture: true },
}

/** Rows that a quick run has time for. */
const quickCosts: readonly CostRow[] = ['throughput', 'poll-bytes', 'import']

/** The rows of the costs that are measured as well. */
export function costsOf({ quick, only }: PlanOptions): readonly CostRow[] {
  const whole = quick ? quickCosts : rowsOfCosts
  return only.length === 0 || only.includes('costs') ? whole : rowsOfCosts.filter((row) => only.includes(row))
}

/** The sizes of clusters that growth is measured on; none in a quick run that does not ask for it. */
export function growthOf({ quick, only }: PlanOptions): { readonly brokers: number; readonly partitions: number }[] {
  if (!only.includes('growth') && (quick || only.length > 0)) return []
  const some = <Size>(list: readonly Size[]) => (quick ? list.slice(0, 2) : list)
  return some(sizes.brokers).flatMap((brokers) => some(sizes.partitions).map((partitions) => ({ brokers, partitions })))
}

/** The changes that producers go through, and how often. */
export function producerTrialsOf({ quick, only }: PlanOptions): PlannedProducers[] {
  if (!only.includes('producers') && (quick || only.length > 0)) return []
  return [
    { stage: 'front', change: 'instant-fin', rounds: quick ? 2 : 10 },
    { stage: 'front', change: 'black-hole', rounds: quick ? 1 : 4 },
    { stage: 'restarts', change: 'rolling-restart', rounds: 1 },
  ]
}

/** About how long it takes, in milliseconds. */
export function estimate({ change, clients, rounds, watchMs }: PlannedTrial): number {
  const alone = clients.length === 1
  return AROUND_MS + rounds * (changes[change].roundMs + WINDOW_MS) + (alone ? 0 : watchMs)
}

/** The same for the costs, for one size of a cluster, and for starting a stage. */
export const costsMs = (quick: boolean): number => (quick ? 90_000 : 900_000)
export const growthMs = 60_000
export const producersMs = 90_000
export const stageStartMs = STAGE_START_MS

function fullPlan(apart: boolean): PlannedTrial[] {
  const front = (['moved', 'stable'] as const).flatMap((boot) =>
    frontChanges.flatMap((change) => {
      const rounds = boot === 'moved' && change === 'instant-fin' ? 20 : Math.ceil(10 / changes[change].movesPerRound)
      const base = { stage: 'front' as const, change, boot, watchMs: WATCH_MS }
      const three = boot === 'moved' || change === 'instant-fin'
      return [
        { ...base, clients: ['relisten-1' as const], rounds },
        ...(three ? [{ ...base, clients: ['relisten-3' as const], rounds }] : []),
        ...besides(base, apart),
      ]
    }),
  )
  const evicted = (['relisten-1', 'relisten-3'] as const).map((client) => alone('front', 'evicted', client, 10))
  const tls = (['relisten-1', 'relisten-3'] as const).map((client) => alone('tls', 'instant-fin', client, 20))
  const restarts = (['moved', 'stable'] as const).flatMap((boot) =>
    restartChanges.flatMap((change) => {
      const base = { stage: 'restarts' as const, change, boot, watchMs: WATCH_MS }
      const rounds = change === 'rolling-restart' ? 4 : boot === 'moved' ? 10 : 4
      return [
        { ...base, clients: ['relisten-1' as const], rounds },
        ...(boot === 'moved' ? [{ ...base, clients: ['relisten-3' as const], rounds: Math.min(rounds, 5) }] : []),
        // the one it is compared with has as many moves
        ...(change === 'rolling-restart' && boot === 'moved' ? [{ ...base, clients: ['java' as const], rounds }] : []),
        ...besides(base, apart),
      ]
    }),
  )
  return [...front, ...evicted, ...tls, ...restarts]
}

function quickPlan(): PlannedTrial[] {
  const others: ClientName[] = [
    'relisten-1',
    'kafkajs-list',
    'kafkajs-function',
    'kafkajs-rebuild',
    'kafkajs-followed',
    'platformatic',
  ]
  const base = { stage: 'front', change: 'instant-fin', boot: 'moved', watchMs: QUICK_WATCH_MS } as const
  return [
    alone('front', 'instant-fin', 'relisten-1', 10),
    alone('front', 'instant-fin', 'relisten-3', 5),
    { ...base, clients: others, rounds: 1 },
    alone('front', 'black-hole', 'relisten-1', 2),
    alone('restarts', 'rolling-restart', 'relisten-1', 1),
  ]
}

const alone = (stage: StageName, change: ChangeName, client: ClientName, rounds: number): PlannedTrial => ({
  ...{ stage, change, boot: 'moved', clients: [client], rounds, watchMs: WATCH_MS },
})

/** The others, and one relisten member beside them, through one and the same move. */
function besides(base: Omit<PlannedTrial, 'clients' | 'rounds'>, apart: boolean): PlannedTrial[] {
  const others = clientNames.filter(
    (name) => name !== 'relisten-3' && !(base.boot === 'stable' && name === 'kafkajs-function'),
  )
  const groups = apart
    ? others.filter((name) => name !== 'relisten-1').map((name) => ['relisten-1' as const, name])
    : [others]
  return groups.map((clients) => ({ ...base, clients, rounds: 1 }))
}
