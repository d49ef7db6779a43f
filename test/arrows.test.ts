// The house's own rules, held against the sources; the first tests show that each rule can be broken.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { layers, parseModule, readModules, violations } from './import-graph.ts'

const modules = await readModules(join(import.meta.dirname, '..'))

test.each([
  ['an import of an actor', 'machines/verdict.ts', "import { book } from '../actors/book.ts'"],
  ['a re-export of the facade', 'actors/cluster/poller.ts', "export * from '../../src/options/options.ts'"],
  [
    'a late import of a test',
    'src/options/options.ts',
    "const late = await import('../../test/cluster/kafka-cluster.ts')",
  ],
  ['an import of Node', 'machines/verdict.ts', "import { isIP } from 'node:net'"],
  ['an import of rxjs', 'machines/verdict.ts', "import type { Observable } from 'rxjs'"],
  ['an import of kafkajs', 'actors/session/session.ts', "import {\n  Kafka,\n} from 'kafkajs'"],
  [
    'an import from inside kafkajs',
    'actors/session/session.ts',
    "import Fetch from 'kafkajs/src/consumer/fetchManager.js'",
  ],
  ['an import of the parts of kafkajs', 'actors/session/session.ts', "import { Cluster } from '../kafkajs/parts.cjs'"],
  ['an import of pino', 'actors/cluster/poller.ts', "import pino from 'pino'"],
  ['an empty word', 'src/socket-utils.ts', ''],
  ['a name that says nothing', 'src/types.ts', ''],
  ['a name in camel case', 'src/addressBook.ts', ''],
  ['too much text', 'src/long.ts', 'let line\n'.repeat(311)],
])('%s in %s breaks a rule', (_, path, text) => {
  expect(violations([parseModule(path, text)])).toHaveLength(1)
})

test('pino in two files of src breaks a rule', () => {
  const text = "import pino from 'pino'"
  expect(violations([parseModule('src/views/pino.cjs', text)])).toEqual([])
  expect(violations([parseModule('src/views/pino.cjs', text), parseModule('src/views/status.ts', text)])).toHaveLength(
    1,
  )
})

test('imports in a circle break a rule', () => {
  const circle = [
    parseModule('machines/one.ts', "import { two } from './two.ts'"),
    parseModule('machines/two.ts', "import type { One } from './one.ts'"),
  ]
  expect(violations(circle)).toEqual(['imports go in a circle: machines/one.ts → machines/two.ts → machines/one.ts'])
})

test('folders that import each other break a rule', () => {
  const pair = [
    parseModule('actors/wire/link.ts', "import { marks } from '../delivery/marks.ts'"),
    parseModule('actors/delivery/marks.ts', ''),
    parseModule('actors/delivery/queue.ts', "import { wire } from '../wire/wire.ts'"),
    parseModule('actors/wire/wire.ts', ''),
  ]
  expect(violations(pair)).toEqual(['folders import each other: actors/wire → actors/delivery → actors/wire'])
})

test('imports along the arrows and an import named in a comment break no rule', () => {
  const text =
    "/** import { Kafka } from 'kafkajs' */\nimport { verdict } from '../../machines/verdict.ts'\n// import pino from 'pino'"
  expect(violations([parseModule('actors/cluster/poller.ts', text)])).toEqual([])
})

test.each(layers)('files of %s are seen', (layer) => {
  expect(modules.filter(({ path }) => path.startsWith(`${layer}/`)).length).toBeGreaterThan(0)
})

test('every relative import names a file that was seen', () => {
  const seen = new Set(modules.map(({ path }) => path))
  const real = modules.filter(({ path }) => !path.startsWith('test/'))
  const lost = real.flatMap(({ path, imports }) => {
    return imports
      .filter((name) => name.includes('/') && name.endsWith('.ts') && !seen.has(name))
      .map((name) => `${path}: ${name}`)
  })
  expect(real.flatMap(({ imports }) => imports).length).toBeGreaterThan(0)
  expect(lost).toEqual([])
})

test('the sources break no rule', () => {
  expect(violations(modules)).toEqual([])
})
