// Options: defaults, what is refused and how it is said, and copies that carry nothing over.
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { ConsumerOptions } from '../../../src/options/consumer-options.ts'
import { resolveOptions } from '../../../src/options/options.ts'
import { consoleLogger } from '../../../src/views/console-logger.ts'

const least: ConsumerOptions = {
  brokers: ['b1:9092', '[::1]:9093', 'b3'],
  groupId: 'orders',
  topics: ['orders'],
  eachMessage: async () => {},
}

const resolveWith = (more: object): unknown => resolveOptions({ ...least, ...more })

test('defaults are filled in', () => {
  const { kafka, journal, ...resolved } = resolveOptions(least)
  expect(resolved).toEqual({
    ...least,
    ...{ sessionTimeout: 30_000, rebalanceTimeout: 60_000, heartbeatInterval: 1000, maxWaitTimeInMs: 250 },
    ...{ minBytes: 1, maxBytes: 10_485_760, maxBytesPerPartition: 1_048_576, metadataMaxAge: 300_000, rackId: '' },
    ...{
      maxBufferedBytes: 67_108_864,
      partitionsConsumedConcurrently: 3,
      autoCommit: true,
      fromBeginning: false,
      readUncommitted: false,
      allowAutoTopicCreation: false,
    },
    ...{
      pollIntervalMs: 1000,
      requestTimeoutMs: 30_000,
      drainTimeoutMs: 10_000,
      rebuildTimeoutMs: 5000,
      metadataLagMs: 30_000,
      stopTimeoutMs: 15_000,
      commitIntervalMs: 1000,
    },
    ...{
      dialTimeoutMs: undefined,
      handlerTimeoutMs: undefined,
      handlerRetries: Number.POSITIVE_INFINITY,
      onHandlerError: 'retry',
    },
    ...{ onJournalError: 'stop-intake', retryBudget: null },
    ...{ allowInsecureTls: false, allowInsecureLogin: false, unreadyWhenDegraded: false },
  })
  expect([...journal.read()]).toEqual([])
  expect(typeof kafka).toBe('function')
})

test.each([
  [{ brokers: () => ['b1:9092'] }],
  [{ brokers: { current: () => ['b1:9092'] } }],
  [{ topics: [/^orders-/] }],
  [{ groupInstanceId: 'pod-0.orders_a', onPartitionsAssigned: () => {} }],
  [{ eachMessage: undefined, eachBatch: async () => {} }],
  [{ logger: pino({ enabled: false }) }],
  [{ logger: console }],
  [{ inspect: () => {} }],
  [{ inspect: { next: () => {} } }],
  [{ onHandlerError: async () => 'skip' }],
  [{ onHandlerError: 'skip', handlerRetries: 3 }],
  [{ handlerRetries: Number.POSITIVE_INFINITY }],
  [{ kafka: { ssl: { rejectUnauthorized: false } }, allowInsecureTls: true }],
  [{ kafka: { sasl: { mechanism: 'plain', username: 'svc', password: 'x' } }, allowInsecureLogin: true }],
  [{ kafka: { ssl: true, sasl: { mechanism: 'plain', username: 'svc', password: 'x' } } }],
  [{ kafka: { sasl: { mechanism: 'scram-sha-512', username: 'svc', password: 'x' } } }],
  [{ kafka: { sasl: { mechanism: 'kerberos', authenticationProvider: () => ({}) } } }],
  [{ kafka: { ssl: true }, expectedIdentity: 'kafka.internal' }],
])('%o is accepted', (more) => {
  expect(() => resolveWith(more)).not.toThrow()
})

const secret = 'canary-7f3a'
const sasl = { mechanism: 'plain', username: 'svc', password: secret }

