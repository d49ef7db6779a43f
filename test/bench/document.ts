/** BENCHMARKS.md, rendered from the results. Nothing in it is written by hand. */
import type { PlanFigures } from '../balancer/plan-figures.ts'
import type { Figures as Torture } from '../torture/result.ts'
import { changeNames, changes } from './change.ts'
import { type ClientName, clientKinds, clientNames } from './client.ts'
import { type GoalFigure, isMet } from './goal.ts'
import { moveGoals } from './goals.ts'
import { growthSection } from './growth-section.ts'
import { number, table } from './markdown-table.ts'
import { plansSection } from './plans-section.ts'
import { producerGoals } from './producers/producer-trial.ts'
import { producersSection } from './producers-section.ts'
import type { BenchRun, Results } from './results.ts'
import type { Boot, Row } from './row.ts'
import { sideBySideSection } from './side-by-side.ts'
import { type StageOfMove, stageNames } from './stage-times.ts'
import type { Spread } from './statistics.ts'
import { tortureSection } from './torture-section.ts'

/** `torture` is the result of the endurance run, `plans` that of the balancer's plans, when there is one. */
export function renderDocument(results: Results, torture?: Torture, plans?: PlanFigures): string {
  const { rows, stages, costs, growth = [], producers = [] } = results
  const madeOn = (at: string) => whenAndWhat(results, at)
  const sections = [
    `# Benchmarks\n\n${origin(results)}`,
    ...sideBySideSection(rows, madeOn),
    `## Goals\n\n${goalTable([...moveGoals(rows), ...producerGoals(producers), ...costs], madeOn)}`,
    `## Gaps\n\n${gapIntroduction}\n\n![Gaps per change and client](benchmarks/gaps.svg)`,
    ...(['moved', 'stable'] as const).flatMap((boot) => bootSection(rows, boot, madeOn)),
    ...secureSection(rows, madeOn),
    ...(producers.length > 0 ? [producersSection(producers, madeOn)] : []),
    ...(stages.length > 0 ? [stageSection(results, madeOn)] : []),
    ...(growth.length > 0 ? [growthSection(growth, madeOn)] : []),
    ...(plans ? [plansSection(plans)] : []),
    `## The clients\n\n${clientTable()}`,
    ...(torture ? [tortureSection(torture)] : []),
  ]
  return `${sections.join('\n\n')}\n`
}

function origin({ runs, versions, machine }: Results): string {
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    'Written by the benchmark from `benchmarks/results.json`; do not edit.',
    '',
    '| began | commit | command | took |',
    '|---|---|---|---|',
    ...runs.map(
      ({ command, date, minutes, commit = 'not recorded' }) =>
        `| ${moment(date)} | ${commit} | \`${command}\` | ${Math.round(minutes)} minutes |`,
    ),
    '',
    'A part that is measured again replaces its figures, and no others: each table says which run it is of. Of a commit with `~` it was not recorded what was checked out: it is the newest',
    'one when the run began. With `+`, files differed from it.',
    '',
    '| | |\n|---|---|',
    `| versions | ${used.join(', ')} |`,
    `| machine | ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.platform}; brokers, producer and clients share it |`,
    '| cluster | one controller, three brokers, replication 3, loopback addresses |',
    '| load | 200 messages a second into 6 partitions: one message each 30 ms per partition |',
  ].join('\n')
}

const moment = (date: string): string => `${date.slice(0, 16).replace('T', ' ')} UTC`

/** When something was measured, and on which commit: that of the run it falls into. */
function whenAndWhat({ runs }: Results, at: string): string {
  const isOf = ({ date, minutes }: BenchRun) =>
    Date.parse(at) >= Date.parse(date) && Date.parse(at) <= Date.parse(date) + (minutes + 1) * 60_000
  return `${at.slice(0, 10)}, commit ${runs.find(isOf)?.commit ?? 'not recorded'}`
}

