/** The security part of the options: what may be used of `kafka.ssl` and `kafka.sasl`, and a copy nobody has used before. */

import { keepSecret } from '../../actors/security/secrets.ts'
import { optionError } from '../error.ts'
import type { KafkaOptions } from './consumer-options.ts'
import { checkName } from './suggestion.ts'
import { isPlain, shown } from './value.ts'

/** What the user accepts or asks for beside KafkaJS's options. */
export interface SecurityRules {
  readonly allowInsecureTls: boolean
  readonly allowInsecureLogin: boolean
  readonly expectedIdentity: string | undefined
}

/**
 * Checks KafkaJS's client options and returns a fresh copy: KafkaJS writes the login it made into the `sasl` object it is given, so
 * one that was used before would log in with the old password. Its secrets are known from here on, so that no text carries them.
 * Throws `invalid-option`; no value is part of the message.
 */
export function secured(kafka: KafkaOptions, rules: SecurityRules): KafkaOptions {
  // The fields of an instance of Kafka are hidden: TLS and login would be lost.
  if (!isPlain(kafka)) {
    throw optionError(
      `Expected \`kafka\` to be a plain object or a function that returns one, got ${typeof kafka === 'object' && kafka ? shown(kafka) : kindOf(kafka)}`,
      'write what `new Kafka` takes beside the brokers: `kafka: { clientId, ssl, sasl }`.',
    )
  }
  for (const name of Object.keys(kafka)) checkName(name, names, 'kafka.')
  const { clientId, ssl, sasl } = kafka
  keepSecretsOf(ssl)
  keepSecretsOf(sasl)
  if (clientId !== undefined && (typeof clientId !== 'string' || clientId === '')) {
    throw optionError(
      `Expected \`kafka.clientId\` to be a non-empty string, got ${kindOf(clientId)}`,
      "name your service, as in `kafka: { clientId: 'orders' }`.",
    )
  }
  checkTls(ssl, rules)
  checkLogin(sasl, ssl, rules)
  return {
    ...(clientId === undefined ? {} : { clientId }),
    ...(ssl === undefined ? {} : { ssl: typeof ssl === 'object' ? { ...ssl } : ssl }),
    ...(sasl === undefined ? {} : { sasl: unused(sasl) }),
  }
}

/** Of KafkaJS's mechanisms, those of others, and TLS: what is under a name that says so. A certificate is no secret. */
const secretName = /passw|passphrase|secret|token|credential|key|pfx/i

function keepSecretsOf(options: unknown, depth = 0): void {
  if (typeof options !== 'object' || options === null || depth > 2) return
  for (const [name, value] of Object.entries(options)) {
    if (secretName.test(name)) keepSecret(value)
    else keepSecretsOf(value, depth + 1)
  }
}

const elsewhere: Readonly<Record<string, string>> = {
  brokers: 'pass `brokers` beside `kafka`; it may change there.',
  socketFactory: 'leave it out, dialling is what this library does; `lookup` and `allowEndpoint` have a say in it.',
  connectionTimeout: 'use `dialTimeoutMs` beside `kafka`.',
  authenticationTimeout: 'use `dialTimeoutMs` beside `kafka`; it covers the login.',
  reauthenticationThreshold: 'leave it out, the login is renewed in time by itself.',
  requestTimeout: 'leave it out, each kind of request has its own deadline.',
  enforceRequestTimeout: 'leave it out, each kind of request has its own deadline.',
  retry: 'leave it out; `retryBudget` beside `kafka` limits how often a session is tried again.',
  logLevel: 'use `logger` beside `kafka`, and its level.',
  logCreator: 'use `logger` beside `kafka`.',
}

const known = ['clientId', 'ssl', 'sasl']
const names = { known, elsewhere, nextStep: `\`kafka\` takes ${known.join(', ')}.` }

function checkTls(ssl: KafkaOptions['ssl'], { allowInsecureTls, expectedIdentity }: SecurityRules): void {
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null)) {
    throw optionError(
      `Expected \`kafka.ssl\` to be true, false or options of \`tls.connect\`, got ${kindOf(ssl)}`,
      'pass `true`, or an object with `ca`, `cert` and `key`.',
    )
  }
  if (expectedIdentity !== undefined && !ssl) {
    throw optionError(
      'Expected `kafka.ssl` to be set, as `expectedIdentity` is compared with a certificate',
      'set `kafka.ssl`.',
    )
  }
  if (typeof ssl !== 'object') return
  for (const name of ['ca', 'cert', 'key'] as const) checkPem(name, ssl[name])
  if (ssl.servername !== undefined) {
    throw optionError(
      'Expected `kafka.ssl.servername` to be left out, as it switches off the check of the address that is dialled',
      'leave it out, or use `expectedIdentity` if the certificates of all brokers carry that one name.',
    )
  }
  if (ssl.session !== undefined) {
    throw optionError(
      'Expected `kafka.ssl.session` to be left out, as a resumed session is not checked against the certificate',
      'leave it out.',
    )
  }
  if (ssl.rejectUnauthorized === false && !allowInsecureTls) {
    throw optionError(
      'Expected `kafka.ssl.rejectUnauthorized` not to be false, as anybody could then pose as a broker',
      'give your CA in `kafka.ssl.ca`, or set `allowInsecureTls: true` if you accept that.',
    )
  }
}

