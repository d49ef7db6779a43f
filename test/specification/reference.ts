// The tables of the reference in docs/ that are made from docstrings (options, facts, what a record of the journal holds), from the table of metrics, and from the alert rules.

import { followingMachine } from '../../machines/following.ts'
import { metrics } from '../../src/opentelemetry/metrics.ts'
import { alertRules } from '../monitoring/files.ts'
import { type Member, readInterfaces } from './docstrings.ts'
import { code, rows } from './generated.ts'

/** The generated parts of each file, by its path. */
export function referenceParts(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const interfaces = readInterfaces([
    'src/options/consumer-options.ts',
    'src/outcome.ts',
    'src/dead-letter.ts',
    'src/opentelemetry/instrument.ts',
    'actors/diagnostics/channels.ts',
    'src/fact-channel.ts',
    'src/sources/dns-source.ts',
    'src/journal/file-journal.ts',
    'src/journal/memory-journal.ts',
    'src/journal/journal.ts',
    'machines/fact.ts',
    'machines/topic-partition.ts',
    'src/balancer/balancer-channel.ts',
    'machines/balancer/batches.ts',
    'actors/balancer/execution-settings.ts',
    'actors/balancer/execution-progress.ts',
    'src/balancer/balancer-options.ts',
    'src/balancer/balancer-status.ts',
  ])
  const membersOf = (name: string): readonly Member[] => interfaces.get(name) ?? []
  return {
    'docs/options.md': Object.fromEntries(
      Object.entries({
        'options of a consumer': 'Options',
        'options of start': 'StartOptions',
        'options of deadLetter': 'DeadLetterOptions',
        'options of fileJournal': 'FileJournalOptions',
        'options of memoryJournal': 'MemoryJournalOptions',
      }).map(([part, name]) => [part, optionTable(membersOf(name))]),
    ),
    'docs/sources.md': { 'options of dnsSource': optionTable(membersOf('DnsSourceOptions')) },
    'docs/facts.md': {
      facts: rows(
        ['fact', 'when', 'data'],
        membersOf('FactData').map((fact) => [code(fact.name), textOf(fact), fact.fields.map(code).join(' ')]),
      ),
    },
    'docs/metrics.md': {
      'options of instrument': optionTable(membersOf('InstrumentOptions')),
      metrics: rows(
        ['metric', 'kind', 'unit', 'means', 'attributes'],
        Object.values(metrics).map(({ name, kind, unit, description, attributes }) => [
          ...[code(name), kind, code(unit), cell(description)],
          attributes
            .filter((name) => name !== 'messaging.system')
            .map(code)
            .join(' '),
        ]),
      ),
      alerts: rows(
        ['alert', 'severity', 'after', 'when', 'what to do'],
        alertRules.map(({ alert, for: lasts, labels, annotations }) => {
          const [when = '', next = ''] = annotations.description.split(' Next step: ')
          const [first = '', ...rest] = next
          const after = lasts === '0m' ? 'at once' : lasts.replace('m', ' min')
          return [code(alert), labels.severity, after, cell(when), cell(first.toUpperCase() + rest.join(''))]
        }),
      ),
      channels: channelTables(membersOf),
    },
    'docs/balancer.md': {
      'options of an execution': rows(
        ['option of `execution`', 'effect'],
        [
          ...membersOf('ExecutionOptions').filter(({ name }) => name !== 'limits'),
          ...membersOf('BatchLimits').map((each) => ({ ...each, name: `limits.${each.name}` })),
          ...membersOf('ExecutorSettings').filter(({ name }) => !['limits', 'rates'].includes(name)),
        ].map((option) => [code(option.name), textOf(option)]),
      ),
      'fields of its status': fieldTable(membersOf('BalancerStatus')),
      'fields of its progress': fieldTable(membersOf('ExecutionProgress')),
    },
    'docs/adopt.md': {
      'states of a following': rows(
        ['state', 'means'],
        Object.entries(followingMachine.states).map(([name, { description }]) => [code(name), description ?? '']),
      ),
    },
    'docs/journal.md': {
      'fields of a record': fieldTable(membersOf('JournalRecord')),
      'members of a journal': rows(
        ['member of a journal', 'does'],
        membersOf('Journal').map((member) => [code(member.name), textOf(member)]),
      ),
    },
  }
}

/** The diagnostics channels, and what a message on each of them holds. */
const messages = {
  'relisten:fact': 'FactMessage',
  'relisten:balancer-fact': 'BalancerFactMessage',
  'relisten:handler': 'HandlerMessage',
  'relisten:dial': 'DialMessage',
  'relisten:poll': 'PollMessage',
  'relisten:claim': 'ClaimMessage',
  'relisten:commit': 'CommitMessage',
}

const channelTables = (membersOf: (name: string) => readonly Member[]): string =>
  rows(
    ['channel', 'message'],
    Object.entries(messages).map(([name, message]) => [
      code(name),
      membersOf(message)
        .map((each) => code(each.name))
        .join(' '),
    ]),
  )

const optionTable = (options: readonly Member[]): string =>
  rows(
    ['option', 'default', 'bounds', 'effect'],
    options.map((option) => {
      const { defaultValue = option.isOptional ? 'none' : 'required', bounds = '' } = option.tags
      return [code(option.name), cell(defaultValue), cell(bounds), textOf(option)]
    }),
  )

const fieldTable = (fields: readonly Member[]): string =>
  rows(
    ['field', 'holds'],
    fields.map((field) => [code(field.name), textOf(field)]),
  )

function textOf({ name, text }: Member): string {
  if (text === '') throw new Error(`\`${name}\` has no docstring, and the reference is made from these`)
  return cell(text)
}

const cell = (text: string): string => text.replaceAll('|', '\\|')
