/** The section of BENCHMARKS.md about the balancer's plans: what `npm run bench:plans` has kept in its JSON file. */
import { cellsOf, heads, type PlanFigures } from '../balancer/plan-figures.ts'
import { table } from './markdown-table.ts'

export function plansSection({ at, commit, minutes, load, curves, alone }: PlanFigures): string {
  const short = curves.filter(({ isKept }) => !isKept).map(({ name }) => name)
  const seconds = alone.ms / 1000
  const isFast = seconds <= 5 && alone.bytes <= 1e9
  return `## Plans of the balancer

\`npm run bench:plans\`, ${at.slice(0, 16).replace('T', ' ')} UTC, commit ${commit ?? 'not recorded'}, ${Math.round(minutes)} minutes; the load average of the machine was ${load.toFixed(1)} when it began, and two is what it has cores for.

${introduction}

${table(heads, curves.map(cellsOf))}

100,000 partitions of three replicas on 1,000 brokers, planned in a process of its own: ${alone.steps.toLocaleString('en')} steps in ${seconds.toFixed(1)} s, at most ${Math.round(alone.bytes / 2 ** 20)} MiB resident. Asked for are 5 s and 1 GB: ${isFast ? 'met' : 'not met'}.
${short.length === 0 ? 'All promises are kept.' : `Not kept: ${short.join(', ')}.`}`
}

const introduction = `What a plan leaves of the imbalance, over the bytes that it moves, on clusters made from seeds; the number behind a name is that of its brokers. The imbalance is the sum over
network in, network out and disk of the squared coefficient of variation, weighted by capacity. Each pair is ours : one greedy pass as other balancers make it. "At equal bytes" is
where the shorter of the two ends; ours is then cut off there. Promised is not to be worse in both what is left and what is moved, and where load is skewed, a topic is hot, a broker is new or
capacities are mixed, at most half of the greedy pass's imbalance at equal bytes. Times are those of one plan on two cores that others use too.`
