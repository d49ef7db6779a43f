// Canaries: errors of the user's own code quote every secret there is, and none of them leaves: not in a fact, a journal, a log line,
// the status, an inspector, an error or on the command line.
import fs from 'node:fs'
import type { LookupFunction } from 'node:net'
import { inspect } from 'node:util'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { apiKeys } from '../../actors/protocol/frames.ts'
import { runCommand } from '../../src/command-line/command.ts'
import { RelistenError } from '../../src/error.ts'
import { fileJournal } from '../../src/journal/file-journal.ts'
import type { Journal, JournalRecord } from '../../src/journal/journal.ts'
import { memoryJournal } from '../../src/journal/memory-journal.ts'
import { createRecorder } from '../../src/journal/recorder.ts'
import { createConsumer } from '../../src/lifecycle-consumer.ts'
import type { ConsumerOptions, KafkaOptions } from '../../src/options/consumer-options.ts'
import { int16, int32, int64, list, text } from '../actors/bytes.ts'
import { FakeBroker } from '../actors/fake-broker.ts'
import { newPath } from './journal/journal-files.ts'

const password = 'c@nary/pa:ss "word\'s" 50%+ü'
const token = 'canary.token/of+one=day'
const line = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7canary'
const pem = `-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----`
/** Never given to us: only its shape tells. */
const stranger = 'canary/x+y'

/** What errors of clients look like that somebody calls from here. */
const told = [
  `POST https://svc:${stranger}@idp.internal/token?client_secret=${stranger}`,
  JSON.stringify({ url: `kafka://orders:${password}@b1:9092`, password, body: JSON.stringify({ token }) }),
  `Authorization: Basic ${Buffer.from(`orders:${password}`).toString('base64')}`,
  `Bearer ${token} ${encodeURIComponent(password)} ${new URLSearchParams({ q: password })}`,
  inspect({ password, token, key: pem }),
  pem,
  `failed with ${password}, ${token}`,
].join('\n')
const leak = (): never => {
  throw Object.assign(new Error(told), { code: `E ${password}` })
}

const needles = [
  ...[password, token, line, stranger, 'canary'],
  ...[password, token].flatMap((secret) => [
    encodeURIComponent(secret),
    new URLSearchParams([['', secret]]).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    Buffer.from(secret).toString('base64').slice(0, -4),
    Buffer.from(`orders:${secret}`).toString('base64').slice(12, -4),
  ]),
]
const secretsIn = (shown: string): string[] => needles.filter((needle) => shown.includes(needle))

const kafka = { sasl: { mechanism: 'scram-sha-512', username: 'orders', password } as const, ssl: false }
const custom = (): KafkaOptions => ({
  sasl: { mechanism: 'CUSTOM', clientSecret: password, token, signing: { key: pem }, authenticationProvider } as never,
})
const authenticationProvider = () => ({ authenticate: async () => leak() })

const brokenJournal = (): Journal => ({ ...memoryJournal(), append: leak })

/** Wherever a user's own code may fail with what it knows. All of them know the secrets of `custom`. */
const cases: Readonly<Record<string, (place: string) => Partial<ConsumerOptions>>> = {
  'kafka()': () => {
    let calls = 0
    return { kafka: async () => (calls++ === 0 ? custom() : leak()) }
  },
  'a token provider': () => ({
    kafka: { sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => leak() } },
    allowInsecureLogin: true,
  }),
  'a broker that was given a token': () => ({
    kafka: { sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token }) } },
    allowInsecureLogin: true,
  }),
  'a mechanism': () => ({}),
  'brokers()': () => ({ brokers: leak }),
  'entries of brokers()': (place) => ({ brokers: () => [place, told, `kafka://svc:${stranger}@b1:9092`] }),
  'announced brokers': (place) => ({
    brokers: {
      current: () => [place],
      changes: {
        subscribe: (observer) => {
          observer.error(told)
          return { unsubscribe: leak }
        },
      },
    },
  }),
  allowEndpoint: () => ({ allowEndpoint: leak }),
  lookup: () => ({
    brokers: ['b1.test:9092'],
    lookup: ((_host, _how, done) => done(new Error(told), '', 4)) as LookupFunction,
  }),
  'a lookup that throws': () => ({ brokers: ['b1.test:9092'], lookup: leak }),
  'a journal': () => ({ journal: brokenJournal() }),
  'a journal that may fail': () => ({ journal: brokenJournal(), onJournalError: 'degrade' }),
  'a logger': () => ({ logger: { debug: leak, info: leak, warn: leak, error: leak } }),
  'an inspector': () => ({ inspect: leak }),
}

