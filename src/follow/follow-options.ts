/** The options of `follow`: KafkaJS's own, and those of `createConsumer` that make sense beside them, checked in the same way. */

import type { Brokers } from '../../actors/cluster/source.ts'
import type { KafkaConfig } from '../../actors/kafkajs/login.ts'
import { optionError, RelistenError } from '../error.ts'
import type { Options } from '../options/consumer-options.ts'
import { type ResolvedOptions, resolveOptions } from '../options/options.ts'
import { checkName } from '../options/suggestion.ts'
import { expected, isPlain } from '../options/value.ts'
import { isWatching } from '../views/inspector.ts'

/** What `new Kafka` takes. `brokers` may be a source as well, as for `createConsumer`. */
export type FollowConfig = Omit<KafkaConfig, 'brokers'> & { readonly brokers: Brokers }

const known = [
  ...['pollIntervalMs', 'dialTimeoutMs', 'rebuildTimeoutMs', 'journal', 'onJournalError', 'logger', 'inspect'],
  ...['allowEndpoint', 'clusterId', 'lookup', 'expectedIdentity', 'allowInsecureTls', 'allowInsecureLogin'],
] as const

/** Options of `follow`, with the names, defaults and bounds that they have for `createConsumer`. An unknown or impossible one throws `invalid-option`. */
export type FollowOptions = Pick<Options, (typeof known)[number]> & {
  /**
   * Bytes of producers' requests, as they go to brokers, that are under way at once; the next ones wait, and `send` with them. A single request may be
   * larger. Default 33,554,432 (32 MiB, as `buffer.memory` of Kafka's own producer); at least 1.
   */
  readonly maxInFlightBytes?: number
}

const clientOptions = [
  ...['ssl', 'sasl', 'clientId', 'brokers', 'socketFactory', 'requestTimeout', 'enforceRequestTimeout', 'retry'],
  ...['connectionTimeout', 'authenticationTimeout', 'reauthenticationThreshold', 'logLevel', 'logCreator'],
]
const elsewhere = Object.fromEntries(
  clientOptions.map((name) => [name, `pass \`${name}\` with KafkaJS's options, the first argument.`]),
)
const own = [...known, 'maxInFlightBytes'] as const
const names = { known: own, elsewhere, nextStep: `\`follow\` takes ${own.join(', ')}.` }

/** KafkaJS's default of `requestTimeout`, in milliseconds. */
const usualTimeoutMs = 30_000
/** What follows from a failure comes before KafkaJS gives up on the request, by this much, in milliseconds. */
const slackMs = 1000
const leastTimeoutMs = 500
const usualInFlightBytes = 32 * 1024 * 1024

export interface ResolvedFollowOptions {
  readonly resolved: ResolvedOptions
  /** How long a request of a client may take, in milliseconds. */
  readonly requestTimeoutMs: number
  readonly maxInFlightBytes: number
}

/** Throws `invalid-option`. */
export function resolveFollowOptions(config: FollowConfig, options: FollowOptions): ResolvedFollowOptions {
  if (!isPlain(config)) {
    const nextStep = "write `new Kafka(follow({ clientId: 'orders', brokers: ['kafka-1:9092'] }))`."
    throw expected('config', 'to be what `new Kafka` takes', config, nextStep)
  }
  if (!isPlain(options)) throw expected('options', 'to be an object', options, 'leave it out, or pass an object.')
  for (const name of Object.keys(options)) checkName(name, names)
  if (options.inspect && isWatching(options.inspect)) {
    throw optionError(
      "Expected `inspect` to be an observer of XState's inspection, as the inspector's page shows consumers only",
      "leave it out, write `journal: fileJournal('clients-journal')`, and look at it with `npx relisten inspect clients-journal`.",
    )
  }
  const { brokers, clientId, ssl, sasl, requestTimeout = usualTimeoutMs } = config
  if (!(Number.isFinite(requestTimeout) && requestTimeout > 0)) {
    const nextStep = `leave it out for KafkaJS's default, ${usualTimeoutMs}.`
    throw expected('requestTimeout', 'to be milliseconds, more than 0', requestTimeout, nextStep)
  }
  const { maxInFlightBytes = usualInFlightBytes, ...shared } = options
  if (!(Number.isSafeInteger(maxInFlightBytes) && maxInFlightBytes > 0)) {
    const nextStep = `leave it out for the default, ${usualInFlightBytes}.`
    throw expected('maxInFlightBytes', 'to be a whole number of bytes, at least 1', maxInFlightBytes, nextStep)
  }
  // The checks of a consumer's options, with a subject that is always right.
  const subject = { groupId: 'clients', topics: ['none'], eachMessage: async () => {} }
  try {
    const resolved = resolveOptions({ ...shared, ...subject, brokers, kafka: { clientId, ssl, sasl } })
    return { resolved, requestTimeoutMs: Math.max(leastTimeoutMs, requestTimeout - slackMs), maxInFlightBytes }
  } catch (error) {
    if (!(error instanceof RelistenError)) throw error
    // There `ssl` and `sasl` are part of the option `kafka`.
    const named = (text: string) => text.replaceAll('`kafka.', '`').replace(/`kafka: \{ (.*?) \}`/g, '`$1`')
    throw optionError(named(error.what).replace(/\.$/, ''), named(error.nextStep))
  }
}
