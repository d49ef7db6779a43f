// How the command line connects: flags, environment, module; and where secrets may come from.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type ConnectionOptions,
  connectionOptions,
  withConnection,
} from '../../../src/command-line/connection-options.ts'

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('RELISTEN_')) vi.stubEnv(name, undefined)
})
afterEach(() => vi.unstubAllEnvs())

/** What the flags and the environment of the process mean. */
function parsed(...args: string[]): ConnectionOptions {
  return connectionOptions(withConnection(new Command()).exitOverride().parse(args, { from: 'user' }).opts())
}

const folder = mkdtempSync(join(tmpdir(), 'relisten-options-'))
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const pem = (what: string) => `-----BEGIN ${what}-----\nAAAA\n-----END ${what}-----\n`

test('flags say how to connect', async () => {
  const ca = file('ca.pem', pem('CERTIFICATE'))
  const options = parsed(
    ...['--brokers', 'one:9092, two:9093', '--group', 'orders', '--topic', 'orders', '--topic', 'bills,more'],
    ...[
      '--client-id',
      'shop',
      '--cluster-id',
      'ours',
      '--ssl-ca',
      ca,
      '--expected-identity',
      'kafka.lan',
      '--dial-timeout-ms',
      '750',
    ],
  )
  expect(options).toMatchObject({
    ...{ brokers: ['one:9092', 'two:9093'], groupId: 'orders', topics: ['orders', 'bills', 'more'] },
    ...{ clusterId: 'ours', expectedIdentity: 'kafka.lan', dialTimeoutMs: 750 },
  })
  expect(await options.kafka()).toEqual({ clientId: 'shop', ssl: { ca: pem('CERTIFICATE') } })
})

test('the environment says it where flags do not, and alone has secrets', async () => {
  vi.stubEnv('RELISTEN_BROKERS', 'one:9092')
  vi.stubEnv('RELISTEN_GROUP_ID', 'orders')
  vi.stubEnv('RELISTEN_TOPICS', 'orders,bills')
  vi.stubEnv('RELISTEN_SSL', 'true')
  vi.stubEnv('RELISTEN_SASL_MECHANISM', 'scram-sha-512')
  vi.stubEnv('RELISTEN_SASL_USERNAME', 'shop')
  vi.stubEnv('RELISTEN_SASL_PASSWORD', 'much too long to guess')
  vi.stubEnv('RELISTEN_SSL_KEY', file('key.pem', pem('PRIVATE KEY')))
  vi.stubEnv('RELISTEN_SSL_CERT', file('cert.pem', pem('CERTIFICATE')))
  const options = parsed('--group', 'others')
  expect(options).toMatchObject({ brokers: ['one:9092'], groupId: 'others', topics: ['orders', 'bills'] })
  expect(await options.kafka()).toEqual({
    ssl: { key: pem('PRIVATE KEY'), cert: pem('CERTIFICATE') },
    sasl: { mechanism: 'scram-sha-512', username: 'shop', password: 'much too long to guess' },
  })
})

test.each([
  ['false', {}],
  ['0', {}],
  ['', {}],
  ['true', { ssl: true }],
  ['1', { ssl: true }],
])('RELISTEN_SSL=%s means %j', async (value, kafka) => {
  vi.stubEnv('RELISTEN_SSL', value)
  vi.stubEnv('RELISTEN_GROUP_ID', '')
  const options = parsed('--brokers', 'one:9092')
  expect([await options.kafka(), options.groupId]).toEqual([kafka, undefined])
})

test('no flag takes a secret', () => {
  const flags = withConnection(new Command()).options.map(({ flags: text }) => text)
  expect(flags.length).toBeGreaterThan(10)
  for (const flag of flags) expect(flag).not.toMatch(/password|secret|token|passphrase|key/i)
})

test.each([
  ['options.mjs', 'export const options ='],
  ['default.mjs', 'export default'],
  ['options.cjs', 'exports.options ='],
  ['all.cjs', 'module.exports ='],
])('a module %s is read, and flags go before it', async (name, head) => {
  const own = `{ brokers: ['one:9092'], groupId: 'orders', topics: ['orders'], eachMessage() {}, kafka: () => ({ clientId: 'shop' }) }`
  const options = parsed('--options', file(name, `${head} ${own}\n`), '--brokers', 'two:9092')
  expect(options).toMatchObject({ brokers: ['two:9092'], groupId: 'orders', topics: ['orders'] })
  expect(options.given).toEqual({ brokers: ['two:9092'], kafka: expect.any(Function) })
  expect(await options.kafka()).toEqual({ clientId: 'shop' })
})

test.each([
  ['object', `{ clientId: 'shop', ssl: true }`],
  ['function', `() => ({ clientId: 'shop', ssl: true })`],
])('settings of a module, an %s, keep what no flag says', async (kind, kafka) => {
  const module = file(`kafka-${kind}.mjs`, `export const options = { brokers: ['one:9092'], kafka: ${kafka} }\n`)
  expect(await parsed('--options', module, '--client-id', 'doctor').kafka()).toEqual({ clientId: 'doctor', ssl: true })
})

test.each<[string, string[], RegExp]>([
  ['no brokers', [], /^Expected addresses of brokers: --brokers, RELISTEN_BROKERS, or a module by --options/],
  [
    'a mechanism without a password',
    ['--brokers', 'a', '--sasl-mechanism', 'plain', '--sasl-username', 'me'],
    /RELISTEN_SASL_PASSWORD/,
  ],
  [
    'a file that is not there',
    ['--brokers', 'a', '--ssl-ca', '/nowhere'],
    /^The file of --ssl-ca can't be read: ENOENT/,
  ],
  [
    'a module that is not there',
    ['--options', '/nowhere.mjs'],
    /^The module of --options can't be loaded: Cannot find module/,
  ],
  [
    'a module without options',
    ['--options', file('text.mjs', "export default 'none'\n")],
    /to export a consumer's options/,
  ],
  [
    'a timeout that is none',
    ['--brokers', 'a', '--dial-timeout-ms', 'soon'],
    /^Expected `dialTimeoutMs` to be a whole number/,
  ],
])('%s is told in a sentence', (_, args, sentence) => {
  expect(() => parsed(...args)).toThrow(sentence)
})