test.concurrent.each(Object.entries(cases))('no secret leaves through an error of %s', async (what, optionsFor) => {
  const broker = await FakeBroker.listen()
  const versions = [17, 36].map((apiKey) => Buffer.concat([int16(apiKey), int16(0), int16(1)]))
  broker.answering.set(apiKeys.apiVersions, () => Buffer.concat([int16(0), list(versions), int32(0)]))
  const mechanisms = ['CUSTOM', 'OAUTHBEARER', 'SCRAM-SHA-512'].map(text)
  broker.answering.set(17, () => Buffer.concat([int16(0), list(mechanisms)]))
  broker.answering.set(36, () => Buffer.concat([int16(58), text(told), int32(0), int64(0n)]))
  const path = newPath()
  const lines: string[] = []
  const seen: unknown[] = []
  const place = `127.0.0.1:${broker.port}`
  const consumer = createConsumer({
    brokers: [place],
    kafka: custom(),
    groupId: 'orders',
    topics: ['orders'],
    eachMessage: async () => {},
    ...{ rebuildTimeoutMs: 4000, pollIntervalMs: 100, stopTimeoutMs: 2000, retryBudget: 0 },
    journal: fileJournal(path),
    logger: pino({ level: 'debug' }, { write: (line) => void lines.push(line) }),
    inspect: (event) => void seen.push(event),
    ...optionsFor(place),
  } as ConsumerOptions)
  const facts: JournalRecord[] = []
  consumer.on('*', (record) => void facts.push(record))
  const error = await consumer.start().catch((thrown: unknown) => thrown)
  const status = consumer.status()
  const journal = [...consumer.journal.read()]
  await consumer.stop()
  await broker.close()
  expect(error).toBeInstanceOf(RelistenError)
  const printed: string[] = []
  const output = { out: (shown: string) => printed.push(shown), error: (shown: string) => printed.push(shown) }
  for (const command of ['show', 'export', 'replay', 'verify']) await runCommand(['journal', command, path], output)
  const files = fs.existsSync(path)
    ? fs.readdirSync(path).map((name) => fs.readFileSync(`${path}/${name}`, 'utf8'))
    : []
  const withoutActors = (name: string, value: unknown) => (/^(actor|source)Ref$/.test(name) ? undefined : value)
  const shown = {
    facts: JSON.stringify(facts),
    journal: JSON.stringify(journal) + files.join(),
    log: lines.join('\n'),
    status: JSON.stringify(status),
    inspector: JSON.stringify(seen, withoutActors),
    error: inspect(error, { depth: 12 }) + (error as Error).message + JSON.stringify((error as RelistenError).failure),
    'command line': printed.join('\n'),
  }
  expect(shown.error + shown.facts).toContain('[redacted]')
  for (const [exit, everything] of Object.entries(shown)) expect(secretsIn(everything), `${what}: ${exit}`).toEqual([])
})

test('no secret leaves through an error of a handler, into a journal in memory or in a file', () => {
  createConsumer({ brokers: ['b1:9092'], groupId: 'orders', topics: ['orders'], eachMessage: leak, kafka })
  const path = newPath()
  for (const journal of [memoryJournal(), fileJournal(path)]) {
    const recorder = createRecorder({ consumer: 'orders', journal, machineVersion: '1', onJournalError: 'stop-intake' })
    const failure = { kind: 'handler-failed', message: `it said ${password}`, code: password }
    const step = { actor: 'consumer', from: 'consuming', to: 'consuming', changed: true, context: { failure } }
    const data = { topic: 'orders', partition: 0, offset: '1', attempt: 1, failure }
    recorder.append({ ...step, type: 'handler.failed', data })
    recorder.append({ ...step, type: 'actor.failed', data: { child: 'session', message: told } })
    const records = [...journal.read()]
    recorder.close()
    expect(records).toHaveLength(2)
    expect(secretsIn(JSON.stringify(records))).toEqual([])
    expect(records[0]?.data).toMatchObject({ topic: 'orders', failure: { message: 'it said [redacted]' } })
  }
})
