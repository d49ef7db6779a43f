/** The options that say what is read, from where, and with which handler. */

import { parseEndpoint } from '../../machines/endpoint.ts'
import { optionError } from '../error.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { expected, shown } from './value.ts'

/** Throws `invalid-option`. */
export function checkSubject({ brokers, groupId, topics, eachMessage, eachBatch }: ConsumerOptions): void {
  checkBrokers(brokers)
  if (typeof groupId !== 'string' || groupId === '') {
    const next = "write the name of the consumer group, as in `groupId: 'orders-service'`."
    throw expected('groupId', 'to be a non-empty string', groupId, next)
  }
  checkTopics(topics)
  if ((eachMessage === undefined) === (eachBatch === undefined)) {
    const got = eachMessage === undefined ? 'neither' : 'both'
    throw optionError(
      `Expected either \`eachMessage\` or \`eachBatch\`, got ${got}`,
      'pass exactly one of them, as in `eachMessage: async ({ message }) => { … }`.',
    )
  }
}

const aList = "write `brokers: ['kafka.example:9092']`, or a function that returns such a list."

function checkBrokers(brokers: unknown): void {
  if (Array.isArray(brokers)) {
    if (brokers.length === 0 || brokers.length > 64)
      throw expected('brokers', 'to have 1 to 64 entries', brokers, aList)
    const bad = brokers.findIndex((entry) => typeof entry !== 'string' || parseEndpoint(entry) === undefined)
    if (bad < 0) return
    throw expected(`brokers[${bad}]`, 'to be `host:port`', brokers[bad], entryFor(brokers[bad]))
  }
  const isSource = typeof (brokers as { current?: unknown } | null | undefined)?.current === 'function'
  if (typeof brokers !== 'function' && !isSource) {
    const what = 'to be a list of `host:port`, a function, or an object with a function `current`'
    throw expected('brokers', what, brokers, listFor(brokers))
  }
  const { changes } = brokers as { changes?: unknown }
  if (typeof brokers === 'function' || changes === undefined || isStream(changes)) return
  const next =
    'pass an observable or an async iterable of lists, or leave `changes` out: `current` is asked at each poll.'
  throw expected('brokers.changes', 'to be an observable or an async iterable', changes, next)
}

const isStream = (changes: unknown): boolean =>
  (typeof changes === 'object' || typeof changes === 'function') &&
  changes !== null &&
  (typeof (changes as { subscribe?: unknown }).subscribe === 'function' || Symbol.asyncIterator in changes)

/** What to write in place of an entry that is no `host:port`. */
function entryFor(entry: unknown): string {
  if (typeof entry !== 'string')
    return 'write a text like `kafka.example:9092`; an entry may come from a variable that is not set.'
  if (entry.trim() === '') return 'take the empty entry out, as a comma at the end makes one, and write `host:port`.'
  if (entry.includes(',')) return listFor(entry)
  if (entry.includes('@'))
    return 'write `host:port` without user and password, without a scheme; they go into `kafka.sasl`.'
  if (/^\w+:\/\//.test(entry)) return 'write `host:port` without a scheme, as in `kafka.example:9092`.'
  return 'write `host:port` or `[v6]:port`, with a port from 1 to 65535, without a scheme.'
}

/** What to write in place of something that is no list. */
function listFor(given: unknown): string {
  if (given instanceof Promise) return 'pass a function, as in `brokers: () => promise`.'
  if (typeof given !== 'string' || given === '') return aList
  const entries = given.split(/[\s,]+/).filter((entry) => parseEndpoint(entry) !== undefined && !entry.includes('@'))
  if (entries.length === 0) return aList
  return `write \`brokers: [${entries.map((entry) => `'${entry}'`).join(', ')}]\`, or split the text: \`brokers: text.split(',')\`.`
}

/** Kafka's own rule for names. */
const topicName = /^(?!\.{1,2}$)[\w.-]{1,249}$/

function checkTopics(topics: unknown): void {
  const example = "for example `topics: ['orders']`."
  if (!Array.isArray(topics) || topics.length === 0) {
    const names = typeof topics === 'string' ? topics.split(/[\s,]+/).filter((name) => topicName.test(name)) : []
    const next = names.length > 0 ? `write \`topics: [${names.map((name) => `'${name}'`).join(', ')}]\`.` : example
    throw expected('topics', 'to be a list of at least one topic name or regular expression', topics, next)
  }
  const isTopic = (topic: unknown): boolean =>
    typeof topic === 'string' ? topicName.test(topic) : Object.prototype.toString.call(topic) === '[object RegExp]'
  const bad = topics.findIndex((topic) => !isTopic(topic))
  if (bad < 0) return
  const topic: unknown = topics[bad]
  const next =
    typeof topic === 'string' && topic !== ''
      ? `a name has letters, digits, \`.\`, \`_\` and \`-\`; for a pattern write a regular expression, as in \`/^orders/\`. Got ${shown(topic)}.`
      : `${example.slice(0, -1)}; an entry may come from a variable that is not set.`
  throw expected(`topics[${bad}]`, 'to be a topic name or a regular expression', topic, next)
}
