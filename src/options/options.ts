/** The resolved options: checked, with defaults filled in, as the rest of the library reads them. */

import { parseEndpoint } from '../../machines/endpoint.ts'
import { optionError } from '../error.ts'
import { memoryJournal } from '../journal/memory-journal.ts'
import type { ConsumerOptions, KafkaOptions } from './consumer-options.ts'
import { secured } from './security.ts'
import { suggestion } from './suggestion.ts'

type Filled =
  | Exclude<keyof typeof numbers, 'handlerTimeoutMs' | 'dialTimeoutMs'>
  | keyof typeof flags
  | 'rackId'
  | 'onHandlerError'
  | 'onJournalError'
  | 'journal'

/** Options with every default filled in. What may stay unset is `undefined`. */
export type ResolvedOptions = Readonly<
  Required<Pick<ConsumerOptions, Exclude<Filled, 'retryBudget'> | 'brokers' | 'groupId' | 'topics'>> & {
    [Name in Exclude<keyof ConsumerOptions, Filled | 'brokers' | 'groupId' | 'topics' | 'kafka'>]:
      | ConsumerOptions[Name]
      | undefined
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
  stopTimeoutMs: [100, 600_000, 15_000],
  commitIntervalMs: [10, 600_000, 1000],
  handlerTimeoutMs: [1, timerMax, undefined],
  handlerRetries: [0, 1_000_000, 5],
  retryBudget: [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
} as const

const flags = {
  autoCommit: true,
  fromBeginning: false,
  readUncommitted: false,
  allowAutoTopicCreation: false,
  allowInsecureTls: false,
  allowInsecureLogin: false,
} as const

const others = [
  ...[
    'brokers',
    'groupId',
    'topics',
    'eachMessage',
    'eachBatch',
    'kafka',
    'groupInstanceId',
    'rackId',
    'partitionAssigners',
    'onHandlerError',
  ],
  ...['onPartitionsAssigned', 'onPartitionsRevoked', 'onPartitionsLost'],
  ...['journal', 'onJournalError', 'logger', 'inspect', 'allowEndpoint', 'clusterId', 'lookup', 'expectedIdentity'],
]

/** Names of KafkaJS's that people bring along, and what there is instead. */
const elsewhere: Readonly<Record<string, string>> = {
  autoCommitInterval: 'use `commitIntervalMs`.',
  autoCommitThreshold: 'use `commitIntervalMs`.',
  retry: 'leave it out; `retryBudget` limits how often a session is tried again.',
  maxInFlightRequests: 'leave it out.',
  eachBatchAutoResolve: 'leave it out: a normal return of `eachBatch` has handled the batch.',
  clientId: 'pass it as `kafka.clientId`.',
  ssl: 'pass it as `kafka.ssl`.',
  sasl: 'pass it as `kafka.sasl`.',
}

/** Checks options and fills in defaults. Throws `invalid-option`, which names the option, what was expected and what was got. */
export function resolveOptions(options: ConsumerOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null) throw expected('options', 'to be an object', options)
  for (const name of Object.keys(options)) checkName(name)
  checkSubject(options)
  const rules = {
    allowInsecureTls: options.allowInsecureTls ?? flags.allowInsecureTls,
    allowInsecureLogin: options.allowInsecureLogin ?? flags.allowInsecureLogin,
    expectedIdentity: options.expectedIdentity,
  }
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
    topics: [...options.topics],
    rackId: options.rackId ?? '',
    onHandlerError: options.onHandlerError ?? 'pause',
    onJournalError: options.onJournalError ?? 'stop-intake',
    journal: options.journal ?? memoryJournal(),
    kafka: async () => secured(typeof kafka === 'function' ? await kafka() : kafka, rules),
  } as const
  checkTogether(resolved)
  // Infinity is no JSON, and the budget goes into the first record of the lifecycle.
  return { ...resolved, retryBudget: Number.isFinite(resolved.retryBudget) ? resolved.retryBudget : null }
}

