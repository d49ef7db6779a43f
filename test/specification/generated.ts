// The parts of the documents that are written by the machine: its diagram, its states, its table, its invariants, its facts.
import type { AnyStateMachine, AnyStateNode } from 'xstate'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import type { FactType } from '../../machines/fact.ts'
import { followingMachine } from '../../machines/following.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { oracles as balancingOracles } from '../machines/balancing-oracles.ts'
import { events as balancingEvents } from '../machines/balancing-stories.ts'
import { type EventClass as BalancingEventClass, table as balancingTable } from '../machines/balancing-table.ts'
import { oracles as followingOracles } from '../machines/following-oracles.ts'
import { events as followingEvents } from '../machines/following-stories.ts'
import { type EventClass as FollowingEventClass, table as followingTable } from '../machines/following-table.ts'
import { oracles } from '../machines/lifecycle-oracles.ts'
import { facts } from '../machines/lifecycle-stories.ts'
import { type EventClass, table } from '../machines/lifecycle-table.ts'
import { oracles as membershipOracles } from '../machines/membership-oracles.ts'
import { events as membershipEvents } from '../machines/membership-stories.ts'
import { type EventClass as MembershipEventClass, table as membershipTable } from '../machines/membership-table.ts'
import { nameOf, nodesOf, pathOf, targetsIn } from '../machines/structure.ts'

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
  states: rows(
    ['state', 'means', 'tags', 'actor', 'in by', 'out by'],
    nodes.map((node) => {
      const { in: entering, out } = factsRound(pathOf(node))
      const cells = [node.tags, node.invoke.map(({ src }) => String(src)), entering, out]
      return [code(pathOf(node)), node.description ?? '', ...cells.map((each) => each.map(code).join(', ') || '–')]
    }),
  ),
  facts: rows(
    ['fact', 'told by', 'leads on from'],
    [...told].map(([fact, files]) => [
      code(fact),
      files.map(code).join(', '),
      [
        statesThatKnow(fact).map(code).join(', '),
        ...[membershipMachine, followingMachine, balancingMachine].map((machine) => othersThatKnow(machine, fact)),
      ]
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
  'states of a membership': statesOf(membershipMachine),
  'table of a membership': rows(
    ['event', ...Object.keys(membershipTable)],
    (Object.keys(membershipEvents) as MembershipEventClass[]).map((event) => [
      `${code(membershipEvents[event](1).type)}${event.endsWith('Old') ? ', older generation' : ''}`,
      ...Object.values(membershipTable).map((row) => (row[event] === 'ignored' ? '·' : row[event])),
    ]),
  ),
  'invariants of a membership': invariants(membershipOracles),
  'states of a following': statesOf(followingMachine),
  'table of a following': rows(
    ['event', ...Object.keys(followingTable)],
    (Object.keys(followingEvents) as FollowingEventClass[]).map((event) => [
      code(followingEvents[event].type),
      ...Object.values(followingTable).map((row) => (row[event] === 'ignored' ? '·' : row[event])),
    ]),
  ),
  'invariants of a following': invariants(followingOracles),
  'states of a balancing': statesOf(balancingMachine),
  'table of a balancing': rows(
    ['event', ...Object.keys(balancingTable)],
    (Object.keys(balancingEvents) as BalancingEventClass[]).map((event) => [
      code(balancingEvents[event].type),
      ...Object.values(balancingTable).map((row) => (row[event] === 'ignored' ? '·' : row[event])),
    ]),
  ),
  'invariants of a balancing': invariants(balancingOracles),
})

/** The generated parts of docs/states.md: the state diagram, and what each state means. */
export const statesParts = (): Readonly<Record<string, string>> => ({
  diagram: diagram(),
  states: rows(
    ['state', 'means'],
    nodes.map((node) => [code(pathOf(node)), node.description ?? '']),
  ),
})

/** The chart as it is: states in states, and each transition where it stands. Mermaid's state diagrams have no arrow from one nested state to that of another. */
function diagram(): string {
  const line = ({ from, to, labels }: Arrow) => `  ${idOf(from)} -->|"${labels.join(', ')}"| ${idOf(to)}`
  return [
    '```mermaid',
    'flowchart TD',
    ...nodes.filter(({ type }) => type === 'final').map((node) => `  ${idOf(pathOf(node))}([${node.key}])`),
    ...nodes
      .filter(({ type }) => type === 'compound')
      .flatMap((node) => [
        `  subgraph ${node.key}`,
        ...Object.values(node.states).map((each) => `    ${idOf(pathOf(each))}["${each.key}"]`),
        '  end',
      ]),
    ...(lifecycleMachine.root.initial.target ?? []).map((node) => `  start((" ")) --> ${idOf(pathOf(node))}`),
    ...nodes.flatMap(arrowsFrom).map(line),
    '```',
  ].join('\n')
}

const nodes = nodesOf(lifecycleMachine)

const idOf = (path: string): string => path.replaceAll(/\W/g, '_')

/** The states in which a fact leads to a transition, in order. */
export const statesThatKnow = (fact: string): string[] =>
  nodes.filter(({ transitions }) => transitions.has(fact)).map(pathOf)

/** The facts that lead into a state and out of it, each once. An actor that throws leads to where a failure leads anyway. */
function factsRound(path: string) {
  const targets = targetsIn(lifecycleMachine)
  const own = (events: readonly string[]) => [...new Set(events)].filter((event) => !event.startsWith('xstate.'))
  return {
    in: own([...targets.values()].flatMap((arrows) => arrows.get(path) ?? [])),
    out: own([...(targets.get(path)?.values() ?? [])].flat()),
  }
}

/** The states of another machine in which a fact leads on, behind its name; empty where there are none. */
function othersThatKnow(machine: AnyStateMachine, fact: string): string {
  const states = nodesOf(machine).filter(({ transitions }) => transitions.has(fact))
  return states.length === 0 ? '' : `${machine.id}: ${states.map(pathOf).map(code).join(', ')}`
}

const invariants = (listed: Readonly<Record<string, { readonly holds: string }>>): string =>
  rows(
    ['id', 'what holds'],
    Object.entries(listed).map(([id, { holds }]) => [id, holds]),
  )

/** Each state of a machine without nested ones in its own words, with the events that lead in and out. */
function statesOf(machine: AnyStateMachine): string {
  const targets = targetsIn(machine)
  const listed = (events: Iterable<string>) =>
    [...new Set(events)]
      .filter((event) => !event.startsWith('xstate.'))
      .map(code)
      .join(', ') || '–'
  return rows(
    [`state of a ${machine.id}`, 'is', 'in by', 'out by'],
    nodesOf(machine).map((node) => [
      code(pathOf(node)),
      node.description ?? '',
      listed([...targets.values()].flatMap((arrows) => arrows.get(pathOf(node)) ?? [])),
      listed([...(targets.get(pathOf(node))?.values() ?? [])].flat()),
    ]),
  )
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly labels: string[]
}

/** What a guard adds to the name of its event, where that tells two arrows apart. */
const conditions: Readonly<Record<string, string>> = { isTerminal: ' (not retriable)', hasFailed: ' after a failure' }

function arrowsFrom(node: AnyStateNode): Arrow[] {
  const found = new Map<string, string[]>()
  for (const [event, listed] of node.transitions) {
    if (event.startsWith('xstate.')) continue
    for (const { target, guard } of listed) {
      for (const to of (target ?? []).map(pathOf)) {
        const label = `${event}${conditions[nameOf(guard)] ?? ''}`
        found.set(to, [...(found.get(to) ?? []), label])
      }
    }
  }
  return [...found].map(([to, labels]) => ({ from: pathOf(node), to, labels }))
}

function classText(event: EventClass): string {
  if (event === 'other') return 'any other'
  const old = event.endsWith('Old') ? ', older session' : ''
  const forGood = event === 'failedForGood' ? ', not retriable' : ''
  return `${code(facts[event](1).type)}${old}${forGood}`
}

export const code = (text: string): string => `\`${text}\``

export const rows = (titles: readonly string[], cells: readonly (readonly string[])[]): string =>
  [titles, titles.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`.replace(/ {2,}/g, ' ')).join('\n')
