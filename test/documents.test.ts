// What README, docs/, DESIGN and CHANGELOG say, held against the code it is about.
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type FailureKind, remedies, remedyFor } from '../machines/failure.ts'
import { lifecycleMachine } from '../machines/lifecycle.ts'
import { adviceFor } from '../src/advice.ts'
import { deadLetter } from '../src/dead-letter.ts'
import { fileJournal } from '../src/journal/file-journal.ts'
import { memoryJournal } from '../src/journal/memory-journal.ts'
import type { ConsumerOptions } from '../src/options/consumer-options.ts'
import { resolveOptions } from '../src/options/options.ts'
import { nodesOf, pathOf, targetsIn } from './machines/structure.ts'
import { codeBlocks, quoted, tableOf } from './markdown.ts'
import { readSources } from './specification/sources.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')
const [readme, design, changelog] = await Promise.all([read('README.md'), read('DESIGN.md'), read('CHANGELOG.md')])
/** The reference: the files in docs/. */
const [options, calls, facts, states, adopt] = (await Promise.all(
  ['options', 'consumer', 'facts', 'states', 'adopt'].map((name) => read(`docs/${name}.md`)),
)) as [string, string, string, string, string]
const manifest = JSON.parse(await read('package.json'))
const minimal: ConsumerOptions = { brokers: ['b1:9092'], groupId: 'g', topics: ['t'], eachMessage: async () => {} }

test('the file map of DESIGN names every file and folder of the sources and every folder of the tests, and nothing else', async () => {
  const houses = ['machines', 'actors', 'src', 'page', 'test'] as const
  const entries = await Promise.all(
    houses.map((house) => readdir(join(root, house), { recursive: true, withFileTypes: true })),
  )
  const paths = entries.flat().map((entry) => {
    return `${join(entry.parentPath, entry.name).slice(root.length + 1)}${entry.isDirectory() ? '/' : ''}`
  })
  const isSource = (path: string) => !path.startsWith('test/') && /\.(tsx?|cjs)$/.test(path)
  const mirrored = new Set(paths.filter((path) => !path.startsWith('test/')).map((path) => `test/${path}`))
  const expected = paths.filter((path) => isSource(path) || (path.endsWith('/') && !mirrored.has(path)))
  const named = tableOf(design, 'file').flatMap(({ file = '' }) => quoted(file))
  expect(named.length).toBeGreaterThan(50)
  expect(named.toSorted()).toEqual(expected.toSorted())
})

test('every path of a source or test that DESIGN names exists', async () => {
  const paths = quoted(design).filter((code) => /^(machines|actors|src|test)\/\S*$/.test(code))
  expect(paths.length).toBeGreaterThan(50)
  for (const path of paths)
    await expect(
      readdir(join(root, path)).catch(() => read(path)),
      path,
    ).resolves.toBeDefined()
})

test('every file of the sources is named with words of the glossary, or with those that DESIGN lists beside it', async () => {
  const [, glossary = ''] = /\n## Glossary\n([\s\S]*?)\n## /.exec(design) ?? []
  const singular = (word: string) => word.replace(/(?<!s)s$/, '')
  const terms = tableOf(glossary, 'term').flatMap(({ term = '' }) => term.toLowerCase().split(/[ -]/))
  const words = new Set([...terms, ...quoted(glossary)].map(singular))
  const entries = await Promise.all(
    ['machines', 'actors', 'src'].map((house) => readdir(join(root, house), { recursive: true })),
  )
  const files = entries.flat().filter((name) => /\.(ts|cjs)$/.test(name))
  expect(files.length).toBeGreaterThan(100)
  const strange = files.filter((name) => {
    const [base = ''] = (name.split('/').at(-1) ?? '').split('.')
    return base.split('-').some((word) => !words.has(singular(word)))
  })
  expect(strange).toEqual([])
})

test('DESIGN gives a reason for every dependency, and for no other', () => {
  const named = tableOf(design, 'package').flatMap((row) => quoted(row.package ?? ''))
  const used = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)]
  expect(named.toSorted()).toEqual(used.toSorted())
})

test('every npm script that a document names exists', () => {
  const named = [
    ...`${readme}\n${design}`.matchAll(/npm (?:run )?(demo(?::\w+)?|cluster|build|measure:journal|test(?::\w+)?)\b/g),
  ]
  expect(named.length).toBeGreaterThan(4)
  for (const [, script = ''] of named) expect(Object.keys(manifest.scripts)).toContain(script)
})

