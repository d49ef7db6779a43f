/**
 * How the command line connects: from flags, from the environment, or from a module that exports a consumer's options. Secrets come from
 * the environment or the module only: who lists the processes of a machine reads their flags.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { messageOf } from '../../machines/failure.ts'
import type { ConsumerOptions, KafkaOptions } from '../options/consumer-options.ts'
import { type ResolvedOptions, resolveOptions } from '../options/options.ts'
import { isPlain } from '../options/value.ts'
import { UsageError } from './usage-error.ts'

/** What flags and the environment say; commander reads the environment where a flag is left out. */
export interface Given {
  readonly options?: string
  readonly brokers?: string
  readonly group?: string
  readonly topic?: readonly string[]
  readonly clientId?: string
  readonly clusterId?: string
  readonly ssl?: boolean
  readonly sslCa?: string
  readonly saslMechanism?: string
  readonly saslUsername?: string
  readonly expectedIdentity?: string
  readonly dialTimeoutMs?: string
}

/** Adds the flags. */
export function withConnection(command: Command): Command {
  const list = (value: string, before: readonly string[] = []) => [...before, ...value.split(',').filter(Boolean)]
  const flags: readonly Option[] = [
    new Option('--options <file>', "a module that exports a consumer's options, as `default` or `options`").env(
      'RELISTEN_OPTIONS',
    ),
    new Option('--brokers <list>', 'addresses of brokers, with commas between them').env('RELISTEN_BROKERS'),
    new Option('--group <id>', 'the consumer group').env('RELISTEN_GROUP_ID'),
    new Option('--topic <name>', 'a topic; may be given several times').env('RELISTEN_TOPICS').argParser(list),
    new Option('--client-id <id>', 'what the brokers call this client').env('RELISTEN_CLIENT_ID'),
    new Option('--cluster-id <id>', 'the cluster that is meant').env('RELISTEN_CLUSTER_ID'),
    new Option('--ssl', 'connects with TLS (env: RELISTEN_SSL, true or false)'),
    new Option('--ssl-ca <file>', 'a PEM file with the authorities to trust; means --ssl').env('RELISTEN_SSL_CA'),
    new Option('--sasl-mechanism <name>', 'plain, scram-sha-256 or scram-sha-512').env('RELISTEN_SASL_MECHANISM'),
    new Option('--sasl-username <name>', 'the user; the password comes from RELISTEN_SASL_PASSWORD').env(
      'RELISTEN_SASL_USERNAME',
    ),
    new Option('--expected-identity <name>', 'the name in the certificate of every broker').env(
      'RELISTEN_EXPECTED_IDENTITY',
    ),
    new Option('--dial-timeout-ms <ms>', 'how long each step of a connection may take').env('RELISTEN_DIAL_TIMEOUT_MS'),
  ]
  for (const flag of flags) command.addOption(flag)
  return command.addHelpText(
    'after',
    `
Secrets come from the environment, or from the module, and never from a flag: RELISTEN_SASL_PASSWORD;
RELISTEN_SSL_CERT and RELISTEN_SSL_KEY (PEM files) with RELISTEN_SSL_PASSPHRASE.`,
  )
}

const connecting = [
  ...(['brokers', 'kafka', 'clusterId', 'expectedIdentity', 'dialTimeoutMs', 'lookup', 'allowEndpoint'] as const),
  ...(['allowInsecureTls', 'allowInsecureLogin', 'readUncommitted', 'pollIntervalMs'] as const),
]

/** Checked as a consumer's options are. Group and topics are those that were given, and may be none. */
export interface ConnectionOptions extends Omit<ResolvedOptions, 'groupId' | 'topics'> {
  /** What says how to connect and nothing else, as a consumer takes it. */
  readonly given: Pick<ConsumerOptions, (typeof connecting)[number]>
  readonly groupId: string | undefined
  readonly topics: ResolvedOptions['topics']
}

