// SPEC.md held against the machine and the sources, in both directions: what it names exists, and what exists is named.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type AnyStateMachine, initialTransition } from 'xstate'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import { followingMachine } from '../../machines/following.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { facts } from '../machines/lifecycle-stories.ts'
import { nodesOf, pathOf, targetsIn } from '../machines/structure.ts'
import { quoted, type Row, tableOf } from '../markdown.ts'
import { factsTold } from './facts.ts'
import { specParts, statesParts, statesThatKnow, withGenerated } from './generated.ts'
import { referenceParts } from './reference.ts'
import { defines, type Place, readSources, root, waitsIn } from './sources.ts'

const spec = await readFile(join(root, 'SPEC.md'), 'utf8')
const states = await readFile(join(root, 'docs/states.md'), 'utf8')
const sources = await readSources(['machines', 'actors', 'src'])
const tests = await readSources(['test'])
const told = await factsTold()
const column = (row: Row, title: string): string => row[title] ?? ''

test('the generated parts of SPEC.md and of docs/ are what `npm run spec` writes now', async () => {
  expect(withGenerated(spec, specParts(told))).toBe(spec)
  expect(withGenerated(states, statesParts())).toBe(states)
  for (const [path, parts] of Object.entries(referenceParts())) {
    const document = await readFile(join(root, path), 'utf8')
    expect(withGenerated(document, parts), path).toBe(document)
  }
})

test('the state table names every state with the facts that lead in and out, and no other', () => {
  const targets = targetsIn(lifecycleMachine)
  const own = (events: Iterable<string>) =>
    [...new Set(events)].filter((event) => !event.startsWith('xstate.')).toSorted()
  const real = nodesOf(lifecycleMachine).map((node) => ({
    state: pathOf(node),
    means: node.description,
    actor: node.invoke.map(({ src }) => src),
    in: own([...targets.values()].flatMap((arrows) => arrows.get(pathOf(node)) ?? [])),
    out: own([...(targets.get(pathOf(node))?.values() ?? [])].flat()),
  }))
  const named = tableOf(spec, 'state').map((row) => ({
    state: quoted(column(row, 'state'))[0],
    means: column(row, 'means'),
    actor: quoted(column(row, 'actor')),
    in: quoted(column(row, 'in by')).toSorted(),
    out: quoted(column(row, 'out by')).toSorted(),
  }))
  expect(named).toEqual(real)
})

test('every guard and action of the lifecycle is named, and no other', () => {
  const { guards, actions } = lifecycleMachine.implementations
  const named = tableOf(spec, 'guard or action').flatMap((row) => quoted(column(row, 'guard or action')))
  expect(named).toEqual([...Object.keys(guards), ...Object.keys(actions)])
})

test.each([membershipMachine, followingMachine, balancingMachine])(
  'every guard and action of a $id is named, and no other',
  (machine) => {
    const { guards, actions } = machine.implementations
    const title = `guard or action of a ${machine.id}`
    const named = tableOf(spec, title).flatMap((row) => quoted(column(row, title)))
    expect(named).toEqual([...Object.keys(guards), ...Object.keys(actions)])
  },
)

test('every context is named field by field', () => {
  const [, text = ''] = /^The context: ([\s\S]*?)\n\n/m.exec(spec) ?? []
  expect(quoted(text)).toEqual(
    Object.keys(lifecycleMachine.getInitialSnapshot({} as never, { retryBudget: null }).context),
  )
  const kept = [...spec.matchAll(/^What it keeps: ([\s\S]*?)\n\n/gm)].map(([, fields = '']) => quoted(fields))
  const machines: AnyStateMachine[] = [membershipMachine, followingMachine, balancingMachine]
  expect(kept).toEqual(
    machines.map((machine) => Object.keys(initialTransition(machine, { mode: 'dry-run', round: 0 })[0].context)),
  )
})

test('every command of the consumer is named, and no other', () => {
  const [, members = ''] =
    /export interface Consumer extends AsyncDisposable \{\n([\s\S]*?)\n\}/.exec(source('src/consumer.ts')) ?? []
  const methods = [
    ...members.matchAll(/^ {2}(\w+)\(.*\): (?:Promise<void>|Promise<'joined' \| 'stopped'>|void)$/gm),
  ].map(([, name = '']) => name)
  expect(methods.length).toBeGreaterThan(4)
  expect(
    tableOf(spec, 'command')
      .flatMap((row) => quoted(column(row, 'command')))
      .toSorted(),
  ).toEqual(methods.toSorted())
})

test('every fact is told somewhere, and the table has a row for each that leads somewhere', () => {
  expect([...told].filter(([, files]) => files.length === 0)).toEqual([])
  const listened = [...told.keys()].filter((fact) => statesThatKnow(fact).length > 0)
  const { other: _, ...classes } = facts
  const tested = Object.values(classes).map((fact) => fact(1).type)
  expect([...new Set(tested)].toSorted()).toEqual(listened.toSorted())
})

const invariants = allRowsWith(['id', 'enforced by', 'shown by'])

