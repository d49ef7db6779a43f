/** The section of BENCHMARKS.md about clusters that grow. */
import { type Cause, type Cell, figureNames, figures, isTooSteep, slopeOf } from './growth/growth.ts'
import { number, table } from './markdown-table.ts'

export function growthSection(cells: readonly Cell[], madeOn: (at: string) => string): string {
  const ordered = cells.toSorted((one, other) => one.brokers - other.brokers || one.partitions - other.partitions)
  const head = ordered.map(({ brokers, partitions }) => `${number(brokers)} / ${number(partitions)}`)
  const slope = (figure: (typeof figureNames)[number], cause: Cause) => {
    const found = slopeOf(cells, figure, cause)
    if (found === undefined) return ''
    const told = (Math.round(found * 100) / 100).toFixed(2)
    return isTooSteep(figure, cause, found) ? `**${told}**` : told
  }
  const lines = figureNames.map((figure) => [
    figures[figure].title,
    ...ordered.map((cell) => number(cell.figures[figure])),
    slope(figure, 'brokers'),
    slope(figure, 'partitions'),
  ])
  const dates = [...new Set(cells.flatMap(({ at }) => (at === undefined ? [] : madeOn(at))))]
  const measured = dates.length > 0 ? `\n\nMeasured ${dates.join('; ')}.` : ''
  return `## Growth\n\n${introduction}${measured}\n\n${table(['brokers / partitions', ...head, 'slope with brokers', 'slope with partitions'], lines)}`
}

const introduction = `One member on clusters of 3, 30 and 100 brokers with 6, 600 and 6,000 partitions. The brokers are those of the simulation on real sockets and in another process
than the consumer; each has a name that is looked up, and an address on loopback. At rest no message comes; a move takes all brokers elsewhere at once, the old addresses are
closed, and each broker that leads a partition has a message: the silence is the time until the last of them is handed out. Per move: medians of five, beyond what the same time
at rest takes; look-ups and processor time until that last message. Facts are the records of the journal. Slopes are exponents, the steepest step of each row or column of sizes: 0 does not grow, 1 grows in proportion, 2 with the square.
One in bold is steeper than its cause. Where a consumer polled much less than 60 times a minute it got less of the machine than it needs: its times are those of the machine, and
so are slopes from there or to there.

With the brokers the bytes of a move may grow with the square: each connection is shown who answers before it is used, and Kafka's answer to that lists all brokers.`
