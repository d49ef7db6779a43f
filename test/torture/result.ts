/** The result of a run: a table for people, the same as data, and whether it holds. */
import Table from 'cli-table3'
import { checkedOutCommit } from '../checkout.ts'
import type { Log } from '../real/harness/ground-truth.ts'
import type { Account } from './account.ts'
import type { Crew } from './crew.ts'
import { CALM, type Done, type Gap, NOTED_MS } from './gaps.ts'
import type { LeakWatch } from './leak-watch.ts'
import type { Story } from './story.ts'

export interface Evidence {
  readonly version: string
  readonly seed: number
  readonly minutes: number
  readonly only: readonly string[] | undefined
  readonly tookMs: number
  readonly done: readonly Done[]
  readonly byKind: ReadonlyMap<string, { readonly worst: Gap; readonly own: Gap }>
  readonly account: Account
  readonly crew: Crew
  readonly story: Story
  readonly leaks: LeakWatch
  readonly log: Log
  readonly lost: number
  readonly commitSamples: number
  readonly coordinatorChanges: number
  readonly finishedWell: boolean
  readonly withoutDisk: boolean
  readonly interrupted: boolean
}

/** One kind of action. Times in milliseconds. */
export interface KindResult {
  readonly kind: string
  readonly isMove: boolean
  readonly times: number
  /** Longest silence of any partition. */
  readonly worstGapMs: number
  /** For how long of that one the log did not grow. */
  readonly logMs: number
  /** Longest silence less the log's share of it. */
  readonly worstOwnGapMs: number
  /** Longest time from the end of the action until every partition had handled a message sent after it. */
  readonly worstBackMs: number
  /** What that may be at most. */
  readonly backWithinMs: number
}

export interface Figures {
  /** When the run ended, as ISO 8601. */
  readonly at: string
  readonly commit?: string
  /** What a reader has to know about the run; written by hand. */
  readonly note?: string
  readonly kafka: string
  readonly node: string
  readonly seed: number
  readonly minutes: number
  readonly tookMs: number
  readonly messages: number
  readonly handled: number
  readonly lost: number
  readonly moves: number
  readonly faults: number
  readonly kinds: readonly KindResult[]
  /** Longest silence while nothing was done. */
  readonly calmGapMs: number
  readonly worstGapMs: number
  readonly worstGapKind: string
  readonly worstOwnGapMs: number
  readonly worstOwnGapKind: string
  readonly handledAgainWithinBound: number
  readonly handledAgainBeyond: number
  readonly mostUncommittedAtKill: number
  readonly commitSamples: number
  readonly coordinatorChanges: number
  readonly calmPoints: number
  readonly most: LeakWatch['most']
  readonly violations: readonly string[]
  readonly isWhole: boolean
}

export interface Result {
  readonly figures: Figures
  readonly text: string
  readonly holds: boolean
}

export function resultOf(evidence: Evidence): Result {
  const { done, byKind, account, crew, story, leaks, log, lost, tookMs, minutes, seed, version } = evidence
  const kinds = [...new Set(done.map(({ kind }) => kind))]
    .map((kind) => kindResult(evidence, kind))
    .toSorted((one, other) => Number(other.isMove) - Number(one.isMove) || one.kind.localeCompare(other.kind))
  const none = { worstGapMs: 0, worstOwnGapMs: 0, kind: CALM }
  const worst = kinds.reduce((most, each) => (each.worstGapMs > most.worstGapMs ? each : most), none)
  const own = kinds.reduce((most, each) => (each.worstOwnGapMs > most.worstOwnGapMs ? each : most), none)
  const commit = checkedOutCommit()
  const figures: Figures = {
    at: new Date().toISOString(),
    ...(commit !== undefined && { commit }),
    kafka: version,
    node: process.version,
    ...{ seed, minutes, tookMs, lost, kinds },
    messages: [...log.values()].reduce((sum, { sequences }) => sum + sequences.length, 0),
    handled: account.handled,
    moves: done.filter(({ isMove }) => isMove).length,
    faults: done.filter(({ isMove }) => !isMove).length,
    calmGapMs: byKind.get(CALM)?.worst.ms ?? 0,
    worstGapMs: worst.worstGapMs,
    worstGapKind: worst.kind,
    worstOwnGapMs: own.worstOwnGapMs,
    worstOwnGapKind: own.kind,
    handledAgainWithinBound: account.repeats,
    handledAgainBeyond: account.repeatsBeyond,
    mostUncommittedAtKill: crew.mostUncommitted,
    commitSamples: evidence.commitSamples,
    coordinatorChanges: evidence.coordinatorChanges,
    calmPoints: leaks.calmPoints,
    most: leaks.most,
    violations: story.violations,
    isWhole: evidence.finishedWell && !evidence.interrupted,
  }
  const holds = figures.isWhole && story.violations.length === 0
  return { figures, holds, text: [...tables(figures), ...verdict(evidence, figures, holds)].join('\n') }
}

