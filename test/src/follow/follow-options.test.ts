// The options of `follow`: which there are, and what is said of those that can't be right.
import { expect, test } from 'vitest'
import { RelistenError } from '../../../src/error.ts'
import { type FollowConfig, type FollowOptions, resolveFollowOptions } from '../../../src/follow/follow-options.ts'
import { resolveOptions } from '../../../src/options/options.ts'

const config = { brokers: ['kafka-1:9092'] }

/** The message of the error, after a look at its code. */
function refused(given: unknown, options: unknown = {}): string {
  try {
    resolveFollowOptions(given as FollowConfig, options as FollowOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(RelistenError)
    expect((error as RelistenError).code).toBe('invalid-option')
    return (error as RelistenError).message
  }
  return expect.unreachable('it is accepted')
}

test('what is left out has the defaults of a consumer', () => {
  const { resolved, requestTimeoutMs } = resolveFollowOptions(config, {})
  const subject = { groupId: 'clients', topics: ['none'], eachMessage: async () => {} }
  const { pollIntervalMs, dialTimeoutMs, rebuildTimeoutMs, onJournalError } = resolveOptions({ ...config, ...subject })
  expect(resolved).toMatchObject({ pollIntervalMs, dialTimeoutMs, rebuildTimeoutMs, onJournalError })
  expect(requestTimeoutMs).toBe(29_000)
})

test.each([
  [5000, 4000],
  [1200, 500],
  [10, 500],
])('what follows from a failure comes before a requestTimeout of %s ms of KafkaJS is over', (requestTimeout, ms) => {
  expect(resolveFollowOptions({ ...config, requestTimeout }, {}).requestTimeoutMs).toBe(ms)
})

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '30000', null])(
  'a requestTimeout of %s is refused',
  (value) => {
    const message = refused({ ...config, requestTimeout: value })
    expect(message).toContain('Expected `requestTimeout` to be milliseconds, more than 0, got')
    expect(message).toContain("Next step: leave it out for KafkaJS's default, 30000.")
  },
)

test.each([undefined, null, 'kafka-1:9092', ['kafka-1:9092'], new Map()])(
  '%s is nothing that `new Kafka` takes',
  (given) => {
    expect(refused(given)).toMatch(
      /^Expected `config` to be what `new Kafka` takes, got .* Next step: write `new Kafka\(/,
    )
  },
)

test.each([null, 'fast', [], new Map()])('%s are no options', (given) => {
  expect(refused(config, given)).toMatch(/^Expected `options` to be an object, got /)
})

test('an unknown option is named, with what was probably meant and what there is', () => {
  const message = refused(config, { pollInterval: 100 })
  expect(message).toContain('Unknown option `pollInterval`. Did you mean `pollIntervalMs`?')
  expect(message).toContain('`follow` takes pollIntervalMs, dialTimeoutMs, rebuildTimeoutMs, journal')
})

test.each([
  'clientId',
  'ssl',
  'sasl',
  'brokers',
  'socketFactory',
  'requestTimeout',
  'retry',
  'logLevel',
  'connectionTimeout',
])('KafkaJS’s own %s among them is told where it belongs', (name) => {
  const message = refused(config, { [name]: 1 })
  expect(message).toContain(`pass \`${name}\` with KafkaJS's options, the first argument.`)
})

test.each<[string, unknown, RegExp]>([
  ['pollIntervalMs', 50, /^Expected `pollIntervalMs` to be a whole number from 100 to 600000, got `50`/],
  ['rebuildTimeoutMs', 'soon', /^Expected `rebuildTimeoutMs` to be a whole number from 100 to 600000/],
  ['onJournalError', 'stop', /^Expected `onJournalError` to be 'stop-intake' or 'degrade', got `"stop"`/],
  ['journal', {}, /^Expected `journal` to /],
  ['logger', {}, /^Expected `logger` to /],
  ['allowEndpoint', true, /^Expected `allowEndpoint` to be a function, got `true`/],
  ['lookup', 'dns', /^Expected `lookup` to be a function/],
  ['clusterId', '', /^Expected `clusterId` to be a non-empty string/],
  ['maxInFlightBytes', 0, /^Expected `maxInFlightBytes` to be a whole number of bytes, at least 1, got `0`/],
  ['maxInFlightBytes', 1.5, /^Expected `maxInFlightBytes` to be a whole number of bytes, at least 1, got `1.5`/],
])('%s is checked', (name, value, sentence) => {
  expect(refused(config, { [name]: value })).toMatch(sentence)
})

const sasl = { mechanism: 'plain', username: 'u', password: 'p' }

test.each<[string, object, string, string]>([
  ['no brokers', {}, 'Expected `brokers`', 'write `brokers: '],
  ['a list without a broker', { brokers: [] }, 'Expected `brokers`', 'write `brokers: '],
  ['an empty clientId', { ...config, clientId: '' }, 'Expected `clientId` to be', "as in `clientId: 'orders'`"],
  ['TLS that is a text', { ...config, ssl: 'yes' }, 'Expected `ssl` to be', 'pass `true`'],
  ['a password without TLS', { ...config, sasl }, 'Expected `ssl` to be set', 'set `ssl`'],
  [
    'a user without a name',
    { ...config, ssl: true, sasl: { ...sasl, username: '' } },
    'Expected `sasl.username`',
    'check',
  ],
  ['any certificate', { ...config, ssl: { rejectUnauthorized: false } }, '`ssl.rejectUnauthorized`', '`ssl.ca`'],
])('%s is refused, under the names that KafkaJS has', (_, given, sentence, next) => {
  const message = refused(given)
  const [what = '', nextStep] = message.split(' Next step: ')
  expect(what).toContain(sentence)
  expect(nextStep).toContain(next)
  expect(message).not.toMatch(/`kafka[.:]/)
})

test('the inspector of a page is refused, as it would show nothing', () => {
  const inspect = { watch: () => {}, next: () => {} }
  expect(refused(config, { inspect })).toContain('`npx relisten inspect clients-journal`')
  expect(() => resolveFollowOptions(config, { inspect: { next: () => {} } })).not.toThrow()
})

test('a login without TLS is accepted by an option', () => {
  expect(() => resolveFollowOptions({ ...config, sasl } as FollowConfig, { allowInsecureLogin: true })).not.toThrow()
})
