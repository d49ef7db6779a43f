/**
 * Sharing: which consumers of one process see the same cluster in the same way, and so share one poller and the pace of dialling; and
 * which read the same group of it, and so share marks. Plain data counts by value, as literals that say the same mean the same;
 * functions and objects of classes by identity, as nobody can see what they will do.
 */

import { createHmac, randomBytes } from 'node:crypto'
import type { KafkaConfig } from '../../actors/kafkajs/login.ts'
import type { ConsumerOptions } from './consumer-options.ts'

type Given<Name extends keyof ConsumerOptions> = { readonly [Each in Name]?: ConsumerOptions[Each] | undefined }

/** Where the brokers are. */
type Place = Pick<ConsumerOptions, 'brokers'> & Given<'lookup' | 'clusterId'>

/** What decides how the cluster is seen and dialled. `kafka` as it was given, the durations with their defaults. */
type View = Place &
  Given<'kafka' | 'allowEndpoint' | 'expectedIdentity' | 'pollIntervalMs' | 'dialTimeoutMs'> & {
    readonly socketFactory?: KafkaConfig['socketFactory'] | undefined
  }

/** Equal for consumers that share one poller and the pace of dialling. */
export function clusterKey(options: View): string {
  const { socketFactory } = options
  const { kafka, allowEndpoint, lookup, clusterId, expectedIdentity, pollIntervalMs, dialTimeoutMs } = options
  const security = typeof kafka === 'function' ? kafka : [kafka?.ssl || false, kafka?.sasl]
  const choices = [clusterId, expectedIdentity, pollIntervalMs, dialTimeoutMs]
  return keyOf([placesIn(options), security, allowEndpoint, lookup, socketFactory, choices])
}

/**
 * Equal for consumers that share marks: the same group where the same brokers are, however often they are asked and whoever logs in. What was
 * handled where the user commits says nothing to a consumer that commits by itself.
 */
export function marksKey(options: Place & Pick<ConsumerOptions, 'groupId'> & Given<'autoCommit'>): string {
  const { lookup, clusterId, groupId, autoCommit = true } = options
  return keyOf([placesIn(options), lookup, clusterId, groupId, autoCommit])
}

/** The order of a list says nothing. */
const placesIn = ({ brokers }: Place): unknown => (Array.isArray(brokers) ? [...new Set(brokers)].sort() : brokers)

/** Of this process alone: a hash of a password that anybody could compute could be guessed. */
const salt = randomBytes(32)

const keyOf = (value: unknown): string => createHmac('sha256', salt).update(contentOf(value, 0)).digest('hex')

const maxDepth = 8

function contentOf(value: unknown, depth: number): string {
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value === 'function') return idOf(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  // Too deep for options: somebody's own structure, perhaps with itself inside.
  if (depth > maxDepth) return idOf(value)
  try {
    if (ArrayBuffer.isView(value)) {
      return `bytes ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}`
    }
    if (Array.isArray(value)) return `[${value.map((each) => contentOf(each, depth + 1)).join()}]`
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return idOf(value)
    const entries = Object.entries(value).filter(([, each]) => each !== undefined)
    const written = entries.map(([name, each]) => `${JSON.stringify(name)}:${contentOf(each, depth + 1)}`)
    return `{${written.sort().join()}}`
  } catch {
    return idOf(value)
  }
}

const ids = new WeakMap<object, number>()
let count = 0

/** A number for an object or function that stays the same. */
function idOf(value: object): string {
  const known = ids.get(value) ?? ++count
  ids.set(value, known)
  return `#${known}`
}