test('the invariants that have to be there are there, in order, once', () => {
  const ids = invariants.map((row) => column(row, 'id'))
  const series = (letter: string, count: number) => Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
  const own = ids.filter((id) => id.startsWith('C'))
  expect(ids).toEqual([...series('S', 10), ...series('L', 6), 'R', ...series('C', own.length)])
  expect(own.length).toBeGreaterThanOrEqual(20)
})

test.each(invariants.map((row) => [column(row, 'id'), row] as const))(
  '%s is enforced and shown where it says',
  (_, row) => {
    const places = placesIn(column(row, 'enforced by'))
    expect(places.length).toBeGreaterThan(0)
    for (const { file, name } of places) expect(defines(source(file), name), `${file} ${name}`).toBe(true)
    const shown = [...column(row, 'shown by').matchAll(/`(test\/[^`]+)` "([^"]+)"/g)]
    expect(shown.length).toBeGreaterThan(0)
    for (const [, file = '', title = ''] of shown) {
      expect(titlesIn(tests.get(file) ?? ''), `${file} has the test "${title}"`).toContain(title)
    }
  },
)

test('an invariant that another part of the document refers to exists', () => {
  const known = [...invariants, ...allRowsWith(['id', 'what holds'])].map((row) => column(row, 'id'))
  const named = [...spec.matchAll(/\b([SLCMGWB]\d+)\b/g)].map(([, id = '']) => id)
  expect(named.filter((id) => !known.includes(id))).toEqual([])
})

test.each([
  ['cycle', lifecycleMachine],
  ['cycle of a following', followingMachine],
  ['cycle of a balancing', balancingMachine],
])('every %s is named, and no other', (title, machine) => {
  const named = tableOf(spec, title).map((row) => quoted(column(row, title)).join(' → '))
  expect(named.toSorted()).toEqual(cycles(machine).toSorted())
})

test('everything in the sources that waits or goes round is named, and every place that is named exists', () => {
  const rows = [...tableOf(spec, 'loop'), ...tableOf(spec, 'wait')]
  const named = rows.flatMap((row) => placesIn(column(row, 'where')))
  const text = ({ file, name }: Place) => `${file} ${name}`
  const missing = named.filter(({ file, name }) => !defines(source(file), name)).map(text)
  const waits = [...sources].flatMap(([file, code]) => waitsIn(file, code))
  expect(waits.length).toBeGreaterThan(30)
  expect(missing).toEqual([])
  expect(waits.map(text).filter((place) => !named.map(text).includes(place))).toEqual([])
})

test('whatever waits in `actors/time/` is a wait where it is called', () => {
  const offered = [...sources].flatMap(([file, code]) => {
    const isOffered = ({ name }: Place) =>
      new RegExp(`^(?:export function|  (?!private)(?:async )?)\\b *${name}\\b`, 'm').test(code)
    return file.startsWith('actors/time/') ? waitsIn(file, code).filter(isOffered) : []
  })
  expect(offered.length).toBeGreaterThan(4)
  for (const { name } of offered)
    expect(waitsIn('caller.ts', `export async function call() {\n  await ${name}(ms)\n}`), name).toHaveLength(1)
})

test('every loop says what starts it, what changes, and what bounds it', () => {
  for (const row of ['loop', 'cycle', 'cycle of a following', 'cycle of a balancing', 'wait'].flatMap((title) =>
    tableOf(spec, title),
  )) {
    for (const [title, text] of Object.entries(row)) expect(text, `${Object.values(row)[0]}: ${title}`).not.toBe('')
  }
})

function source(file: string): string {
  const text = sources.get(file)
  if (text === undefined) throw new Error(`There is no file ${file}`)
  return text
}

/** `file` `name` `name`, `file` …: the names belong to the file before them. */
function placesIn(cell: string): Place[] {
  let file = ''
  return quoted(cell).flatMap((code) => {
    if (!code.includes('/')) return [{ file, name: code }]
    file = code
    return []
  })
}

/** Titles as they are written: behind a bracket, or on a line of their own. */
const titlesIn = (text: string): string[] =>
  [...text.matchAll(/(?:^ *|\()'((?:[^'\\]|\\.)+)',/gm)].map(([, title = '']) => title)

/** The rows of the tables with exactly these first titles, wherever they are: several tables may begin with the same one. */
function allRowsWith(titles: readonly string[]): Row[] {
  return spec
    .split(/^#+ /m)
    .flatMap((section) => (/^\| ?id ?\|/m.test(section) ? tableOf(section, 'id') : []))
    .filter((row) => titles.every((title) => title in row))
}

/** Each cycle of states at the top level once, beginning with the state that comes first. */
function cycles(machine: AnyStateMachine): string[] {
  const targets = new Map(Object.keys(machine.states).map((name) => [name, new Set<string>()]))
  const outer = (path: string) => path.replace(/\..*/, '')
  for (const [from, arrows] of targetsIn(machine))
    for (const to of arrows.keys()) targets.get(outer(from))?.add(outer(to))
  const names = [...targets.keys()]
  const found: string[] = []
  const follow = (way: readonly string[]): void => {
    const [first = ''] = way
    for (const to of targets.get(way.at(-1) ?? '') ?? []) {
      if (to === first) found.push([...way, to].join(' → '))
      else if (!way.includes(to) && names.indexOf(to) > names.indexOf(first)) follow([...way, to])
    }
  }
  for (const name of names) follow([name])
  return found
}
