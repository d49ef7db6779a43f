/** `relisten balance`: what would bring a cluster into balance, and what earlier rounds have decided. Moves nothing without `--execute`. */

import { Command, InvalidArgumentError, Option } from 'commander'
import { deadline } from '../../actors/time/deadline.ts'
import type { ClusterModel } from '../../machines/balancer/cluster-model.ts'
import { type Decision, explain, remainderOf, summaryOf, whyPartition } from '../../machines/balancer/decision.ts'
import { placed } from '../../machines/failure.ts'
import { type Balancer, balancerOn } from '../balancer/balancer.ts'
import { type BalancerOptions, type BalancerParts, resolveBalancerOptions } from '../balancer/balancer-options.ts'
import type { BalancerStatus } from '../balancer/balancer-status.ts'
import { balancersGroup, type ClusterPartsOptions, clusterParts, type SamplerName } from '../balancer/cluster-parts.ts'
import { Decisions } from '../balancer/decisions.ts'
import { fileJournal } from '../journal/file-journal.ts'
import { executeRounds } from './balance-execution.ts'
import { BalanceHistory } from './balance-history.ts'
import { connectionOptions, type Given, withConnection } from './connection-options.ts'
import { eachRecord } from './journal-reading.ts'
import type { Output } from './output.ts'
import { planTable } from './plan-table.ts'
import { duration } from './show.ts'
import { UsageError } from './usage-error.ts'

interface BalanceGiven extends Given {
  readonly sampler: SamplerName
  readonly storage: ClusterModel['storage']
  readonly drain: readonly number[]
  readonly excludeBroker: readonly number[]
  readonly excludeTopic: readonly RegExp[]
  readonly journal?: string
  readonly withinMs: string
  readonly json?: true
  readonly execute?: true
  readonly bytesPerSecond?: string
  readonly takeBack?: true
}

const usage = `balance                    prints the plan of one round, and moves nothing
balance --execute          carries plans out, until a round moves nothing
balance explain [ROUND]    a decision with its reasons (default: the newest); needs --journal
balance history            a line for each round; needs --journal
balance why PARTITION      why TOPIC/NUMBER was moved in the newest round, or stayed; needs --journal`

/** `partsFor`: what the balancer stands on; default: the cluster that the options name. */
export function balanceCommand(
  output: Output,
  end: (code: number) => void,
  partsFor: (options: ClusterPartsOptions) => BalancerParts = clusterParts,
): Command {
  const command = new Command('balance')
    .usage('[command] …')
    .description(
      'plans what brings a cluster into balance, carries it out with --execute, and explains earlier decisions',
    )
    .argument('[command]')
    .argument('[subject]')
    .option('--journal <dir>', 'the directory of a file journal: decisions are kept in it, or read from it')
    .addOption(
      new Option('--sampler <name>', 'where loads are known from: Kafka itself, or the topic of metrics of AutoMQ')
        .choices(['kafka', 'auto-mq'])
        .default('kafka'),
    )
    .addOption(
      new Option('--storage <kind>', 'whether brokers hold their bytes themselves, which are copied then')
        .choices(['replicated', 'shared'])
        .default('replicated'),
    )
    .option('--drain <id>', 'a broker to be emptied; may be given several times', brokerIds, [])
    .option('--exclude-broker <id>', 'a broker from and to which nothing is moved; as often', brokerIds, [])
    .option('--exclude-topic <pattern>', 'topics of which nothing is moved, as a regular expression', patterns, [])
    .option('--within-ms <ms>', 'how long samples are gathered at most, until a plan can be made', '120000')
    .option('--json', 'prints decisions as JSON')
    .option('--execute', 'carries the plans out, round after round, until nothing is left to move')
    .option(
      '--bytes-per-second <n>',
      'how fast each broker may send, and take, what is moved; default: as fast as it can',
    )
    .option('--take-back', 'deletes throttles of replication that no record in the journal explains')
    .allowExcessArguments(false)
    .addHelpText('after', `\n${usage}`)
  return withConnection(command).action(
    async (name: string | undefined, subject: string | undefined, given: BalanceGiven) => {
      if (name === undefined) return end(await balance(given, output, partsFor))
      if (!Object.hasOwn(readings, name)) {
        throw new UsageError(`Expected one of ${Object.keys(readings).join(', ')} after "balance", got "${name}".`)
      }
      if (given.journal === undefined) throw new UsageError(`"balance ${name}" needs --journal.`)
      end(
        readings[name as keyof typeof readings](
          { journal: given.journal, subject, isJson: given.json === true },
          output,
        ),
      )
    },
  )
}

function brokerIds(text: string, before: readonly number[]): readonly number[] {
  if (/^\d+$/.test(text)) return [...before, Number(text)]
  throw new InvalidArgumentError('Expected the id of a broker.')
}

function patterns(text: string, before: readonly RegExp[]): readonly RegExp[] {
  try {
    return [...before, new RegExp(text)]
  } catch {
    throw new InvalidArgumentError('Expected a regular expression.')
  }
}

