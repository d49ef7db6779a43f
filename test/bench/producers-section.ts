/** The section of BENCHMARKS.md about producers that go through changes. */
import { changeNames, changes } from './change.ts'
import { number, table } from './markdown-table.ts'
import { type ProducerName, type ProducerRow, producerTitles } from './producers/producer-trial.ts'

export function producersSection(rows: readonly ProducerRow[], madeOn: (at: string) => string): string {
  const names = Object.keys(producerTitles) as ProducerName[]
  const parts = changeNames.flatMap((change) => {
    const found = names.flatMap((name) => rows.filter((row) => row.change === change && row.producer === name))
    const [first] = found
    if (!first) return []
    const dates = [...new Set(found.map(({ at }) => madeOn(at)))]
    return [
      `### Producers: ${changes[change].title}\n\n${changes[change].happens} ${first.moves} moves, measured ${dates.join('; ')}.\n\n${rowTable(found)}`,
    ]
  })
  return `## Producers\n\n${introduction}\n\n${parts.join('\n\n')}`
}

const introduction = `Each producer sends 20 messages to six partitions ten times a second, half of them with a key, whatever became of those before, to a topic of its own; all go through the same moves.
What was acknowledged is counted against the log, read again at the end. KafkaJS and @platformatic/kafka have a function that tells the addresses in force, the others the addresses at the start. A send without an end was still
waiting 30 s after the last move.`

const rowTable = (rows: readonly ProducerRow[]): string =>
  table(
    [
      'producer',
      'acknowledged',
      'of these not in the log',
      'in the log twice',
      'sends rejected',
      'without an end',
      'longest send at each move: median, worst',
    ],
    rows.map((row) => [
      producerTitles[row.producer],
      `${number(row.acknowledged)} of ${number(row.sent)}`,
      row.missing,
      row.twice,
      row.rejected,
      row.unended,
      `${number(row.longest.median)}, ${number(row.longest.worst)} ms`,
    ]),
  )
