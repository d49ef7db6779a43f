// The parts of the documents that are written by the machine: its diagram, its table, its invariants, its facts.
import type { FactType } from '../../machines/fact.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { oracles } from '../machines/lifecycle-oracles.ts'
import { facts } from '../machines/lifecycle-stories.ts'
import { type EventClass, table } from '../machines/lifecycle-table.ts'
import { oracles as membershipOracles } from '../machines/membership-oracles.ts'
import { events as membershipEvents } from '../machines/membership-stories.ts'
import { type EventClass as MembershipEventClass, table as membershipTable } from '../machines/membership-table.ts'
import { targetsIn } from '../machines/structure.ts'

/** A text with its generated parts replaced by these; they stand between `<!-- generated: NAME -->` and `<!-- end -->`. */
export function withGenerated(document: string, parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const [start, end] = [`<!-- generated: ${name} -->\n`, '<!-- end -->']
    const from = text.indexOf(start)
    const to = text.indexOf(end, from)
    if (from < 0 || to < 0)
      throw new Error(`The document has no place for "${name}": put ${start.trim()} and ${end} there`)
    return `${text.slice(0, from + start.length)}${part}\n${text.slice(to)}`
  }, document)
}

/** The generated parts of SPEC.md; `told` says in which files each fact is told. */
export const specParts = (told: ReadonlyMap<FactType, readonly string[]>): Readonly<Record<string, string>> => ({
  facts: rows(
    ['fact', 'told by', 'leads on from'],
    [...told].map(([fact, files]) => [
      code(fact),
      files.map(code).join(', '),
      [statesThatKnow(fact), statesOfMembershipThatKnow(fact)]
        .map((states, index) => `${index > 0 && states.length > 0 ? 'membership: ' : ''}${states.map(code).join(', ')}`)
        .filter((text) => text !== '')
        .join('; '),
    ]),
  ),
  table: rows(
    ['fact', ...Object.keys(table)],
    (Object.keys(facts) as EventClass[]).map((event) => [
      classText(event),
      ...Object.values(table).map((row) => (row[event] === 'ignored' ? '·' : row[event])),
    ]),
  ),
  'invariants of the lifecycle': invariants(oracles),
  'states of a membership': membershipStates(),
  'table of a membership': rows(
    ['event', ...Object.keys(membershipTable)],
    (Object.keys(membershipEvents) as MembershipEventClass[]).map((event) => [
      `${code(membershipEvents[event](1).type)}${event.endsWith('Old') ? ', older generation' : ''}`,
      ...Object.values(membershipTable).map((row) => (row[event] === 'ignored' ? '·' : row[event])),
    ]),
  ),
  'invariants of a membership': invariants(membershipOracles),
})

/** The generated part of the README: the state diagram. What all members of the group know is drawn once, round them. */
export function diagram(): string {
  const { states, root: machine } = lifecycleMachine
  const names = Object.keys(states)
  const arrows = names.flatMap((from) => arrowsFrom(from))
  const group = names.filter((from) => arrows.some((arrow) => arrow.from === from && arrow.to === 'stopping'))
  const entered = arrows.find(({ from, to }) => !group.includes(from) && group.includes(to))?.to ?? ''
  const inside = arrows.filter(({ from, to }) => group.includes(from) && group.includes(to))
  const leaving = arrows.filter(({ from, to }) => group.includes(from) && !group.includes(to))
  const shared = [...new Set(leaving.flatMap(({ labels }) => labels))].toSorted((one, other) => rank(one) - rank(other))
  const others = arrows.filter(({ from }) => !group.includes(from))
  const line = ({ from, to, labels }: Arrow) =>
    `  ${from} --> ${group.includes(to) ? 'running' : to} : ${labels.join(', ')}`
  return [
    '```mermaid',
    'stateDiagram-v2',
    ...(machine.initial.target ?? []).map(({ key }) => `  [*] --> ${key}`),
    ...others.filter(({ from }) => from === 'idle').map(line),
    '  state running {',
    `    [*] --> ${entered}`,
    ...inside.map(({ from, to, labels }) => `    ${from} --> ${to} : ${labels.join(', ')}`),
    '  }',
    `  running --> stopping : ${shared.join(', ')}`,
    ...others.filter(({ from }) => from !== 'idle').map(line),
    ...names.filter((name) => states[name as 'idle']?.type === 'final').map((name) => `  ${name} --> [*]`),
    '```',
  ].join('\n')
}

/** The states in which a fact leads to a transition, in order. */
export const statesThatKnow = (fact: string): string[] =>
  Object.entries(lifecycleMachine.states).flatMap(([name, { transitions }]) =>
    transitions.has(fact as never) ? [name] : [],
  )

const statesOfMembershipThatKnow = (fact: string): string[] =>
  Object.entries(membershipMachine.states).flatMap(([name, { transitions }]) =>
    transitions.has(fact as never) ? [name] : [],
  )

const invariants = (listed: Readonly<Record<string, { readonly holds: string }>>): string =>
  rows(
    ['id', 'what holds'],
    Object.entries(listed).map(([id, { holds }]) => [id, holds]),
  )

/** Each state of a membership in the machine's own words, with the events that lead in and out. */
function membershipStates(): string {
  const targets = targetsIn(membershipMachine)
  const listed = (events: Iterable<string>) =>
    [...new Set(events)]
      .filter((event) => !event.startsWith('xstate.'))
      .map(code)
      .join(', ') || '–'
  return rows(
    ['state of a membership', 'is', 'in by', 'out by'],
    Object.entries(membershipMachine.states).map(([state, { description }]) => [
      code(state),
      description ?? '',
      listed([...targets.values()].flatMap((arrows) => arrows.get(state) ?? [])),
      listed([...(targets.get(state)?.values() ?? [])].flat()),
    ]),
  )
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly labels: string[]
}

/** What a guard adds to the name of its event, where that tells two arrows apart. */
const conditions: Readonly<Record<string, string>> = { isTerminal: ' for good', hasFailed: ' after a failure' }

function arrowsFrom(from: string): Arrow[] {
  const found = new Map<string, string[]>()
  for (const [event, listed] of lifecycleMachine.states[from as 'idle']?.transitions ?? []) {
    // A port that throws leads to where a failure leads anyway.
    if (event.startsWith('xstate.')) continue
    for (const { target, guard } of listed) {
      for (const { key } of target ?? []) {
        const label = `${event}${conditions[String(guard)] ?? ''}`
        const labels = found.get(key) ?? []
        found.set(key, labels.includes(label) ? labels : [...labels, label])
      }
    }
  }
  return [...found].map(([to, labels]) => ({ from, to, labels }))
}

/** What the user asks for comes first. */
const rank = (label: string): number => (label.includes('.requested') ? 0 : 1)

function classText(event: EventClass): string {
  if (event === 'other') return 'any other'
  const old = event.endsWith('Old') ? ', older session' : ''
  const forGood = event === 'failedForGood' ? ', not curable by waiting' : ''
  return `${code(facts[event](1).type)}${old}${forGood}`
}

const code = (text: string): string => `\`${text}\``

const rows = (titles: readonly string[], cells: readonly (readonly string[])[]): string =>
  [titles, titles.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`.replace(/ {2,}/g, ' ')).join('\n')
