/** `relisten watch`: a line for each change of the cluster, and on a terminal a table that stays true. */

import { Command } from 'commander'
import { withoutSecrets } from '../../actors/security/secrets.ts'
import type { Fact } from '../../machines/fact.ts'
import type { JournalRecord } from '../journal/journal.ts'
import { many, sentenceFor } from '../views/log.ts'
import type { View } from '../watch/history.ts'
import { type Change, watch } from '../watch/watch.ts'
import { connectionOptions, type Given, withConnection } from './connection-options.ts'
import type { Output, Tone } from './output.ts'
import { duration } from './show.ts'

export function watchCommand(output: Output, end: (code: number) => void): Command {
  const command = new Command('watch')
    .description('watches where the brokers are: a line for each change, and a table on a terminal')
    .option('--json', 'prints each change as a JSON object per line')
    .allowExcessArguments(false)
  return withConnection(command).action(async (given: Given & { json?: true }) => {
    const { groupId: _group, topics: _topics, given: _given, ...connection } = connectionOptions(given)
    await watch({
      ...{ connection, signal: output.interrupted() },
      onChange(change) {
        if (given.json) output.json({ time: timeOf(change.at), ...change.fact }, 'line')
        else output.out(withoutSecrets(lineOf(change)), toneOf(change.fact))
      },
      onView: (view) => output.progress(...tableOf(view, Date.now())),
    })
    end(0)
  })
}

const timeOf = (at: number): string => new Date(at).toISOString()

function lineOf({ at, fact }: Change): string {
  const { type, ...data } = fact
  const moves =
    type === 'cluster.moved' ? fact.moves.map(({ nodeId, from, to }) => `node ${nodeId} ${from} → ${to}`) : []
  const brokers =
    type === 'cluster.reached' ? Object.entries(fact.brokers).map(([nodeId, place]) => `node ${nodeId} ${place}`) : []
  const details = [...moves, ...brokers].join(', ')
  const sentence = sentenceFor({ type, data, actor: 'cluster' } as unknown as JournalRecord)
  return `${timeOf(at)}  ${type.padEnd(26)}  ${sentence}${details && `: ${details}`}`
}

function toneOf({ type }: Fact): Tone | undefined {
  if (type === 'cluster.reached' || type === 'source.recovered' || type === 'endpoint.healed') return 'good'
  if (type === 'cluster.refused' || type === 'endpoint.refused') return 'bad'
  return type === 'cluster.unreachable' || type === 'source.failed' ? 'doubtful' : undefined
}

/** How things are, in a few lines. */
function tableOf({ clusterId, silence, newest, nodes }: View, now: number): string[] {
  const answer =
    newest &&
    `newest answer ${duration(Math.max(0, Math.round(now - newest.at)))} ago from ${newest.from}: ${many(newest.brokers, 'broker')}, ${newest.verdict}`
  return [
    `cluster ${clusterId ?? 'unknown'}${silence === undefined ? '' : `, no broker answers: ${silence}`}`,
    ...(answer === undefined ? [] : [answer]),
    ...nodes.map(({ nodeId, endpoint, before, since, remark }) => {
      const cells = [`node ${nodeId}`.padEnd(10), endpoint.padEnd(28), `for ${duration(now - since)}`.padEnd(16)]
      return [...cells, before === undefined ? '' : `was ${before}`.padEnd(32), remark ?? ''].join(' ').trimEnd()
    }),
  ]
}
