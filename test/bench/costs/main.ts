/** The costs by themselves: `tsx test/bench/costs/main.ts --quick --only throughput`. */
import { Command, Option } from 'commander'
import { startCluster } from '../../cluster/kafka-cluster.ts'
import { isMet } from '../goal.ts'
import { type CostRow, costRows, measureCosts } from './measure.ts'

const program = new Command('tsx test/bench/costs/main.ts')
  .description('What relisten costs, beside bare KafkaJS.')
  .addOption(new Option('--only <rows...>', 'these rows').choices(Object.keys(costRows)))
  .option('--quick', 'fewer messages and turns')
  .allowExcessArguments(false)
  .parse()
const { only, quick = false } = program.opts<{ only?: CostRow[]; quick?: true }>()
const say = (line: string) => console.log(line)

await using cluster = await startCluster({ bindFixed: true, onProgress: say })
const figures = await measureCosts({ cluster, quick, only, say })
console.log()
for (const figure of figures) {
  const { name, value, unit, most, least, reference, note } = figure
  const bound = most !== undefined ? `≤ ${most}` : least !== undefined ? `≥ ${least}` : ''
  const verdict = bound === '' ? 'told' : isMet(figure) ? 'met' : 'MISSED'
  say(`${verdict.padEnd(6)} ${name}: ${Number(value.toFixed(3))} ${unit} ${bound}`)
  for (const line of [reference, note]) if (line !== undefined) say(`       ${line}`)
}