test.each([
  [{ groupID: 'x' }, 'Unknown option `groupID`. Did you mean `groupId`?'],
  [{ heartbeatIntervall: 5 }, 'Unknown option `heartbeatIntervall`. Did you mean `heartbeatInterval`?'],
  [{ colour: 'red' }, 'Unknown option `colour`. Next step'],
  [{ groupInstanceId: '' }, 'Expected `groupInstanceId` to be 1 to 249 letters, digits, `.`, `_` and `-`'],
  [{ groupInstanceId: 'pod 0' }, 'Expected `groupInstanceId` to be 1 to 249 letters'],
  [{ groupInstanceId: '..' }, 'Expected `groupInstanceId` to be 1 to 249 letters'],
  [{ groupInstanceId: 'p'.repeat(250) }, 'Expected `groupInstanceId` to be 1 to 249 letters'],
  [{ groupInstanceId: 7n }, 'Expected `groupInstanceId`'],
  [{ onPartitionsLost: 5 }, 'Expected `onPartitionsLost` to be a function'],
  [{ autoCommit: 'no' }, 'Expected `autoCommit` to be true or false'],
  [{ clientId: 'x' }, 'pass it as `kafka.clientId`'],
  [{ brokers: [] }, 'Expected `brokers` to have 1 to 64 entries, got an empty list'],
  [{ brokers: ['b1:9092', 'b2:99999'] }, 'Expected `brokers[1]` to be `host:port`, got `"b2:99999"`'],
  [{ brokers: [`kafka://svc:${secret}@b1:9092`] }, 'without a scheme'],
  [{ brokers: [undefined] }, 'Expected `brokers[0]` to be `host:port`, got `undefined`'],
  [{ brokers: 'b1:9092' }, 'Expected `brokers` to be a list of `host:port`, a function, or'],
  [{ brokers: undefined }, 'got `undefined`'],
  [{ groupId: '' }, 'Expected `groupId` to be a non-empty string, got `""`'],
  [
    { topics: [] },
    'Expected `topics` to be a list of at least one topic name or regular expression, got an empty list',
  ],
  [{ topics: 'orders' }, 'got `"orders"`'],
  [{ eachMessage: undefined }, 'Expected either `eachMessage` or `eachBatch`, got neither'],
  [{ eachBatch: async () => {} }, 'Expected either `eachMessage` or `eachBatch`, got both'],
  [{ eachMessage: 'x' }, 'Expected `eachMessage` to be a function, got `"x"`'],
  [{ sessionTimeout: '30000' }, 'Expected `sessionTimeout` to be a whole number from 1000 to 1800000, got `"30000"`'],
  [{ pollIntervalMs: 1.5 }, 'Expected `pollIntervalMs` to be a whole number from 100 to 600000, got `1.5`'],
  [{ pollIntervalMs: Number.NaN }, 'got `NaN`'],
  [{ handlerRetries: -1 }, 'Expected `handlerRetries`'],
  [{ handlerRetries: 3 }, 'Expected `onHandlerError` to be set, as `handlerRetries` says when it is asked'],
  [{ retryBudget: -1 }, 'Expected `retryBudget` to be a whole number of at least 0, got `-1`'],
  [
    { heartbeatInterval: 15_000 },
    'Expected `heartbeatInterval` to be below half of `sessionTimeout` (30000), got `15000`',
  ],
  [{ rebalanceTimeout: 2000 }, 'Expected `rebalanceTimeout` to be above twice `heartbeatInterval` (1000), got `2000`'],
  [{ sessionTimeout: 10_000, maxWaitTimeInMs: 5000 }, 'Expected `maxWaitTimeInMs`'],
  [{ dialTimeoutMs: 6000 }, 'Expected `dialTimeoutMs` to be at most `rebuildTimeoutMs` (5000), got `6000`'],
  [{ minBytes: 20, maxBytes: 10 }, 'Expected `minBytes` to be at most `maxBytes` (10), got `20`'],
  [{ fromBeginning: 'yes' }, 'Expected `fromBeginning` to be true or false, got `"yes"`'],
  [
    { onHandlerError: 'ignore' },
    "Expected `onHandlerError` to be 'pause', 'stop', 'skip', 'retry' or a function, got `\"ignore\"`",
  ],
  [{ onJournalError: 'panic' }, "Expected `onJournalError` to be 'stop-intake' or 'degrade'"],
  [{ logger: { info: () => {} } }, 'Expected `logger` to have the functions debug, warn, error, got an object'],
  [{ journal: [] }, 'Expected `journal` to have the functions append, read, close'],
  [{ inspect: 5 }, 'Expected `inspect` to be a function or an observer'],
  [{ partitionAssigners: [] }, 'Expected `partitionAssigners`'],
  [{ clusterId: 5 }, 'Expected `clusterId` to be a non-empty string, got `5`'],
  [{ expectedIdentity: 'kafka.internal' }, 'Expected `kafka.ssl` to be set, as `expectedIdentity`'],
  [{ kafka: 'x' }, 'Expected `kafka` to be a plain object or a function that returns one, got a value of type string'],
  [{ kafka: { brokers: ['b1'] } }, 'Expected `kafka.brokers` to be left out'],
  [{ kafka: { socketFactory: () => {} } }, 'Expected `kafka.socketFactory` to be left out'],
  [{ kafka: { connectionTimeout: 5 } }, 'use `dialTimeoutMs`'],
  [{ kafka: { clientID: 'x' } }, 'Unknown option `kafka.clientID`. Did you mean `clientId`?'],
  [{ kafka: { ssl: { servername: 'b1' } } }, 'use `expectedIdentity`'],
  [{ kafka: { ssl: { session: Buffer.from(secret) } } }, 'Expected `kafka.ssl.session` to be left out'],
  [{ kafka: { ssl: { rejectUnauthorized: false } } }, 'Expected `kafka.ssl.rejectUnauthorized` not to be false'],
  [{ kafka: { sasl } }, 'Expected `kafka.ssl` to be set, as the login `plain` sends the secret to whoever answers'],
  [
    { kafka: { ssl: true, sasl: { ...sasl, username: '' } } },
    'Expected `kafka.sasl.username` to be a non-empty string',
  ],
  [{ kafka: { ssl: true, sasl: { username: 'svc', password: secret } } }, 'an object with a `mechanism`'],
])('%o is refused with a reason, a next step and no secret', (more, message) => {
  const resolve = () => resolveWith(more)
  expect(resolve).toThrow(expect.objectContaining({ name: 'RelistenError', code: 'invalid-option' }))
  expect(resolve).toThrow(message)
  expect(resolve).toThrow(/Next step: .+\.$/)
  expect(resolve).not.toThrow(secret)
})

