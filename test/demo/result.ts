/** The result of the demo: the table at the end, and whether relisten's figures hold. */
import Table from 'cli-table3'
import type { Log } from '../real/harness/ground-truth.ts'
import type { Produced } from '../real/harness/producing.ts'
import { MESSAGE_SPACING_MS } from '../real/harness/report.ts'
import type { Stretch } from '../real/harness/silence.ts'
import type { DemoMove } from './moves.ts'
import type { Phase, PhaseFigures, Side } from './side.ts'

/** A move that was made, with the generation each group was in when it began and when the next one began. */
export interface MadeMove {
  readonly move: DemoMove
  readonly phase: Phase
  readonly rebalances: { readonly [Name in keyof Sides]: number }
}

export interface Result {
  readonly text: string
  /** True when nothing was lost or handled twice, no rebalance happened, every gap is within its bound, and all that the followed producer was acknowledged is in the log. */
  readonly holds: boolean
}

export interface Sides {
  readonly relisten: Side
  /** A stock consumer on `follow`. */
  readonly followed: Side
  readonly stock: Side
}

/** How much longer a stock consumer on `follow` may be silent than relisten, in milliseconds: KafkaJS's fetches wait for one another. */
const stockMs = 500

/** Stock producers, of which one is on `follow`. */
export interface Producers {
  readonly followed: Produced
  readonly stock: Produced
}

export function result(
  { relisten, followed, stock }: Sides,
  producers: Producers,
  made: readonly MadeMove[],
  log: Log,
  whole: Stretch,
): Result {
  const steadyMs = relisten.steadyMs(
    whole,
    made.map(({ phase }) => phase.move),
  )
  const rows = made.map(({ move, phase, rebalances }) => {
    const ours = relisten.figures(phase, log)
    const onFollow = followed.figures(phase, log)
    const theirs = stock.figures(phase, log)
    const boundMs = move.bound(steadyMs) + MESSAGE_SPACING_MS * Number(move.bound(0) === 0)
    // a hole that opens later than two seconds after a move is no better than one at the move
    const quiet = ours.back && ours.atMoveMs <= boundMs && ours.gapMs <= Math.max(boundMs, 1000)
    const isFollowed = onFollow.back && onFollow.gapMs <= Math.max(boundMs, 1000) + stockMs
    const nothing =
      ours.lost + ours.twice + rebalances.relisten + onFollow.lost + onFollow.twice + rebalances.followed === 0
    return { move, ours, onFollow, theirs, rebalances, boundMs, holds: quiet && isFollowed && nothing }
  })
  const unread = relisten.unread(log) + followed.unread(log)
  const { missing, failures } = producers.followed
  const unstored = missing + failed(failures)
  const holds = unread + unstored === 0 && rows.every((row) => row.holds)

  const table = new Table({
    head: ['', 'gap', 'lost', 'twice', 'rebal.', 'gap', 'lost', 'twice', 'rebal.', '', 'gap', 'twice', 'rebal.'],
    colAligns: ['left', ...Array<'right'>(8).fill('right'), 'left', ...Array<'right'>(3).fill('right')],
    style: { head: [], border: [], compact: true },
  })
  table.push([
    ...['move', { colSpan: 4, content: 'relisten, three members' }, { colSpan: 4, content: 'KafkaJS on `follow`' }],
    ...['', { colSpan: 3, content: 'KafkaJS alone' }],
  ])
  for (const { move, ours, onFollow, theirs, rebalances, holds: kept } of rows) {
    table.push([
      move.kind,
      gapText(ours),
      ours.lost,
      ours.twice,
      rebalances.relisten,
      gapText(onFollow),
      onFollow.lost,
      onFollow.twice,
      rebalances.followed,
      kept ? 'ok' : 'FAILED',
      gapText(theirs),
      theirs.twice,
      rebalances.stock,
    ])
  }
  const broken = rows
    .filter((row) => !row.holds)
    .map(
      ({ move, ours, boundMs }) =>
        `${move.kind} (gap at the move ${seconds(ours.atMoveMs)}, allowed ${seconds(boundMs)})`,
    )
  const verdict = holds
    ? `relisten lost nothing, handled nothing twice and kept its group together through ${rows.length} moves; so did KafkaJS on \`follow\`.`
    : `relisten did NOT keep its promise: ${[...(unread > 0 ? [`${unread} messages unread`] : []), ...(unstored > 0 ? [`${missing} messages acknowledged and not in the log, ${failed(failures)} sends failed`] : []), ...broken].join('; ')}.`
  const lines = [
    table.toString(),
    '',
    producerTable(producers),
    '',
    verdict,
    `KafkaJS alone, given the same function for \`brokers\`, ends with ${stock.unread(log)} of ${size(log)} messages unread.`,
    '',
    `gap    the longest silence of the worst of six partitions until the next move; without a move it was ${seconds(steadyMs)} at most.`,
    '       With > the partition was still silent when the next move began.',
    'lost   in the log, which is read again at the end, but never handled.      twice   handled more than once.',
  ]
  return { text: lines.join('\n'), holds }
}

function producerTable({ followed, stock }: Producers): string {
  const table = new Table({
    head: ['producers', 'KafkaJS on `follow`', 'KafkaJS alone'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  const line = (title: string, of: (produced: Produced) => string | number) =>
    table.push([title, of(followed), of(stock)])
  line('messages given to `send`', ({ sent }) => sent)
  line('acknowledged', ({ acknowledged }) => acknowledged)
  line('acknowledged, not in the log', ({ missing }) => missing)
  line('twice in the log', ({ twice }) => twice)
  line('longest send that was acknowledged', ({ sends }) => seconds(Math.max(...sends.map(({ tookMs }) => tookMs))))
  return table.toString()
}

const failed = (failures: Produced['failures']): number => Object.values(failures).reduce((sum, one) => sum + one, 0)

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`
const gapText = ({ gapMs, back }: PhaseFigures) => (back ? seconds(gapMs) : `> ${seconds(gapMs)}`)
const size = (log: Log) => [...log.values()].reduce((sum, { sequences }) => sum + sequences.length, 0)
