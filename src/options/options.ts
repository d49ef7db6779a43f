/** The resolved options: checked, with defaults filled in, as the rest of the library reads them. */

import type { DeadLetterPolicy } from '../dead-letter.ts'
import { optionError } from '../error.ts'
import { memoryJournal } from '../journal/memory-journal.ts'
import { consoleLogger } from '../views/console-logger.ts'
import type { ConsumerOptions, KafkaOptions, Options } from './consumer-options.ts'
import { checkTogether } from './limits.ts'
import { secured } from './security.ts'
import { checkSubject } from './subscription.ts'
import { checkName } from './suggestion.ts'
import { expected } from './value.ts'

type Filled =
  | Exclude<keyof typeof numbers, 'handlerTimeoutMs' | 'dialTimeoutMs'>
  | keyof typeof flags
  | 'rackId'
  | 'onHandlerError'
  | 'onJournalError'
  | 'journal'

/** Options with every default filled in. What may stay unset is `undefined`. */
export type ResolvedOptions = Readonly<
  {
    [Name in Exclude<Filled, 'retryBudget'> | 'brokers' | 'groupId' | 'topics']: NonNullable<Options[Name]>
  } & {
    [Name in Exclude<keyof Options, Filled | 'brokers' | 'groupId' | 'topics' | 'kafka'>]: Options[Name] | undefined
  } & {
    /** Reads, checks and copies KafkaJS's options. Call it for each login and session; never share what it returns. */
    kafka: () => Promise<KafkaOptions>
    /** Null: no limit. */
    retryBudget: number | null
  }
>

const timerMax = 2 ** 31 - 1