function goalTable(figures: readonly GoalFigure[], madeOn: (at: string) => string): string {
  if (figures.length === 0) return 'Nothing was measured that a goal is about.'
  const met = figures.filter(isMet).length
  const lines = figures.map((figure) => [
    figure.goal,
    figure.name,
    boundOf(figure),
    `${number(figure.value)} ${figure.unit}`,
    verdictOf(figure),
    [figure.reference, figure.note].filter(Boolean).join('; '),
    figure.at === undefined ? '' : madeOn(figure.at),
  ])
  return `${met} of ${figures.length} figures are within their goals. Those for moves are about relisten alone on the machine, most of them about what a move adds to the steady state of the same
run; they are not to be set beside the figures of other clients, which "Side by side" does.

${table(['what', 'figure', 'goal', 'measured', '', 'beside it', 'of'], lines)}`
}

export function verdictOf(figure: GoalFigure): string {
  if (figure.most === undefined && figure.least === undefined) return ''
  return isMet(figure) ? 'met' : '**not met**'
}

export function boundOf({ most, least, unit }: GoalFigure): string {
  const parts = [
    least === undefined ? [] : `≥ ${number(least)} ${unit}`,
    most === undefined ? [] : `≤ ${number(most)} ${unit}`,
  ]
  return parts.flat().join(', ')
}

const gapIntroduction = `A gap is the longest time between two messages that a partition's handler was given, which touches a move; in brackets, how far it is above
the longest such time without a move in the same run. Median, 99 % and worst are over all partitions and moves. All silences end with a
message, so each includes up to 30 ms in which there was none. "Beside each other" means: the clients read the same topic and went through one and the same move, and each was watched for the
time given. "Alone" means: the client was the only one on the machine, and went through many moves. Set only figures of one table side by side. A client that is not back did not have messages of all
partitions at the end of that time. "Log": the longest time in which the log of a partition did not grow, which is no consumer's doing. Lost is counted against the log read again at the end; for a client
that is not back only below the last message it handled, the rest is unread. Twice: messages that the same process had handled before, and that any member of the group had. Three members of
relisten live in one process.`

function bootSection(rows: readonly Row[], boot: Boot, madeOn: (at: string) => string): string[] {
  const title =
    boot === 'moved'
      ? '### Boot list moved\n\nThe addresses that a client was started with move with the others. Clients that take a function are told the addresses in force; lists are obsolete after the first move.'
      : '### Boot list stable\n\nEvery client has a list of three addresses that never move and always lead to a living broker.'
  const parts = changeNames.flatMap((change) => {
    const found = ordered(rows.filter((row) => row.change === change && row.boot === boot && !row.secure))
    return found.length === 0
      ? []
      : [`#### ${capital(changes[change].title)}\n\n${changes[change].happens}\n\n${rowTables(found, madeOn)}`]
  })
  return parts.length === 0 ? [] : [title, ...parts]
}

function secureSection(rows: readonly Row[], madeOn: (at: string) => string): string[] {
  const found = ordered(rows.filter(({ secure }) => secure))
  if (found.length === 0) return []
  return [
    `### Over TLS with SCRAM-SHA-512\n\nInstant, closed (FIN), boot list moved. TLS ends at the front, the login goes through to the brokers.\n\n${rowTables(found, madeOn)}`,
  ]
}

const ordered = (rows: readonly Row[]) =>
  rows.toSorted((one, other) => clientNames.indexOf(one.client) - clientNames.indexOf(other.client))

/** Those that went through one and the same move, and those that were alone, which are not to be compared with them. */
function rowTables(rows: readonly Row[], madeOn: (at: string) => string): string {
  const parts = [
    ['Beside each other, one and the same move', rows.filter(({ alone }) => !alone)],
    ['Alone on the machine', rows.filter(({ alone }) => alone)],
  ] as const
  return parts
    .flatMap(([title, part]) => {
      const dates = [...new Set(part.map(({ at }) => madeOn(at)))]
      return part.length === 0 ? [] : [`${title} (${dates.join('; ')}):\n\n${rowTable(part)}`]
    })
    .join('\n\n')
}