function checkName(name: string): void {
  const known = [...Object.keys(numbers), ...Object.keys(flags), ...others]
  if (known.includes(name)) return
  const instead = elsewhere[name]
  if (instead !== undefined) throw optionError(`Expected \`${name}\` to be left out, as it has no effect here`, instead)
  const near = suggestion(name, known)
  const question = near === undefined ? '' : ` Did you mean \`${near}\`?`
  throw optionError(`Unknown option \`${name}\`.${question}`, 'correct the name or leave it out.')
}

/** What to read, from where, and with which handler. */
function checkSubject({ brokers, groupId, topics, eachMessage, eachBatch }: ConsumerOptions): void {
  const listed: unknown = brokers
  if (Array.isArray(listed)) {
    if (listed.length === 0 || listed.length > 64) throw expected('brokers', 'to have 1 to 64 entries', listed)
    const bad = listed.findIndex((entry) => typeof entry !== 'string' || parseEndpoint(entry) === undefined)
    const nextStep = 'write `host:port` or `[v6]:port`, without a scheme.'
    if (bad >= 0) throw expected(`brokers[${bad}]`, 'to be `host:port`', listed[bad], nextStep)
  } else if (
    typeof listed !== 'function' &&
    typeof (listed as { current?: unknown } | null | undefined)?.current !== 'function'
  ) {
    throw expected('brokers', 'to be a list of `host:port`, a function, or an object with a function `current`', listed)
  }
  if (typeof groupId !== 'string' || groupId === '') throw expected('groupId', 'to be a non-empty string', groupId)
  const isTopic = (topic: unknown): boolean => (typeof topic === 'string' ? topic !== '' : topic instanceof RegExp)
  if (!Array.isArray(topics) || topics.length === 0 || !topics.every(isTopic)) {
    throw expected(
      'topics',
      'to be a list of at least one topic name or regular expression',
      topics,
      "for example `topics: ['orders']`.",
    )
  }
  if ((eachMessage === undefined) === (eachBatch === undefined)) {
    throw optionError(
      `Expected either \`eachMessage\` or \`eachBatch\`, got ${eachMessage === undefined ? 'neither' : 'both'}`,
      'pass exactly one of them.',
    )
  }
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
    !['pause', 'stop'].includes(onHandlerError)
  ) {
    throw expected('onHandlerError', "to be 'pause', 'stop' or a function", onHandlerError)
  }
  if (onJournalError !== undefined && !['stop-intake', 'degrade'].includes(onJournalError)) {
    throw expected('onJournalError', "to be 'stop-intake' or 'degrade'", onJournalError)
  }
  if (groupInstanceId !== undefined && !isGroupInstanceId(groupInstanceId)) {
    const next = 'for example the name of the pod; it has to stay the same when the process starts again.'
    throw expected('groupInstanceId', 'to be 1 to 249 letters, digits, `.`, `_` and `-`', groupInstanceId, next)
  }
  for (const [name, value] of Object.entries({ rackId, clusterId, expectedIdentity })) {
    if (value !== undefined && typeof value !== 'string') throw expected(name, 'to be a string', value)
  }
}

const isGroupInstanceId = (id: unknown): boolean => typeof id === 'string' && /^(?!\.{1,2}$)[\w.-]{1,249}$/.test(id)

function checkFunctions(options: ConsumerOptions): void {
  const callbacks = ['onPartitionsAssigned', 'onPartitionsRevoked', 'onPartitionsLost'] as const
  for (const name of ['eachMessage', 'eachBatch', 'allowEndpoint', 'lookup', ...callbacks] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function')
      throw expected(name, 'to be a function', options[name])
  }
  const { inspect, logger, journal, partitionAssigners } = options
  if (inspect !== undefined && typeof inspect !== 'function' && typeof inspect?.next !== 'function') {
    throw expected('inspect', 'to be a function or an observer with a function `next`', inspect)
  }
  checkMethods('logger', logger, ['debug', 'info', 'warn', 'error'])
  checkMethods('journal', journal, ['append', 'read', 'close'])
  const isAssigner = (assigner: unknown): boolean => typeof assigner === 'function'
  if (
    partitionAssigners !== undefined &&
    !(Array.isArray(partitionAssigners) && partitionAssigners.length > 0 && partitionAssigners.every(isAssigner))
  ) {
    throw expected('partitionAssigners', 'to be a list of at least one assigner function', partitionAssigners)
  }
}