async function balance(
  given: BalanceGiven,
  output: Output,
  partsFor: (options: ClusterPartsOptions) => BalancerParts,
): Promise<number> {
  const withinMs = Number(given.withinMs)
  if (!Number.isInteger(withinMs) || withinMs < 1) {
    throw new UsageError(`Expected --within-ms to be a whole number of milliseconds, got "${given.withinMs}".`)
  }
  const { given: own, groupId = balancersGroup, ...connection } = connectionOptions(given)
  const { sampler, storage, journal, drain, excludeBroker, excludeTopic } = given
  const options: BalancerOptions = {
    ...executionOptions(given),
    cluster: { storage, drainingBrokers: drain, excludedBrokers: excludeBroker, excludedTopics: excludeTopic },
    ...(journal === undefined ? {} : { journal: fileJournal(journal) }),
  }
  const resolved = resolveBalancerOptions(options)
  const balancer = balancerOn(partsFor({ connection, given: own, sampler, groupId, resolved }), options)
  if (given.execute) {
    if (await executeRounds(balancer, withinMs, output)) return 0
    const { rounds, lastFailure } = balancer.status()
    if (rounds.executed === 0)
      output.error(`Nothing was brought to an end${lastFailure ? `: ${placed(lastFailure)}` : ''}.`)
    return 1
  }
  const { decision, status } = await oneRound(balancer, withinMs, output)
  if (decision === undefined) {
    output.error(`No plan could be made within ${duration(withinMs)}: ${hindrance(status)}.`)
    return 1
  }
  if (given.json) output.json(decision, 'lines')
  else {
    for (const line of [...summaryOf(decision), ...planTable(decision), ...remainderOf(decision)]) output.out(line)
    if (decision.steps.length > 0) output.out('This is a dry run: no step was taken.')
  }
  return 0
}

function executionOptions({ execute, json, bytesPerSecond, takeBack }: BalanceGiven): BalancerOptions {
  if (execute && json)
    throw new UsageError(
      '--json is of a dry run: with --execute, give --journal and read it with "balance explain --json".',
    )
  if (!execute && (bytesPerSecond !== undefined || takeBack))
    throw new UsageError('--bytes-per-second and --take-back need --execute: a dry run changes nothing.')
  if (!execute) return {}
  const rate = bytesPerSecond === undefined ? {} : { bytesPerSecond: Number(bytesPerSecond) }
  return { mode: 'execute', execution: { ...rate, takeBack: takeBack === true } }
}

async function oneRound(balancer: Balancer, withinMs: number, output: Output) {
  output.progress('Samples of the load are gathered …')
  const decided = firstDecision(balancer)
  balancer.start()
  await deadline(decided, withinMs, () => {}, output.interrupted())
  const status = balancer.status()
  await balancer.stop()
  const newest = balancer.decisions().at(-1)
  return { decision: newest?.stillness === 'untrusted' ? undefined : newest, status }
}

/** Resolves with the first decision that moves something, or that rests on figures which can all be trusted. */
async function firstDecision(balancer: Balancer): Promise<void> {
  for await (const { data } of balancer.events()) {
    const { decision } = data as { readonly decision?: Decision }
    if (decision && (decision.steps.length > 0 || !decision.pinned.untrusted)) return
  }
}

function hindrance({ lastFailure, decision }: BalancerStatus): string {
  if (lastFailure) return placed(lastFailure)
  return decision ? 'the load of too many partitions is not known well enough' : 'no samples of the load came'
}

interface Asked {
  readonly journal: string
  readonly subject: string | undefined
  readonly isJson: boolean
}

const readings = {
  explain(asked: Asked, output: Output): number {
    const { subject } = asked
    if (subject !== undefined && !/^[1-9]\d*$/.test(subject))
      throw new UsageError(`Expected the number of a round, got "${subject}".`)
    return withDecision(asked, output, subject === undefined ? undefined : Number(subject), explain)
  },
  history({ journal, subject, isJson }: Asked, output: Output): number {
    if (subject !== undefined || isJson) throw new UsageError('"balance history" takes --journal only.')
    const history = new BalanceHistory()
    const code = eachRecord(journal, output, (record) => history.note(record))
    const lines = history.lines()
    for (const line of lines) output.out(line)
    if (lines.length === 0) output.error('There is no round in this journal.')
    return lines.length === 0 ? 1 : code
  },
  why(asked: Asked, output: Output): number {
    const [, topic, partition] = /^(.+)\/(\d+)$/.exec(asked.subject ?? '') ?? []
    if (topic === undefined)
      throw new UsageError(
        `Expected a partition as TOPIC/NUMBER, got ${asked.subject ? `"${asked.subject}"` : 'nothing'}.`,
      )
    return withDecision(asked, output, undefined, (decision) => whyPartition(decision, topic, Number(partition)))
  },
}

/** Prints what is to be said of a decision: that of a round, or the newest. */
function withDecision(
  { journal, isJson }: Asked,
  output: Output,
  round: number | undefined,
  linesOf: (decision: Decision) => readonly string[],
): number {
  const decisions = new Decisions(Number.POSITIVE_INFINITY)
  const code = eachRecord(journal, output, (record) => decisions.note(record))
  const decision = decisions.of(round)
  if (!decision) {
    output.error(`There is no decision${round === undefined ? '' : ` of round ${round}`} in this journal.`)
    return 1
  }
  if (isJson) output.json(decision, 'lines')
  else for (const line of linesOf(decision)) output.out(line)
  return code
}
