/** `relisten doctor`: what is between a consumer and its brokers, group and topics. */

import { Command } from 'commander'
import { examine } from '../doctor/examination.ts'
import { reportLines, reportObject } from '../doctor/report.ts'
import { connectionOptions, type Given, withConnection } from './connection-options.ts'
import type { Output } from './output.ts'

export function doctorCommand(output: Output, end: (code: number) => void): Command {
  const command = new Command('doctor')
    .description('looks at brokers, advertised listeners, group and topics as a consumer would')
    .option('--json', 'prints the report as JSON')
    .allowExcessArguments(false)
  return withConnection(command).action(async (given: Given & { json?: true }) => {
    const { topics, ...options } = connectionOptions(given)
    const names = topics.filter((topic) => typeof topic === 'string')
    const examination = await examine({ ...options, topics: names }, (doing) => output.progress(doing))
    const { findings } = examination
    if (given.json) output.json(reportObject(examination), 'lines')
    else for (const { text, tone } of reportLines(examination)) output.out(text, tone)
    end(findings.length === 0 ? 0 : 1)
  })
}