function checkMethods(name: string, value: unknown, methods: readonly string[]): void {
  if (value === undefined) return
  const missing = methods.filter((method) => typeof (value as Record<string, unknown> | null)?.[method] !== 'function')
  if (missing.length > 0) throw expected(name, `to have the functions ${missing.join(', ')}`, value)
}

function numberFor(
  options: ConsumerOptions,
  name: string,
  [least, most, preset]: readonly [number, number, number | undefined],
): unknown {
  const value = (options as unknown as Record<string, unknown>)[name] ?? preset
  if (value === undefined) return undefined
  const whole = Number.isInteger(value) || (value === Number.POSITIVE_INFINITY && most === value)
  if (whole && (value as number) >= least && (value as number) <= most) return value
  throw expected(
    name,
    `to be a whole number ${most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`}`,
    value,
  )
}

function flagFor(options: ConsumerOptions, name: string, preset: boolean): boolean {
  const value = (options as unknown as Record<string, unknown>)[name] ?? preset
  if (typeof value === 'boolean') return value
  throw expected(name, 'to be true or false', value)
}

/** Options that are fine each and impossible together. */
function checkTogether(options: Record<keyof typeof numbers, number | undefined>): void {
  const { sessionTimeout = 0, rebalanceTimeout = 0, heartbeatInterval = 0, maxWaitTimeInMs = 0 } = options
  const { rebuildTimeoutMs = 0, dialTimeoutMs = 0, minBytes = 0, maxBytes = 0 } = options
  if (heartbeatInterval * 2 >= sessionTimeout) {
    const next = 'lower it or raise `sessionTimeout`; one lost heartbeat must not cost the membership.'
    throw expected(
      'heartbeatInterval',
      `to be below half of \`sessionTimeout\` (${sessionTimeout})`,
      heartbeatInterval,
      next,
    )
  }
  if (heartbeatInterval * 2 >= rebalanceTimeout) {
    const next = 'raise it or lower `heartbeatInterval`; a member hears of a rebalance by its heartbeat.'
    throw expected(
      'rebalanceTimeout',
      `to be above twice \`heartbeatInterval\` (${heartbeatInterval})`,
      rebalanceTimeout,
      next,
    )
  }
  if (maxWaitTimeInMs * 2 >= sessionTimeout) {
    throw expected('maxWaitTimeInMs', `to be below half of \`sessionTimeout\` (${sessionTimeout})`, maxWaitTimeInMs)
  }
  if (dialTimeoutMs > rebuildTimeoutMs) {
    const next = 'lower it or raise `rebuildTimeoutMs`; a rebuild begins with a dial.'
    throw expected('dialTimeoutMs', `to be at most \`rebuildTimeoutMs\` (${rebuildTimeoutMs})`, dialTimeoutMs, next)
  }
  if (minBytes > maxBytes) throw expected('minBytes', `to be at most \`maxBytes\` (${maxBytes})`, minBytes)
}

function expected(name: string, what: string, got: unknown, nextStep = `correct \`${name}\`.`) {
  return optionError(`Expected \`${name}\` ${what}, got ${shown(got)}`, nextStep)
}

/** A value as it may appear in a message: short, and without the user and password of a URL. */
function shown(value: unknown): string {
  if (typeof value === 'string') {
    const clean = value.replace(/\S+@/g, '')
    return `\`${JSON.stringify(clean.length > 60 ? `${clean.slice(0, 60)}…` : clean)}\``
  }
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'function') return 'a function'
  return typeof value === 'object' && value !== null ? 'an object' : `\`${String(value)}\``
}
