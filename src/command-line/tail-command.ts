/** `relisten tail`: follows a topic and prints its messages. */

import { Command } from 'commander'
import { lineOf, objectOf } from '../tail/message-text.ts'
import { type Place, parsePlace } from '../tail/range.ts'
import { tail } from '../tail/tail.ts'
import { connectionOptions, type Given, withConnection } from './connection-options.ts'
import type { Output } from './output.ts'
import { UsageError } from './usage-error.ts'

interface TailGiven extends Given {
  readonly from?: string
  readonly until?: string
  readonly join?: true
  readonly json?: true
}

export function tailCommand(output: Output, end: (code: number) => void): Command {
  const command = new Command('tail')
    .description('follows a topic and prints its messages; commits nothing')
    .option(
      '--from <place>',
      'beginning, end, an offset, -N (the last N), a time, or 15m (s, m, h, d ago); default: from now on',
    )
    .option(
      '--until <place>',
      'end (as it is now), an offset, or a time that has passed; default: until it is interrupted',
    )
    .option('--join', 'joins --group also where it has members, and takes partitions from them')
    .option('--json', 'prints a JSON object per line')
    .allowExcessArguments(false)
  return withConnection(command).action(async (given: TailGiven) => {
    const { groupId: _group, topics, given: own, ...connection } = connectionOptions(given)
    // Who follows a topic with the settings of a service does not mean its group.
    const groupId = command.getOptionValueSource('group') === 'cli' ? given.group : undefined
    const [topic, ...more] = topics
    if (typeof topic !== 'string' || more.length > 0) throw new UsageError('"tail" needs one --topic.')
    const [from, until] = [placeOf('--from', given.from), placeOf('--until', given.until)]
    if (until?.kind === 'beginning' || until?.kind === 'last')
      throw new UsageError('Expected --until to be "end", an offset or a time.')
    if (given.join && groupId === undefined) throw new UsageError('--join goes with --group only.')
    await tail({
      ...{ connection, given: own, topic, groupId, joins: given.join === true, from, until },
      signal: output.interrupted(),
      show: (message) => {
        output.out(given.json ? JSON.stringify(objectOf(message)) : lineOf(message))
        return output.drained()
      },
      warn: (what) => output.error(what),
    })
    end(0)
  })
}

function placeOf(flag: string, text: string | undefined): Place | undefined {
  if (text === undefined) return undefined
  const place = parsePlace(text, Date.now())
  if (place) return place
  throw new UsageError(
    `Expected ${flag} to be a place in the topic, such as beginning, 42, -10, 15m or 2026-11-26T12:00Z, got "${text}".`,
  )
}