function kindResult({ done, byKind }: Evidence, kind: string): KindResult {
  const all = done.filter((one) => one.kind === kind)
  const { worst, own } = byKind.get(kind) ?? {}
  return {
    kind,
    isMove: all[0]?.isMove === true,
    times: all.length,
    worstGapMs: worst?.ms ?? 0,
    logMs: worst?.logMs ?? 0,
    worstOwnGapMs: own === undefined ? 0 : own.ms - own.logMs,
    worstBackMs: Math.max(0, ...all.filter(({ to }) => Number.isFinite(to)).map(({ overAt, to }) => to - overAt)),
    backWithinMs: all[0]?.backWithinMs ?? 0,
  }
}

function tables(figures: Figures): string[] {
  const style = { head: [], border: [], compact: true }
  const byKind = new Table({
    head: ['what was done', 'times', 'worst gap', 'log stood still', 'worst own gap', 'back after', 'bound'],
    colAligns: ['left', ...Array<'right'>(6).fill('right')],
    style,
  })
  for (const each of figures.kinds) {
    const { kind, times, worstGapMs, logMs, worstOwnGapMs, worstBackMs, backWithinMs } = each
    byKind.push([
      kind,
      times,
      seconds(worstGapMs),
      seconds(logMs),
      seconds(worstOwnGapMs),
      seconds(worstBackMs),
      seconds(backWithinMs),
    ])
  }
  byKind.push([CALM, '', seconds(figures.calmGapMs), '', '', '', ''])
  const sums = new Table({ colAligns: ['left', 'right'], style })
  const { most } = figures
  sums.push(
    ['Kafka', figures.kafka],
    ['seed', figures.seed],
    ['took', `${(figures.tookMs / 60_000).toFixed(1)} min`],
    ['messages in the log', figures.messages],
    ['moves', figures.moves],
    ['other faults survived', figures.faults],
    ['worst gap', `${seconds(figures.worstGapMs)} (${figures.worstGapKind})`],
    ['worst gap without the log’s own standstill', `${seconds(figures.worstOwnGapMs)} (${figures.worstOwnGapKind})`],
    ['lost', figures.lost],
    ['handled twice, uncommitted when its member was killed', figures.handledAgainWithinBound],
    ['handled twice otherwise', figures.handledAgainBeyond],
    ['most messages uncommitted at one kill', figures.mostUncommittedAtKill],
    ['commits looked at', figures.commitSamples],
    ['most sockets, timers, listeners of a member when calm', `${most.sockets}, ${most.timers}, ${most.listeners}`],
    ['most heap of a member when calm, growth', `${mb(most.heapBytes)}, ${mb(most.heapGrowthBytes)}`],
    ['violations', figures.violations.length],
  )
  return [
    byKind.toString(),
    'gap: longest time a partition handed out nothing. log stood still: how much of that gap its log did not grow. own gap: without that.',
    `–: none of ${NOTED_MS} ms.`,
    'back: from the end of the action until every partition had handled a message sent after it.',
    '',
    sums.toString(),
  ]
}

function verdict({ story, withoutDisk, interrupted, only }: Evidence, figures: Figures, holds: boolean): string[] {
  const { seed, minutes, kafka } = figures
  const words = only === undefined ? '' : ` --only "${only.join(', ')}"`
  return [
    ...(withoutDisk ? ['The full disk was left out: this process may not mount one of its own.'] : []),
    ...story.violations.map((sentence) => `VIOLATION: ${sentence}`),
    ...(story.files.length > 0 ? [`What was told around the first violations: ${story.files.join(' ')}`] : []),
    holds
      ? 'Nothing was lost, every invariant held.'
      : `${interrupted && story.violations.length === 0 ? 'Interrupted; up to then nothing was lost and every invariant held.' : 'It does NOT hold.'} Repeat: npm run torture -- --minutes ${minutes} --kafka ${kafka} --seed ${seed}${words}`,
  ]
}

/** Shorter gaps than `NOTED_MS` are not kept. */
const seconds = (ms: number) => (ms === 0 ? '–' : `${(ms / 1000).toFixed(2)} s`)
const mb = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MB`