test('the README has at most 300 lines, and its parts in the order of a first hour', () => {
  expect(readme.split('\n').length - 1).toBeLessThanOrEqual(300)
  expect([...readme.matchAll(/^## (.+)$/gm)].map(([, title]) => title)).toEqual([
    ...['Install', 'Quick start', 'One line for the clients you have', 'Delivery', 'Errors and dead letters'],
    ...['Moving over from KafkaJS', 'Observing', 'Balance a cluster'],
    ...['Kubernetes', 'Moving listeners', 'Troubleshooting', 'Limits', 'Reference'],
  ])
})

test('every file and heading that a document links to exists', async () => {
  const names = (await readdir(join(root, 'docs'))).map((name) => `docs/${name}`)
  const documents = ['README.md', 'DESIGN.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'SPEC.md']
  documents.push(...names.filter((name) => name.endsWith('.md')))
  const links = await Promise.all(documents.map(async (path) => linksIn(path, await read(path))))
  expect(links.flat().length).toBeGreaterThan(20)
  for (const { from, to, heading } of links.flat()) {
    const text = await read(to).catch(() => undefined)
    expect(text, `${from} links to ${to}`).toBeDefined()
    if (heading !== undefined) expect(headingsIn(text ?? ''), `${from} links into ${to}`).toContain(heading)
  }
  const linked = links.flat().filter(({ from, to }) => from === 'README.md' || to.endsWith('.png'))
  expect(names.filter((name) => !linked.some(({ to }) => to === name))).toEqual([])
})

test('the package holds every file that its documents link to', async () => {
  const isPacked = (path: string) =>
    ['package.json', 'LICENSE', ...manifest.files].some((each) => path === each || path.startsWith(`${each}/`))
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.md') && isPacked(name))
  const links = await Promise.all(names.map(async (path) => linksIn(path, await read(path))))
  expect(names).toContain('README.md')
  expect(links.flat().length).toBeGreaterThan(20)
  expect(links.flat().filter(({ to }) => !isPacked(to))).toEqual([])
})

test('the package says where it comes from, as one place', () => {
  const { repository, homepage, bugs } = manifest
  expect(repository).toEqual({ type: 'git', url: `git+${homepage.replace('#readme', '')}.git` })
  expect(bugs).toEqual({ url: homepage.replace('#readme', '/issues') })
})

test('the README says for every call and option of a KafkaJS consumer what there is here, and docs/adopt.md for every event', async () => {
  const declared = await read('node_modules/kafkajs/types/index.d.ts')
  const bodyOf = (type: string): string =>
    new RegExp(`^export (?:interface|type) ${type}(?: =)? \\{(.*\\}|[\\s\\S]*?^\\})$`, 'm').exec(declared)?.[1] ?? ''
  const membersOf = (type: string): string[] => [
    ...new Set(
      [...bodyOf(type).matchAll(/(?:^ {1,2}|(?<=^ \w.*; ))(?:readonly )?(\w+)\??[(:]/gm)].map(([, name = '']) => name),
    ),
  ]
  const told = (title: string, document = readme) => tableOf(document, title).flatMap((row) => quoted(row[title] ?? ''))
  const configs = ['KafkaConfig', 'ConsumerConfig', 'ConsumerSubscribeTopics', 'ConsumerRunConfig'].map(membersOf)
  for (const names of configs) expect(names.length).toBeGreaterThan(1)
  const calls = told('call of KafkaJS').map((call) => call.replace(/\(.*/, ''))
  expect(calls.toSorted()).toEqual(membersOf('Consumer').toSorted())
  expect(told('option of KafkaJS').toSorted()).toEqual([...new Set(configs.flat())].toSorted())
  const events = [...bodyOf('ConsumerEvents').matchAll(/'(consumer\.[\w.]+)'/g)].map(([, name = '']) => name)
  expect(events.length).toBeGreaterThan(10)
  expect(told('event of KafkaJS', adopt).toSorted()).toEqual(events.toSorted())
})

test('the options and facts that the README and docs/adopt.md name in place of those of KafkaJS exist', () => {
  const known = new Set(tableOf(facts, 'fact').flatMap(({ fact = '' }) => quoted(fact)))
  const named = tableOf(adopt, 'event of KafkaJS').flatMap(({ here = '' }) => quoted(here))
  expect(named.filter((name) => name !== 'ended' && !known.has(name))).toEqual([])
  const instead = tableOf(readme, 'option of KafkaJS').flatMap(({ here = '' }) => quoted(here))
  expect(instead.filter((name) => !optionRows().some((row) => row.name === name))).toEqual([])
})

test('the README names every code with an advice of its own and every one that tells of a peer, and none that nobody gives', async () => {
  const told = new Set(tableOf(readme, 'code').flatMap(({ code = '' }) => quoted(code)))
  const sources = await readSources(['machines', 'actors', 'src'])
  const codesIn = (file: string, pattern: RegExp) =>
    [...(sources.get(file) ?? '').matchAll(pattern)].flatMap(([, codes = '']) => codes.split('|'))
  const advised = codesIn('src/advice.ts', /codes: \/\^\(?([\w|]+)\)?\$\//g)
  const silent = codesIn('actors/connection/dial-step.ts', /\['([A-Z_]+)', '/g)
  const made = [...sources.keys()].flatMap((file) => codesIn(file, /code: '([A-Z]+(?:_[A-Z]+)+)'/g))
  const ofPeers = ['connection/dial-step', 'protocol/foreign-protocol', 'protocol/frames', 'cluster/diagnosis'].flatMap(
    (name) => codesIn(`actors/${name}.ts`, /code: '([A-Z]+(?:_[A-Z]+)+)'/g),
  )
  expect([advised.length > 20, silent.length > 5, ofPeers.length > 5]).toEqual([true, true, true])
  expect([...advised, ...silent, ...ofPeers].filter((code) => !told.has(code))).toEqual([])
  const byKind = adviceFor({ kind: 'dial-failed' })
  const isGiven = (code: string) =>
    made.includes(code) || silent.includes(code) || adviceFor({ kind: 'dial-failed', code }) !== byKind
  expect([...told].filter((code) => !isGiven(code))).toEqual([])
})

test('KafkaJS is pinned to the version that the documents name, and docs/limits.md names every inner module that is taken', async () => {
  const limits = await read('docs/limits.md')
  expect(manifest.dependencies.kafkajs).toMatch(/^\d+\.\d+\.\d+$/)
  for (const text of [readme, limits]) expect(text).toContain(manifest.dependencies.kafkajs)
  const taken = [...(await read('actors/kafkajs/parts.cjs')).matchAll(/^exports\.(\w+) =/gm)].map(([, name]) => name)
  const [, named = ''] = /The inner modules of KafkaJS [^`]*(.*?)\. They/.exec(limits) ?? []
  expect(taken.length).toBeGreaterThan(5)
  expect(quoted(named)).toEqual(taken)
})

test('the changelog has an entry for this version', () => {
  expect(changelog).toContain(`## ${manifest.version}`)
})

test('the option table names every option, and nothing else', async () => {
  const [, fields = ''] =
    /export interface Options \{\n([\s\S]*?)\n\}/.exec(await read('src/options/consumer-options.ts')) ?? []
  const names = [...fields.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(30)
  expect(optionRows().map(({ name }) => name)).toEqual(names)
})

test.each(optionRows())('the option table gives the default of $name as it is', ({ name, preset }) => {
  const value: unknown = name in minimal ? undefined : { ...resolveOptions(minimal) }[name]
  const isPlain = ['number', 'boolean', 'string'].includes(typeof value) && value !== ''
  if (isPlain) expect(preset).toBe(`\`${value}\``)
  else expect(preset).not.toMatch(/^`[\w-]+`$/)
})

test.each(optionRows())('the option table gives the bounds of $name as they are', ({ name, bounds }) => {
  const [, least, most] = /whole number (?:of at least|from) (\d+)(?: to (\d+))?/.exec(refusal(name, -1)) ?? []
  const plain = bounds.replace(/ (ms|bytes)$/, '')
  if (least === undefined) expect(plain).not.toMatch(/^\d+(–\d+$| or more)/)
  else expect(plain).toBe(most === undefined ? `${least} or more` : `${least}–${most}`)
  if (/Ms$/.test(name)) expect(bounds).toMatch(/ ms$/)
})

test('the options of deadLetter and of the journals have the defaults and bounds that their tables give', () => {
  const cellsOf = (call: string, name: string) => {
    const row = tableOf(section(options, `Options of \`${call}\``), 'option').find(
      ({ option }) => option === `\`${name}\``,
    )
    return [quoted(row?.default ?? '')[0], (row?.bounds ?? '').split(' ')[0]].map(Number)
  }
  const producer = { send: async () => {} }
  const [attempts, leastAttempts = 0] = cellsOf('deadLetter', 'maxAttempts')
  expect(deadLetter({ producer, topic: 't' }).maxAttempts).toBe(attempts)
  expect(() => deadLetter({ producer, topic: 't', maxAttempts: leastAttempts - 1 })).toThrow(
    `at least ${leastAttempts}`,
  )
  const [, leastRecords = 0] = cellsOf('memoryJournal', 'capacity')
  expect(() => memoryJournal({ capacity: leastRecords - 1 })).toThrow(`at least ${leastRecords}`)
  const [, leastBytes = 0] = cellsOf('fileJournal', 'segmentBytes')
  expect(() => fileJournal('j', { segmentBytes: leastBytes - 1 })).toThrow(`at least ${leastBytes}`)
  const [mostBytes = 0] = cellsOf('fileJournal', 'maxBytes')
  expect(() => fileJournal('j', { segmentBytes: mostBytes })).toThrow(`got ${mostBytes}`)
})

test('the fact table names every fact with its data, and nothing else', async () => {
  const source = await read('machines/fact.ts')
  const [, fields = ''] = /export interface FactData \{\n([\s\S]*?)\n\}/.exec(source) ?? []
  const namesIn = (text: string) => [...text.matchAll(/readonly (\w+)\??:/g)].map(([, name = '']) => name)
  const shapes = [...source.matchAll(/^interface (\w+) \{\n([\s\S]*?)\n\}/gm)].map(
    ([, name = '', text = '']) => [name, namesIn(text)] as const,
  )
  const real = fields
    .split(/^ {2}(?=')/m)
    .slice(1)
    .map((text) => {
      const shared = [['TopicPartition', ['topic', 'partition']] as const, ...shapes].flatMap(([name, names]) =>
        text.includes(name) ? names : [],
      )
      return { fact: quotedName(text), data: [...shared, ...namesIn(text)] }
    })
  expect(real.length).toBeGreaterThan(30)
  const told = tableOf(facts, 'fact').map(({ fact = '', data = '' }) => ({
    fact: quoted(fact)[0],
    data: quoted(data),
  }))
  expect(told).toEqual(real)
})

test('the failure table names every failure with its remedy, and nothing else', () => {
  const rows = tableOf(calls, 'failure')
  expect(rows.map(({ failure = '' }) => quoted(failure)[0])).toEqual(Object.keys(remedies))
  for (const row of rows) {
    expect(quoted(row['what helps'] ?? '')).toEqual([remedyFor(quoted(row.failure ?? '')[0] as FailureKind)])
  }
})

test('the state diagram has the states and transitions of the lifecycle, and no other', () => {
  expect(drawn()).toEqual(real())
})

test('the state table names every state in order', () => {
  const named = tableOf(states, 'state').flatMap(({ state = '' }) => quoted(state))
  expect(named).toEqual(nodesOf(lifecycleMachine).map(pathOf))
})

/** What stands under a heading. */
const section = (document: string, heading: string): string =>
  document.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''

function optionRows() {
  return tableOf(options, 'option').map(({ option = '', default: preset = '', bounds = '' }) => ({
    name: quoted(option)[0] ?? '',
    preset,
    bounds,
  }))
}

interface Link {
  readonly from: string
  readonly to: string
  readonly heading: string | undefined
}

/** The links of a document into this repository. */
function linksIn(from: string, text: string): Link[] {
  return [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, path = '', heading]) => {
    return { from, to: path === '' ? from : join(dirname(from), path), heading }
  })
}

/** The headings of a document as links name them. */
const headingsIn = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )

function refusal(name: string, value: unknown): string {
  try {
    resolveOptions({ ...minimal, [name]: value })
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

function quotedName(text: string): string {
  return /^'([^']+)'/.exec(text)?.[1] ?? ''
}

/** `from → to: events` for each arrow that is drawn. */
function drawn(): string[] {
  const [diagram = ''] = codeBlocks(states, 'mermaid')
  const paths = new Map<string, string>()
  for (const [, outer = '', inside = ''] of diagram.matchAll(/^ {2}subgraph (\w+)\n([\s\S]*?)\n {2}end$/gm)) {
    for (const [, id = '', name = ''] of inside.matchAll(/^ {4}(\w+)\["(.+)"\]$/gm)) paths.set(id, `${outer}.${name}`)
  }
  const named = (id: string) => paths.get(id) ?? id
  const arrows = [...diagram.matchAll(/^ {2}(\w+)(?:\(\(" "\)\))? -->(?:\|"(.*)"\|)? (\w+)$/gm)]
  expect(arrows).toHaveLength(diagram.match(/-->/g)?.length ?? 0)
  return arrows
    .map(([, from = '', label = '', to = '']) => {
      const events = label.match(/[a-z]+\.[a-z-]+/g) ?? []
      return `${named(from)} → ${named(to)}: ${events.toSorted().join(', ')}`
    })
    .toSorted()
}

/** A port that throws leads to where a failure leads anyway. */
function real(): string[] {
  const arrows = [...targetsIn(lifecycleMachine)].flatMap(([from, targets]) =>
    [...targets].map(([to, events]) => [from, to, events.filter((event) => !event.startsWith('xstate.'))] as const),
  )
  const first = lifecycleMachine.root.initial.target?.map(({ key }) => `start → ${key}: `) ?? []
  return [
    ...first,
    ...arrows
      .filter(([, , events]) => events.length > 0)
      .map(([from, to, events]) => `${from} → ${to}: ${events.toSorted().join(', ')}`),
  ].toSorted()
}
