// Every option with every kind of wrong value: refused, named, and told what to write instead.
import fc from 'fast-check'
import { Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { RelistenError } from '../../../src/error.ts'
import { fileJournal } from '../../../src/journal/file-journal.ts'
import type { ConsumerOptions } from '../../../src/options/consumer-options.ts'
import { resolveOptions } from '../../../src/options/options.ts'

const least: ConsumerOptions = { brokers: ['b1:9092'], groupId: 'g', topics: ['t'], eachMessage: async () => {} }

class Stranger {}

/** One of each kind; which of them an option takes is said beside its name. */
const values = {
  null: [null],
  flag: [true, false],
  whole: [20_000],
  number: [-1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, 1e15],
  bigint: [5n],
  symbol: [Symbol('s')],
  text: ['x', 'pause it'],
  empty: [''],
  list: [[], [undefined], [null], [5], [{}], ['']],
  texts: [['x']],
  object: [{}, { a: 1 }, new Stranger(), new Map(), new Date(0)],
  promise: [Promise.resolve(['b1:9092'])],
  function: [() => {}],
} as const

type Kind = keyof typeof values

const { journal: _, kafka: __, ...defaults } = resolveOptions(least)
const number: Kind[] = ['whole']
const takes: Record<keyof ConsumerOptions, readonly Kind[]> = {
  ...{ brokers: ['texts', 'function'], groupId: ['text'], topics: ['texts'], eachMessage: ['function'], eachBatch: [] },
  // A function, and an object without any of its names.
  kafka: ['function'],
  ...{ sessionTimeout: number, rebalanceTimeout: number, heartbeatInterval: [], maxWaitTimeInMs: [], minBytes: number },
  ...{ maxBytes: number, maxBytesPerPartition: number, maxBufferedBytes: [], partitionsConsumedConcurrently: number },
  ...{ fromBeginning: ['flag'], readUncommitted: ['flag'], rackId: ['text', 'empty'], partitionAssigners: [] },
  ...{ metadataMaxAge: number, allowAutoTopicCreation: ['flag'], pollIntervalMs: number, dialTimeoutMs: [] },
  ...{ requestTimeoutMs: number, drainTimeoutMs: [], rebuildTimeoutMs: number, metadataLagMs: number },
  ...{ stopTimeoutMs: number, commitIntervalMs: number, handlerTimeoutMs: number, handlerRetries: number },
  ...{ onHandlerError: ['function'], retryBudget: number, journal: [], onJournalError: [], logger: ['flag'] },
  ...{ inspect: ['function'], allowEndpoint: ['function'], clusterId: ['text'], lookup: ['function'] },
  ...{ expectedIdentity: [], allowInsecureTls: ['flag'], allowInsecureLogin: ['flag'] },
  ...{ unreadyWhenDegraded: ['flag'], autoCommit: ['flag'], groupInstanceId: ['text'] },
  ...{ onPartitionsAssigned: ['function'], onPartitionsRevoked: ['function'], onPartitionsLost: ['function'] },
}

/** Values that are fine although others of their kind are not. */
const isFine = (name: string, value: unknown): boolean =>
  (name === 'kafka' &&
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 0 &&
    isLiteral(value)) ||
  (name === 'logger' && value === false) ||
  (name === 'retryBudget' && value === 1e15)

const isLiteral = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype

const wrong = (Object.entries(takes) as [keyof ConsumerOptions, readonly Kind[]][]).flatMap(([name, taken]) =>
  (Object.keys(values) as Kind[])
    .filter((kind) => !taken.includes(kind) || name === 'logger')
    .flatMap((kind) => values[kind].map((value: unknown) => ({ name, kind, value })))
    .filter(({ value }) => !isFine(name, value)),
)

test('every kind of wrong value for each option is refused, and the error names the option and what to write instead', () => {
  fc.assert(
    fc.property(fc.constantFrom(...wrong), ({ name, value }) => {
      const { message, code } = errorOf(() => resolveOptions({ ...least, [name]: value }))
      expect(code).toBe('invalid-option')
      expect(message).toMatch(new RegExp(`\`(${name}|kafka|eachMessage|allowInsecure\\w+)\\b`))
      const [, next = ''] = /Next step: (.+)$/.exec(message) ?? []
      expect(next, message).toMatch(/write |pass |set `|lower it|leave it out|example|read the file|takes/)
      expect(next).not.toMatch(/^correct `\w+`\.$/)
    }),
    { numRuns: 1500 },
  )
  // None of the kinds is left out by the filter above.
  expect(new Set(wrong.map(({ name }) => name)).size).toBe(Object.keys(takes).length)
})

test.each([
  [{ brokers: 'a:9092,b:9092' }, "write `brokers: ['a:9092', 'b:9092']`"],
  [{ brokers: Promise.resolve(['a:9092']) }, '`brokers: () => promise`'],
  [{ brokers: ['a:9092', ''] }, 'take the empty entry out'],
  [{ brokers: ['u:pw@a:9092'] }, 'without user and password'],
  [{ brokers: ['a:9092,b:9092'] }, "write `brokers: ['a:9092', 'b:9092']`"],
  [{ brokers: { current: () => [], changes: 5 } }, 'Expected `brokers.changes` to be an observable'],
  [{ topics: [undefined] }, 'Expected `topics[0]` to be a topic name or a regular expression, got `undefined`'],
  [{ topics: 'orders,bills' }, "write `topics: ['orders', 'bills']`"],
  [{ topics: ['orders*'] }, 'for a pattern write a regular expression'],
  [{ topic: 'orders' }, "pass a list: `topics: ['orders']`"],
  [{ clusterId: '' }, 'Expected `clusterId` to be a non-empty string'],
  [{ stopTimeoutMs: 5000, drainTimeoutMs: 8000 }, 'Expected `drainTimeoutMs` to be at most `stopTimeoutMs` (5000)'],
  [{ rebalanceTimeout: 5000, drainTimeoutMs: 8000 }, 'Expected `drainTimeoutMs` to be at most `rebalanceTimeout`'],
  [{ logLevel: 1 }, 'has a level of its own'],
  [{ kafka: { ssl: { ca: '/etc/ca.pem' } } }, 'readFileSync'],
  [{ kafka: { ssl: { ca: [''] } } }, 'an empty string'],
  [{ kafka: { sasl: { mechanism: 'scram' } } }, 'to be one of plain, scram-sha-256'],
  [{ kafka: { ssl: true, sasl: { mechanism: 'oauthbearer' } } }, '`kafka.sasl.oauthBearerProvider` to be a function'],
  [{ kafka: { ssl: true, sasl: { mechanism: 'aws', accessKeyId: 'x' } } }, '`kafka.sasl.authorizationIdentity`'],
  [{ kafka: new Stranger() }, 'got an instance of Stranger'],
  [{ kafka: new Kafka({ brokers: ['a:9092'], ssl: true }) }, 'write what `new Kafka` takes beside the brokers'],
])('%o is told what to write', (more, message) => {
  expect(() => resolveOptions({ ...least, ...more } as never)).toThrow(message)
})

test.each(Object.keys(takes).filter((name) => !(name in least)))(
  '%s may be given as undefined and is left out',
  (name) => {
    const { journal: _, kafka: __, ...given } = resolveOptions({ ...least, [name]: undefined })
    expect(given).toEqual(defaults)
  },
)

test('a drain time that is left out fits into the stop that was asked for', () => {
  expect(resolveOptions({ ...least, stopTimeoutMs: 4000 }).drainTimeoutMs).toBe(4000)
})

test('an instance that the function returns is refused as well', async () => {
  const { kafka } = resolveOptions({ ...least, kafka: () => new Stranger() as never })
  await expect(kafka()).rejects.toThrow('an instance of Stranger')
})

test.each([
  [undefined, {}, "write `fileJournal('relisten-journal')`"],
  ['', {}, "write `fileJournal('relisten-journal')`"],
  ['j', { maxByte: 5 }, 'it takes `segmentBytes` and `maxBytes`'],
  ['j', { maxBytes: 5 }, 'write a number of bytes'],
  ['j', null, 'write `{ segmentBytes, maxBytes }`'],
])('a file journal of %o with %o is told what to write', (directory, options, message) => {
  expect(() => fileJournal(directory as never, options as never)).toThrow(message)
})

function errorOf(work: () => unknown): RelistenError {
  try {
    work()
  } catch (error) {
    if (error instanceof RelistenError) return error
    throw error
  }
  throw new Error('it was accepted')
}