/** A path would be taken for a certificate, and be found wanting by the first broker. */
function checkPem(name: 'ca' | 'cert' | 'key', given: unknown): void {
  for (const each of Array.isArray(given) ? given : [given]) {
    if (typeof each !== 'string' || each.includes('-----BEGIN ')) continue
    throw optionError(
      `Expected \`kafka.ssl.${name}\` to be the text of a PEM file, got ${each === '' ? 'an empty string' : 'a text without `-----BEGIN`'}`,
      `read the file: \`${name}: readFileSync('/path/to/${name}.pem', 'utf8')\`.`,
    )
  }
}

const showsSecret = ['plain', 'oauthbearer', 'aws']
const withPassword = ['plain', 'scram-sha-256', 'scram-sha-512']

function checkLogin(sasl: KafkaOptions['sasl'], ssl: KafkaOptions['ssl'], { allowInsecureLogin }: SecurityRules): void {
  if (sasl === undefined) return
  const mechanism = typeof sasl === 'object' && sasl !== null ? sasl.mechanism : undefined
  if (typeof mechanism !== 'string' || mechanism === '') {
    throw optionError(
      'Expected `kafka.sasl` to be an object with a `mechanism`',
      "write `sasl: { mechanism: 'scram-sha-512', username, password }`, or one of plain, scram-sha-256, oauthbearer, aws.",
    )
  }
  checkMechanism(mechanism, sasl as object as Record<string, unknown>)
  if (showsSecret.includes(mechanism.toLowerCase()) && !ssl && !allowInsecureLogin) {
    throw optionError(
      `Expected \`kafka.ssl\` to be set, as the login \`${mechanism}\` sends the secret to whoever answers`,
      'set `kafka.ssl`, use scram-sha-512, or set `allowInsecureLogin: true` if the network is trusted.',
    )
  }
  if (!withPassword.includes(mechanism.toLowerCase())) return
  const { username, password } = sasl as { username?: unknown; password?: unknown }
  for (const [name, value] of Object.entries({ username, password })) {
    if (typeof value !== 'string' || value === '') {
      throw optionError(
        `Expected \`kafka.sasl.${name}\` to be a non-empty string, got ${kindOf(value)}`,
        'check where it is read from.',
      )
    }
  }
}

/** What each mechanism of KafkaJS's needs beside user and password, and of which type it is. */
const needs: Readonly<Record<string, Readonly<Record<string, 'string' | 'function'>>>> = {
  ...{ plain: {}, 'scram-sha-256': {}, 'scram-sha-512': {} },
  oauthbearer: { oauthBearerProvider: 'function' },
  aws: { authorizationIdentity: 'string', accessKeyId: 'string', secretAccessKey: 'string' },
}

function checkMechanism(mechanism: string, sasl: Record<string, unknown>): void {
  const needed = needs[mechanism.toLowerCase()]
  if (!needed) {
    if (typeof sasl.authenticationProvider === 'function') return
    throw optionError(
      `Expected \`kafka.sasl.mechanism\` to be one of ${Object.keys(needs).join(', ')}, got one that KafkaJS does not have`,
      'write one of them, or pass an `authenticationProvider` for a mechanism of your own.',
    )
  }
  for (const [name, type] of Object.entries(needed)) {
    const value = sasl[name]
    if (typeof value === type && value !== '') continue
    throw optionError(
      `Expected \`kafka.sasl.${name}\` to be a ${type === 'string' ? 'non-empty string' : type}, got ${kindOf(value)}`,
      `\`${mechanism}\` needs ${Object.keys(needed)
        .map((key) => `\`${key}\``)
        .join(', ')}.`,
    )
  }
}

/** Mechanisms that KafkaJS implements get their login anew; a provider of the user's own stays. */
function unused(sasl: NonNullable<KafkaOptions['sasl']>): NonNullable<KafkaOptions['sasl']> {
  const builtIn = [...withPassword, ...showsSecret].includes(sasl.mechanism.toLowerCase())
  const copy = { ...sasl }
  if (builtIn) Reflect.deleteProperty(copy, 'authenticationProvider')
  return copy
}

const kindOf = (value: unknown): string => {
  if (value === null || value === undefined) return `${value}`
  if (value === '') return 'an empty string'
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`
}

/** The start waits this long for the client id, in milliseconds; one that comes later is that of the next session. */
const settingsWithinMs = 1500

/** The settings, read once for the name that is needed at once. What is wrong with them is told by the dials, which read them again. */
export async function openSettings(kafka: () => Promise<KafkaOptions>) {
  let clientId = 'relisten'
  const security = async () => {
    const settings = await kafka()
    clientId = settings.clientId ?? clientId
    return settings
  }
  const late = new Promise((resolve) => setTimeout(resolve, settingsWithinMs).unref())
  await Promise.race([security().catch(() => {}), late])
  return { security, clientId: () => clientId }
}
