/** The section that sets clients side by side: one and the same move for all, on one machine, gaps as they are. */
import { changeNames, changes } from './change.ts'
import { clientKinds, clientNames } from './client.ts'
import { number, table } from './markdown-table.ts'
import type { Boot, Row } from './row.ts'

/** Empty where no clients were measured beside each other. */
export function sideBySideSection(rows: readonly Row[], madeOn: (at: string) => string): string[] {
  const shared = rows.filter(({ alone, secure }) => !alone && !secure)
  if (shared.length === 0) return []
  const tables = (['moved', 'stable'] as const).flatMap((boot) => bootTable(shared, boot, madeOn))
  return [`## Side by side\n\n${introduction}`, ...tables]
}

const introduction = `Each row is one move, made once: all clients read the same topic, each in a group of its own, on one machine, and go through that same move. The figure is the longest time in
which some partition's handler was given nothing, from message to message, of each client alike; nothing is taken off. How often a message was handled twice stands beside it where
it happened. "The log" is the longest time in which the log of a partition did not grow, which is no consumer's doing. Single moves: seconds against tens of seconds are solid, tens of
milliseconds are not, and six clients share two cores. Many moves of relisten alone on the machine are under "Gaps".`

const headings: Readonly<Record<Boot, string>> = {
  moved: 'Boot list moved: the addresses a client was started with are gone after the move',
  stable: 'Boot list stable: three addresses that never move lead to living brokers',
}

function bootTable(shared: readonly Row[], boot: Boot, madeOn: (at: string) => string): string[] {
  const rows = shared.filter((row) => row.boot === boot)
  const clients = clientNames.filter((name) => rows.some(({ client }) => client === name))
  const lines = changeNames.flatMap((change) => {
    const found = rows.filter((row) => row.change === change)
    const [first] = found
    if (first === undefined) return []
    const cells = clients.map((name) => cellOf(found.find(({ client }) => client === name)))
    return [[changes[change].title, ...cells, `${number(first.log.worst)} ms`]]
  })
  if (lines.length === 0) return []
  const head = ['change', ...clients.map((name) => clientKinds[name].title), 'the log']
  const oldest = rows.map(({ at }) => at).toSorted()[0] ?? ''
  return [`### ${headings[boot]}\n\nMeasured ${madeOn(oldest)}.\n\n${table(head, lines)}`]
}

function cellOf(row: Row | undefined): string {
  if (row === undefined) return ''
  const twice = row.twiceByGroup > 0 ? `, ${number(row.twiceByGroup)} twice` : ''
  return row.back ? `${number(row.gap.worst)} ms${twice}` : `not back in ${Math.round(row.watchMs / 1000)} s${twice}`
}
