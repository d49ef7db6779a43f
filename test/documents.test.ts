// What README, DESIGN and CHANGELOG say, held against the code it is about.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type FailureKind, remedies, remedyFor } from '../machines/failure.ts'
import { lifecycleMachine } from '../machines/lifecycle.ts'
import type { ConsumerOptions } from '../src/options/consumer-options.ts'
import { resolveOptions } from '../src/options/options.ts'
import { nodesOf, pathOf, targetsIn } from './machines/structure.ts'
import { codeBlocks, quoted, tableOf } from './markdown.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')
const [readme, design, changelog] = (await Promise.all(['README.md', 'DESIGN.md', 'CHANGELOG.md'].map(read))) as [
  string,
  string,
  string,
]
const manifest = JSON.parse(await read('package.json'))
const minimal: ConsumerOptions = { brokers: ['b1:9092'], groupId: 'g', topics: ['t'], eachMessage: async () => {} }

test('the file map of DESIGN names every file and folder of the sources and every folder of the tests, and nothing else', async () => {
  const houses = ['machines', 'actors', 'src', 'test'] as const
  const entries = await Promise.all(
    houses.map((house) => readdir(join(root, house), { recursive: true, withFileTypes: true })),
  )
  const paths = entries.flat().map((entry) => {
    return `${join(entry.parentPath, entry.name).slice(root.length + 1)}${entry.isDirectory() ? '/' : ''}`
  })
  const isSource = (path: string) => !path.startsWith('test/') && /\.(ts|cjs)$/.test(path)
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
    ...`${readme}\n${design}`.matchAll(/npm (?:run )?(demo|cluster|build|measure:journal|test(?::\w+)?)\b/g),
  ]
  expect(named.length).toBeGreaterThan(4)
  for (const [, script = ''] of named) expect(Object.keys(manifest.scripts)).toContain(script)
})

test('the changelog has an entry for this version', () => {
  expect(changelog).toContain(`## ${manifest.version}`)
})

test('the option table of the README names every option, and nothing else', async () => {
  const [, fields = ''] =
    /export interface ConsumerOptions \{\n([\s\S]*?)\n\}/.exec(await read('src/options/consumer-options.ts')) ?? []
  const options = [...fields.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name)
  expect(options.length).toBeGreaterThan(30)
  expect(optionRows().map(({ name }) => name)).toEqual(options)
})

test.each(optionRows())('the README gives the default of $name as it is', ({ name, preset }) => {
  const value: unknown = name in minimal ? undefined : { ...resolveOptions(minimal) }[name]
  const isPlain = ['number', 'boolean', 'string'].includes(typeof value) && value !== ''
  if (isPlain) expect(preset).toBe(`\`${value}\``)
  else expect(preset).not.toMatch(/^`[\w-]+`$/)
})

test.each(optionRows())('the README gives the bounds of $name as they are', ({ name, bounds }) => {
  const [, least, most] = /whole number (?:of at least|from) (\d+)(?: to (\d+))?/.exec(refusal(name, -1)) ?? []
  if (least === undefined) expect(bounds).not.toMatch(/^\d+(–\d+$| or more)/)
  else expect(bounds).toBe(most === undefined ? `${least} or more` : `${least}–${most}`)
})

test('the fact table of the README names every fact with its data, and nothing else', async () => {
  const [, fields = ''] = /export interface FactData \{\n([\s\S]*?)\n\}/.exec(await read('machines/fact.ts')) ?? []
  const facts = fields
    .split(/^ {2}(?=')/m)
    .slice(1)
    .map((text) => {
      const own = [...text.matchAll(/readonly (\w+):/g)].map(([, name = '']) => name)
      return { fact: quotedName(text), data: text.includes('TopicPartition') ? ['topic', 'partition', ...own] : own }
    })
  expect(facts.length).toBeGreaterThan(30)
  const told = tableOf(readme, 'fact').map(({ fact = '', data = '' }) => ({
    fact: quoted(fact)[0],
    data: quoted(data),
  }))
  expect(told).toEqual(facts)
})

test('the failure table of the README names every failure with its remedy, and nothing else', () => {
  const rows = tableOf(readme, 'failure')
  expect(rows.map(({ failure = '' }) => quoted(failure)[0])).toEqual(Object.keys(remedies))
  for (const row of rows) {
    expect(quoted(row['what helps'] ?? '')).toEqual([remedyFor(quoted(row.failure ?? '')[0] as FailureKind)])
  }
})

test('the state diagram of the README has the states and transitions of the lifecycle, and no other', () => {
  expect(drawn()).toEqual(real())
})

test('the state table of the README names every state in order', () => {
  const named = tableOf(readme, 'state').flatMap(({ state = '' }) => quoted(state))
  expect(named).toEqual(nodesOf(lifecycleMachine).map(pathOf))
})

function optionRows() {
  return tableOf(readme, 'option').map(({ option = '', default: preset = '', bounds = '' }) => ({
    name: quoted(option)[0] ?? '',
    preset,
    bounds,
  }))
}

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
  const [diagram = ''] = codeBlocks(readme, 'mermaid')
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