/** Whole numbers: least, most, and the default if there is one. */
const numbers = {
  sessionTimeout: [1000, 1_800_000, 30_000],
  rebalanceTimeout: [1000, 1_800_000, 60_000],
  heartbeatInterval: [50, 600_000, 1000],
  maxWaitTimeInMs: [1, 30_000, 250],
  minBytes: [1, timerMax, 1],
  maxBytes: [1, timerMax, 10_485_760],
  maxBytesPerPartition: [1, timerMax, 1_048_576],
  maxBufferedBytes: [65_536, timerMax, 67_108_864],
  partitionsConsumedConcurrently: [1, 100_000, 3],
  metadataMaxAge: [1000, timerMax, 300_000],
  pollIntervalMs: [100, 600_000, 1000],
  dialTimeoutMs: [50, 60_000, undefined],
  requestTimeoutMs: [1000, 600_000, 30_000],
  drainTimeoutMs: [0, 600_000, 10_000],
  rebuildTimeoutMs: [100, 600_000, 5000],
  metadataLagMs: [0, 600_000, 30_000],
  stopTimeoutMs: [100, 600_000, 15_000],
  commitIntervalMs: [10, 600_000, 1000],
  handlerTimeoutMs: [1, timerMax, undefined],
  handlerRetries: [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  retryBudget: [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
} as const

const flags = {
  autoCommit: true,
  fromBeginning: false,
  readUncommitted: false,
  allowAutoTopicCreation: false,
  allowInsecureTls: false,
  allowInsecureLogin: false,
  unreadyWhenDegraded: false,
} as const

const callbacks = ['onPartitionsAssigned', 'onPartitionsRevoked', 'onPartitionsLost'] as const

const known = [
  ...Object.keys(numbers),
  ...Object.keys(flags),
  ...['brokers', 'groupId', 'topics', 'eachMessage', 'eachBatch', 'kafka', 'rackId', 'partitionAssigners'],
  ...['onHandlerError', 'journal', 'onJournalError', 'logger', 'inspect', 'allowEndpoint', 'clusterId', 'lookup'],
  ...['expectedIdentity', 'groupInstanceId', ...callbacks],
]

/** Names of KafkaJS's that people bring along, and what there is instead. */
const elsewhere: Readonly<Record<string, string>> = {
  autoCommitInterval: 'use `commitIntervalMs`.',
  autoCommitThreshold: 'use `commitIntervalMs`.',
  retry: 'leave it out; `retryBudget` limits how often a session is tried again.',
  maxInFlightRequests: 'leave it out.',
  eachBatchAutoResolve: 'leave it out: a normal return of `eachBatch` has handled the batch.',
  topic: "pass a list: `topics: ['orders']`.",
  logLevel: "leave it out, `logger` has a level of its own: `logger: pino({ level: 'info' })`.",
  logCreator: 'use `logger`.',
  connectionTimeout: 'use `dialTimeoutMs`.',
  authenticationTimeout: 'use `dialTimeoutMs`, it covers the login.',
  requestTimeout: 'use `requestTimeoutMs`.',
  clientId: 'pass it as `kafka.clientId`.',
  ssl: 'pass it as `kafka.ssl`.',
  sasl: 'pass it as `kafka.sasl`.',
}

/** Checks options and fills in defaults. Throws `invalid-option`, which names the option, what was expected and what was got. */
export function resolveOptions(options: ConsumerOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw expected(
      'options',
      'to be an object',
      options,
      'write `createConsumer({ brokers, groupId, topics, eachMessage })`.',
    )
  for (const name of Object.keys(options))
    checkName(name, { known, elsewhere, nextStep: 'correct the name or leave it out.' })
  checkSubject(options)
  const { allowInsecureTls = false, allowInsecureLogin = false, expectedIdentity } = options
  const rules = { allowInsecureTls, allowInsecureLogin, expectedIdentity }
  checkChoices(options)
  checkFunctions(options)
  const { kafka = {} } = options
  if (typeof kafka !== 'function') secured(kafka, rules)
  const resolved = {
    ...(options as Required<ConsumerOptions>),
    ...(Object.fromEntries(
      Object.entries(numbers).map(([name, bounds]) => [name, numberFor(options, name, bounds)]),
    ) as Record<keyof typeof numbers, number>),
    ...(Object.fromEntries(
      Object.entries(flags).map(([name, preset]) => [name, flagFor(options, name, preset)]),
    ) as Record<keyof typeof flags, boolean>),
    drainTimeoutMs: drainFor(options),
    topics: [...options.topics],
    rackId: options.rackId ?? '',
    ...retriesIn(options),
    onJournalError: options.onJournalError ?? 'stop-intake',
    journal: options.journal ?? memoryJournal(),
    // It would print an object before each sentence.
    logger: options.logger === globalThis.console ? consoleLogger : options.logger,
    kafka: async () => secured(typeof kafka === 'function' ? await kafka() : kafka, rules),
  } as const
  checkTogether(resolved)
  // Infinity is no JSON, and the budget goes into the first record of the lifecycle.
  return { ...resolved, retryBudget: Number.isFinite(resolved.retryBudget) ? resolved.retryBudget : null }
}

const retriesWithPolicy = 5

/** Without a policy a message is retried without end: an outage of what its handler needs, however long, ends by itself. */
function retriesIn({ handlerRetries, onHandlerError }: ConsumerOptions) {
  const { maxAttempts } = (onHandlerError ?? {}) as Partial<DeadLetterPolicy>
  if (maxAttempts !== undefined && handlerRetries !== undefined)
    throw optionError(
      'Expected `handlerRetries` to be left out, as `maxAttempts` of `deadLetter` says how often the handler is called',
      'leave it out; `handlerRetries: 5` is `maxAttempts: 6`.',
    )
  if (onHandlerError === undefined && handlerRetries !== undefined && handlerRetries !== Number.POSITIVE_INFINITY) {
    const nextStep =
      "write what happens then, as in `onHandlerError: 'pause'`, or leave `handlerRetries` out: a message is retried without end."
    throw optionError('Expected `onHandlerError` to be set, as `handlerRetries` says when it is asked', nextStep)
  }
  const preset = onHandlerError === undefined ? Number.POSITIVE_INFINITY : (maxAttempts ?? retriesWithPolicy + 1) - 1
  const retries = handlerRetries ?? preset
  return { handlerRetries: retries, onHandlerError: onHandlerError ?? 'retry' } as const
}

const texts: Readonly<Record<string, string>> = {
  rackId: "write the rack that brokers name as `broker.rack`, as in `rackId: 'eu-1a'`, or leave it out.",
  clusterId:
    'write the id that `kafka-cluster.sh cluster-id` prints, or leave it out to take the first cluster that answers.',
  expectedIdentity: "write the host name in the brokers' certificates, as in `expectedIdentity: 'kafka.internal'`.",
}

function checkChoices({
  onHandlerError,
  onJournalError,
  groupInstanceId,
  rackId,
  clusterId,
  expectedIdentity,
}: ConsumerOptions): void {
  if (
    onHandlerError !== undefined &&
    typeof onHandlerError !== 'function' &&
    !['pause', 'stop', 'skip', 'retry'].includes(onHandlerError)
  ) {
    const next = "write `onHandlerError: 'retry'`, or a function that decides."
    throw expected('onHandlerError', "to be 'pause', 'stop', 'skip', 'retry' or a function", onHandlerError, next)
  }
  if (onJournalError !== undefined && !['stop-intake', 'degrade'].includes(onJournalError)) {
    const next = "write `onJournalError: 'stop-intake'`, or `'degrade'` to go on in memory."
    throw expected('onJournalError', "to be 'stop-intake' or 'degrade'", onJournalError, next)
  }
  if (groupInstanceId !== undefined && !isGroupInstanceId(groupInstanceId)) {
    const next = 'write for example the name of the pod; it has to stay the same when the process starts again.'
    throw expected('groupInstanceId', 'to be 1 to 249 letters, digits, `.`, `_` and `-`', groupInstanceId, next)
  }
  for (const [name, value] of Object.entries({ rackId, clusterId, expectedIdentity })) {
    const isRight = typeof value === 'string' && (value !== '' || name === 'rackId')
    if (value === undefined || isRight) continue
    throw expected(name, name === 'rackId' ? 'to be a string' : 'to be a non-empty string', value, texts[name] ?? '')
  }
}

const isGroupInstanceId = (id: unknown): boolean => typeof id === 'string' && /^(?!\.{1,2}$)[\w.-]{1,249}$/.test(id)

const functions = {
  eachMessage: 'write `eachMessage: async ({ message }) => { … }`.',
  eachBatch: 'write `eachBatch: async ({ batch }) => { … }`.',
  allowEndpoint: "write `allowEndpoint: ({ host }) => host.endsWith('.internal')`, or leave it out.",
  lookup: 'pass a function like `dns.lookup`, or leave it out.',
  onPartitionsAssigned: 'write `onPartitionsAssigned: async (partitions) => { … }`, or leave it out.',
  onPartitionsRevoked: 'write `onPartitionsRevoked: async (partitions) => { … }`, or leave it out.',
  onPartitionsLost: 'write `onPartitionsLost: async (partitions) => { … }`, or leave it out.',
} as const

function checkFunctions(options: ConsumerOptions): void {
  for (const name of ['eachMessage', 'eachBatch', 'allowEndpoint', 'lookup', ...callbacks] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function')
      throw expected(name, 'to be a function', options[name], functions[name])
  }
  const { inspect, logger, journal, partitionAssigners } = options
  if (inspect !== undefined && typeof inspect !== 'function' && typeof inspect?.next !== 'function') {
    throw expected(
      'inspect',
      'to be a function or an observer with a function `next`',
      inspect,
      'pass what an inspector calls `inspect`, or leave it out.',
    )
  }
  if (logger !== false) checkMethods('logger', logger, ['debug', 'info', 'warn', 'error'])
  checkMethods('journal', journal, ['append', 'read', 'close'])
  const isAssigner = (assigner: unknown): boolean => typeof assigner === 'function'
  if (
    partitionAssigners !== undefined &&
    !(Array.isArray(partitionAssigners) && partitionAssigners.length > 0 && partitionAssigners.every(isAssigner))
  ) {
    throw expected(
      'partitionAssigners',
      'to be a list of at least one assigner function',
      partitionAssigners,
      "pass KafkaJS's assigners, as in `[PartitionAssigners.roundRobin]`, or leave it out.",
    )
  }
}

const objects = {
  logger: 'pass a pino logger or `consoleLogger`, or write `logger: false` for no line at all.',
  journal: "pass `fileJournal('relisten-journal')` or `memoryJournal()`, or leave it out.",
} as const

function checkMethods(name: keyof typeof objects, value: unknown, methods: readonly string[]): void {
  if (value === undefined) return
  const missing = methods.filter((method) => typeof (value as Record<string, unknown> | null)?.[method] !== 'function')
  if (missing.length > 0) throw expected(name, `to have the functions ${missing.join(', ')}`, value, objects[name])
}

function numberFor(
  options: ConsumerOptions,
  name: string,
  [least, most, preset]: readonly [number, number, number | undefined],
): unknown {
  const value = givenFor(options, name) ?? preset
  if (value === undefined) return undefined
  const whole = Number.isInteger(value) || (value === Number.POSITIVE_INFINITY && most === value)
  if (whole && (value as number) >= least && (value as number) <= most) return value
  throw expected(
    name,
    `to be a whole number ${most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`}`,
    value,
    `write a number like \`${name}: ${preset === undefined || preset === most ? least * 10 || 10 : preset}\`, or leave it out.`,
  )
}

/** Null is no value that is left out. */
function givenFor(options: ConsumerOptions, name: string): unknown {
  const value = (options as unknown as Record<string, unknown>)[name]
  return value === null ? Number.NaN : value
}

function flagFor(options: ConsumerOptions, name: string, preset: boolean): boolean {
  const { [name]: value = preset } = options as unknown as Record<string, unknown>
  if (typeof value === 'boolean') return value
  throw expected(name, 'to be true or false', value, `write \`${name}: true\`, or leave it out.`)
}

/** Without a drain time of its own, one that fits into the stop and the rebalance that were asked for. */
function drainFor(options: ConsumerOptions): number {
  const given = (name: 'drainTimeoutMs' | 'stopTimeoutMs' | 'rebalanceTimeout') =>
    numberFor(options, name, numbers[name]) as number
  const longest = given('drainTimeoutMs')
  return options.drainTimeoutMs ?? Math.min(longest, given('stopTimeoutMs'), given('rebalanceTimeout'))
}