test('the console as a logger is the one that writes readable lines', () => {
  expect(resolveOptions({ ...least, logger: console }).logger).toBe(consoleLogger)
})

test('options of KafkaJS are copied at each read, without the login of an earlier use', async () => {
  const used = {
    mechanism: 'scram-sha-512',
    username: 'svc',
    password: 'old',
    authenticationProvider: () => 'old login',
  } as const
  const { kafka } = resolveOptions({
    ...least,
    kafka: { clientId: 'orders', ssl: { ca: '-----BEGIN CERTIFICATE-----' }, sasl: { ...used } },
  })
  const [one, other] = [await kafka(), await kafka()]
  expect(one).toEqual({
    clientId: 'orders',
    ssl: { ca: '-----BEGIN CERTIFICATE-----' },
    sasl: { mechanism: 'scram-sha-512', username: 'svc', password: 'old' },
  })
  expect(one.sasl).not.toBe(other.sasl)
  expect(one.ssl).not.toBe(other.ssl)
})

test('a function is asked at each read, and what it returns is checked', async () => {
  let reads = 0
  const { kafka } = resolveOptions({
    ...least,
    kafka: async () => {
      reads += 1
      return reads < 3
        ? { clientId: `orders-${reads}` }
        : { sasl: { mechanism: 'plain', username: 'svc', password: 'x' } }
    },
  })
  expect(reads).toBe(0)
  expect([await kafka(), await kafka()]).toEqual([{ clientId: 'orders-1' }, { clientId: 'orders-2' }])
  await expect(kafka()).rejects.toThrow('Expected `kafka.ssl` to be set')
})