function rowTable(rows: readonly Row[]): string {
  const answered = rows.some(({ afterAnswer }) => afterAnswer !== undefined)
  const head = ['client', 'moves', 'median', '99 %', 'worst', 'steady state: 99 %, worst', 'log: median, worst']
  const rest = ['lost', 'twice: same process', 'twice: group', 'rebalances']
  return table(
    [...head, ...(answered ? ['after the brokers answer: median, worst'] : []), ...rest],
    rows.map((row) => [
      titleOf(row.client),
      row.moves,
      ...(row.back
        ? (['median', 'p99', 'worst'] as const).map(
            (which) => `${number(row.gap[which])} (${number(row.above[which])})`,
          )
        : [`not back in ${Math.round((row.watchMs || 60_000) / 1000)} s`, '', '']),
      pair(row.steady, 'p99'),
      pair(row.log, 'median'),
      ...(answered ? [row.back && row.afterAnswer ? pair(row.afterAnswer, 'median') : ''] : []),
      row.back ? row.lost : `${row.lost} (${row.unread} unread)`,
      row.twiceByProcess,
      row.twiceByGroup,
      row.rebalances,
    ]),
  )
}

const titleOf = (client: ClientName) => clientKinds[client].title

const pair = (values: Spread, first: 'median' | 'p99') => `${number(values[first])}, ${number(values.worst)}`

const stageTitles: Readonly<Record<StageOfMove, string>> = {
  noticed: 'noticed: the first dial to a new address arrives',
  learnt: 'learnt: the new addresses are accepted',
  dialled: "dialled: the partition's connection is there (with TLS where it is used)",
  loggedIn: 'logged in',
  identified: 'identified: versions, node and cluster are answered',
  asked: 'first fetch sent',
  answered: 'first fetch answered',
  handedOut: 'message handed out',
}

function stageSection({ stages, rows }: Results, madeOn: (at: string) => string): string {
  const shown = stages.toSorted(
    (one, other) =>
      Number(one.secure) - Number(other.secure) ||
      one.boot.localeCompare(other.boot) ||
      changeNames.indexOf(one.change) - changeNames.indexOf(other.change),
  )
  const lines = shown.map(({ change, boot, secure, count, stages: parts, total }) => [
    `${changes[change].title}${secure ? ', TLS and SCRAM' : ''}`,
    boot,
    count,
    ...stageNames.map((name) => number(parts[name])),
    number(total),
  ])
  const isOf = (row: Row) => (stage: (typeof stages)[number]) =>
    row.change === stage.change && row.boot === stage.boot && row.secure === stage.secure
  const measured = rows.filter((row) => row.client === 'relisten-1' && row.alone && stages.some(isOf(row)))
  const dates = [...new Set(measured.map(({ at }) => madeOn(at)))]
  const meaning = stageNames.map((name, index) => `${index + 1}. ${stageTitles[name]}`).join('\n')
  return `## Where the milliseconds go

One relisten member; medians over all moves and brokers, each stage from the end of the one before. Dials, requests and answers are seen at the front, the
acceptance is a fact the consumer tells, the hand-out is the first of a partition of that broker. The medians of the stages need not add up to that of the
whole. Where old connections still work (overlap) messages come over them all the while, so the whole is no gap. Measured ${dates.join('; ')}.

${meaning}

${table(['change', 'boot list', 'connections', ...stageNames.map((_, index) => String(index + 1)), 'whole'], lines)}`
}

function clientTable(): string {
  return table(
    ['client', 'settings beside its defaults'],
    clientNames.map((name) => [clientKinds[name].title, clientKinds[name].settings]),
  )
}

const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
