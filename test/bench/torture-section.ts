/** The section on endurance: what `npm run torture` has told in its JSON file. */
import type { Figures } from '../torture/result.ts'
import { number, table } from './markdown-table.ts'

export function tortureSection(figures: Figures): string {
  const { kafka, seed, minutes, kinds, most, violations, isWhole } = figures
  const sums: [string, string][] = [
    ['Kafka', kafka],
    ['ended', `${figures.at.slice(0, 16).replace('T', ' ')} UTC`],
    ['commit', figures.commit ?? 'not recorded'],
    ['seed', String(seed)],
    ['took', `${number(Math.round(figures.tookMs / 6000) / 10)} min${isWhole ? '' : ' (not whole)'}`],
    ['messages in the log', number(figures.messages)],
    ['moves', number(figures.moves)],
    ['other faults survived', number(figures.faults)],
    ['worst gap', `${seconds(figures.worstGapMs)} (${figures.worstGapKind})`],
    ["worst gap without the log's own standstill", `${seconds(figures.worstOwnGapMs)} (${figures.worstOwnGapKind})`],
    ['lost', number(figures.lost)],
    ['handled twice, uncommitted when its member was killed', number(figures.handledAgainWithinBound)],
    ['handled twice otherwise', number(figures.handledAgainBeyond)],
    ['commits looked at', number(figures.commitSamples)],
    ['most sockets, timers, listeners of a member when calm', `${most.sockets}, ${most.timers}, ${most.listeners}`],
    ['invariants violated', violations.length === 0 ? 'none' : violations.join('; ')],
  ]
  const byKind = kinds.map((each) => [
    each.kind,
    each.times,
    seconds(each.worstGapMs),
    seconds(each.logMs),
    seconds(each.worstOwnGapMs),
    seconds(each.worstBackMs),
  ])
  return `## Endurance

\`npm run torture -- --minutes ${minutes} --kafka ${kafka} --seed ${seed}\`: three members, a steady stream, and one drawn action after the other.

${figures.note === undefined ? '' : `${figures.note}\n\n`}${table(['', ''], sums)}

${table(['what was done', 'times', 'worst gap', 'log stood still', 'worst own gap', 'back after'], byKind)}`
}

const seconds = (ms: number) => (ms === 0 ? '–' : `${(ms / 1000).toFixed(2)} s`)