/** Reads and checks them. Throws a UsageError, or `invalid-option`. */
export function connectionOptions(flags: Given, environment: NodeJS.ProcessEnv = process.env): ConnectionOptions {
  // A variable that is empty says nothing.
  const given: Given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== ''))
  const module = given.options === undefined ? {} : exportedBy(given.options)
  const kafka = kafkaFrom(given, environment)
  const all: Partial<ConsumerOptions> = {
    ...module,
    ...(given.brokers === undefined
      ? {}
      : {
          brokers: given.brokers
            .split(',')
            .map((one) => one.trim())
            .filter(Boolean),
        }),
    ...(given.group === undefined ? {} : { groupId: given.group }),
    ...(given.topic === undefined ? {} : { topics: given.topic }),
    ...(given.clusterId === undefined ? {} : { clusterId: given.clusterId }),
    ...(given.expectedIdentity === undefined ? {} : { expectedIdentity: given.expectedIdentity }),
    ...(given.dialTimeoutMs === undefined ? {} : { dialTimeoutMs: Number(given.dialTimeoutMs) }),
    ...(kafka ? { kafka: merged(module.kafka, kafka) } : {}),
  }
  if (all.brokers === undefined)
    throw new UsageError('Expected addresses of brokers: --brokers, RELISTEN_BROKERS, or a module by --options.')
  const { groupId, topics = [] } = all
  // The rest is checked as it would be for a consumer; what a consumer needs beside it is filled in.
  const { eachMessage: _message, eachBatch: _batch, ...own } = all
  const checked = resolveOptions({
    ...{ groupId: 'relisten', topics: ['relisten'] },
    ...own,
    ...(topics.length === 0 ? { topics: ['relisten'] } : {}),
    eachMessage: () => {},
  } as ConsumerOptions)
  const picked = connecting.filter((name) => own[name] !== undefined).map((name) => [name, own[name]])
  return { ...checked, groupId, topics, given: Object.fromEntries(picked) }
}

/** TLS and login of the flags; undefined where they say nothing of them. */
function kafkaFrom(given: Given, environment: NodeJS.ProcessEnv): KafkaOptions | undefined {
  const { clientId, sslCa, saslMechanism, saslUsername: username } = given
  const { RELISTEN_SSL_CERT, RELISTEN_SSL_KEY, RELISTEN_SSL_PASSPHRASE: passphrase } = environment
  const files = {
    ...(sslCa ? { ca: textOf(sslCa, '--ssl-ca') } : {}),
    ...(RELISTEN_SSL_CERT ? { cert: textOf(RELISTEN_SSL_CERT, 'RELISTEN_SSL_CERT') } : {}),
    ...(RELISTEN_SSL_KEY ? { key: textOf(RELISTEN_SSL_KEY, 'RELISTEN_SSL_KEY') } : {}),
    ...(passphrase ? { passphrase } : {}),
  }
  const hasFiles = Object.keys(files).length > 0
  const password = environment.RELISTEN_SASL_PASSWORD
  if (saslMechanism !== undefined && (!username || !password))
    throw new UsageError('A SASL mechanism needs --sasl-username, and the password in RELISTEN_SASL_PASSWORD.')
  const kafka = {
    ...(clientId === undefined ? {} : { clientId }),
    ...(hasFiles || (given.ssl ?? isTrue(environment.RELISTEN_SSL)) ? { ssl: hasFiles ? files : true } : {}),
    ...(saslMechanism === undefined ? {} : { sasl: { mechanism: saslMechanism, username, password } }),
  } as KafkaOptions
  return Object.keys(kafka).length > 0 ? kafka : undefined
}

const isTrue = (setting = ''): boolean => /^(true|1|yes|on)$/i.test(setting)

/** The settings of the module, and over them those of flags and environment. */
function merged(own: ConsumerOptions['kafka'], over: KafkaOptions): ConsumerOptions['kafka'] {
  if (typeof own === 'function') return async () => ({ ...(await own()), ...over })
  return { ...own, ...over }
}

function textOf(path: string, from: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`The file of ${from} can't be read: ${messageOf(error)}.`)
  }
}

function exportedBy(file: string): Partial<ConsumerOptions> {
  const path = resolve(file)
  let exported: { readonly default?: unknown; readonly options?: unknown }
  try {
    // Reads both kinds of modules, as long as they do not wait at their top.
    exported = createRequire(path)(path)
  } catch (error) {
    throw new UsageError(`The module of --options can't be loaded: ${messageOf(error)}.`)
  }
  const options = exported.options ?? exported.default ?? exported
  if (isPlain(options)) return options
  throw new UsageError(`Expected ${file} to export a consumer's options as \`default\` or \`options\`.`)
}
