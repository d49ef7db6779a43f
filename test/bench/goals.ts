/** The goals for moves, judged by the rows of the results. Those for costs are figures of their own. */
import type { ChangeName } from './change.ts'
import type { ClientName } from './client.ts'
import type { GoalFigure } from './goal.ts'
import type { Boot, Row } from './row.ts'

const POLL_INTERVAL_MS = 1000

interface Choice {
  readonly change: ChangeName
  readonly boot?: Boot
  readonly secure?: boolean
}

/** One or three members, and how far a move may be above the steady state. */
const teams = [
  { client: 'relisten-1', name: 'one member', median: 50, p99: 150 },
  { client: 'relisten-3', name: 'three members', median: 100, p99: 250 },
] as const

/** A figure for each goal that the rows can say something about. */
export function moveGoals(rows: readonly Row[]): GoalFigure[] {
  const find = (client: ClientName, { change, boot = 'moved', secure = false }: Choice) =>
    rows.find(
      (row) =>
        row.client === client && row.change === change && row.boot === boot && row.secure === secure && row.alone,
    )
  const forTeams = (choice: Choice, figures: (row: Row, team: (typeof teams)[number]) => GoalFigure[]) =>
    teams.flatMap((team) => {
      const row = find(team.client, choice)
      return row === undefined ? [] : figures(row, team)
    })
  /** Above the steady state, and nothing lost, twice or rebalanced. */
  const likeInstant = (goal: string, choice: Choice, kind = '') =>
    forTeams(choice, (row, { name, median, p99 }) => {
      const base = { goal, unit: 'ms', at: row.at, reference: asItIs(row) }
      return [
        { ...base, name: `${name}${kind}, median`, value: row.above.median, most: median },
        { ...base, name: `${name}${kind}, 99 %`, value: row.above.p99, most: p99 },
        unharmed(goal, `${name}${kind}`, row),
      ]
    })

  const instant = (goal: string, boot: Boot) => [
    ...likeInstant(goal, { change: 'instant-fin', boot }, ', closed'),
    ...likeInstant(goal, { change: 'instant-rst', boot }, ', reset'),
  ]
  const aboveSteady = 'gap per partition above the steady-state maximum of the same run, instant'
  return [
    ...instant(`${aboveSteady}, boot list moved`, 'moved'),
    ...likeInstant(`${aboveSteady}, over TLS with SCRAM`, { change: 'instant-fin', secure: true }),
    ...instant('gap, instant, stable boot', 'stable'),
    ...forTeams({ change: 'overlap' }, (row, { name }) => [
      judged(
        row,
        'gap, overlap: nothing above steady state',
        `${name}, 99 %`,
        row.above.p99,
        0,
        'The harness counts one spacing of messages (30 ms) as nothing.',
      ),
      judged(row, 'gap, overlap: nothing above steady state', `${name}, worst`, row.above.worst, 0),
      unharmed('gap, overlap: nothing above steady state', name, row),
    ]),
    ...likeInstant('gap, node by node: as instant', { change: 'node-by-node' }),
    ...forTeams({ change: 'black-hole' }, (row, { name }) => [
      judged(row, 'gap, black hole: ≤ poll interval + 0.3 s', `${name}, worst`, row.gap.worst, POLL_INTERVAL_MS + 300),
      unharmed('gap, black hole: ≤ poll interval + 0.3 s', name, row),
    ]),
    ...rolling(find('relisten-1', { change: 'rolling-restart' }), find('java', { change: 'rolling-restart' })),
    ...forTeams({ change: 'all-restarted' }, (row, { name }) => [
      judged(
        row,
        'all stopped and started elsewhere: ≤ 500 ms after the brokers answer',
        `${name}, median`,
        row.afterAnswer?.median ?? 0,
        500,
      ),
      judged(
        row,
        'all stopped and started elsewhere: ≤ 500 ms after the brokers answer',
        `${name}, worst`,
        row.afterAnswer?.worst ?? 0,
        500,
      ),
    ]),
    ...forTeams({ change: 'evicted' }, (row, { name }) => [
      judged(row, 'replacement path, session timeout 30 s: ≤ 400 ms', `${name}, median`, row.gap.median, 400),
      judged(row, 'replacement path, session timeout 30 s: ≤ 400 ms', `${name}, worst`, row.gap.worst, 400),
    ]),
  ]
}

/** The gap itself, beside what of it is above the steady state. */
const asItIs = ({ gap, steady, moves }: Row): string =>
  `the gaps themselves: median ${gap.median} ms, 99 % ${gap.p99} ms, worst ${gap.worst} ms, at ${moves} moves; without a move up to ${steady.worst} ms`

function judged(row: Row, goal: string, name: string, value: number, most: number, note?: string): GoalFigure {
  return {
    goal,
    name,
    value,
    unit: 'ms',
    most,
    at: row.at,
    reference: asItIs(row),
    ...(note !== undefined && { note }),
  }
}

function unharmed(goal: string, name: string, row: Row): GoalFigure {
  const value = row.lost + row.twiceByGroup + row.rebalances
  return { goal, name: `${name}: lost, twice and rebalances`, value, unit: 'in all', most: 0, at: row.at }
}

function rolling(ours: Row | undefined, java: Row | undefined): GoalFigure[] {
  if (ours === undefined || java === undefined) return []
  return (['median', 'p99', 'worst'] as const).map((which) => ({
    goal: 'real rolling restart: ≤ what Java needs in the same run',
    name: `one member, ${which === 'p99' ? '99 %' : which}`,
    value: ours.gap[which],
    unit: 'ms',
    most: java.gap[which],
    at: ours.at,
    reference: `Java ${java.gap[which]} ms; the log itself ${ours.log[which]} ms, under Java ${java.log[which]} ms`,
  }))
}
