/** `relisten move-check`: whether clients would follow to new addresses, before brokers move there. */

import { Command } from 'commander'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../machines/endpoint.ts'
import { described } from '../doctor/listeners.ts'
import { checkMove, type MoveCheck } from '../doctor/move-check.ts'
import { findingLines, plain, type ReportLine, rowOf, visitLines } from '../doctor/report.ts'
import { connectionOptions, type Given, withConnection } from './connection-options.ts'
import type { Output } from './output.ts'
import { UsageError } from './usage-error.ts'

export function moveCheckCommand(output: Output, end: (code: number) => void): Command {
  const command = new Command('move-check')
    .description('before brokers move: would clients follow to the new addresses?')
    .requiredOption('--to <list>', 'the new addresses, with commas between them')
    .option('--login', 'logs in, once; without it no password is sent')
    .option('--json', 'prints the report as JSON')
    .allowExcessArguments(false)
  return withConnection(command).action(async (given: Given & { to: string; login?: true; json?: true }) => {
    const to = given.to.split(',').filter(Boolean).map(endpointOf)
    if (to.length === 0) throw new UsageError('Expected at least one address after --to.')
    const options = { ...connectionOptions(given), to, hasLogin: given.login === true }
    const check = await checkMove(options, (doing) => output.progress(doing))
    if (given.json) output.json({ ...check, addresses: check.addresses.map(plain) }, 'lines')
    else for (const { text, tone } of lines(check)) output.out(text, tone)
    end(check.findings.length === 0 ? 0 : 1)
  })
}

function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text)
  if (!endpoint) throw new UsageError(`Expected --to to have addresses like kafka-1.example:9092, got "${text}".`)
  return endpoint
}

function lines({ clusterId, addresses, findings }: MoveCheck): ReportLine[] {
  return [
    { text: `cluster ${clusterId ?? 'unknown'}` },
    { text: '' },
    ...visitLines(
      addresses.map(({ nodeId, ...visit }) => rowOf(nodeId === undefined ? 'unknown' : `node ${nodeId}`, visit)),
    ),
    ...addresses.flatMap(({ endpoint, certificates: [own] }) =>
      own ? [{ text: `${formatEndpoint(endpoint)}: ${described(own)}` }] : [],
    ),
    { text: '' },
    ...findingLines(findings),
  ]
}
