/** A redaction: a copy of a value that may be shown to others. Plain data only, no cycles, no secrets, and never an exception. */

import { withoutSecrets } from '../../actors/security/secrets.ts'
import { redactedMark } from '../../machines/secret-shape.ts'

const secretName =
  /passw|passphrase|secret|token|credential|authori[sz]ation|^(key|pfx|cert|session|sasl|ssl|kafka|input)$/i
const maxDepth = 12

/**
 * Copies `value`. What is under a name that sounds like a secret, and KafkaJS's options and the `input` of actors as a whole, become
 * `[redacted]`; functions become `{ type: name }`, objects of classes their class's name, and texts lose every secret that is known or looks like one.
 */
export function redacted(value: unknown): unknown {
  return copy(value, [])
}

function copy(value: unknown, above: readonly object[]): unknown {
  if (typeof value === 'string') return withoutSecrets(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function') return { type: value.name || 'function' }
  if (typeof value !== 'object' || value === null) return value
  if (above.includes(value)) return '[circular]'
  if (above.length >= maxDepth) return '[too deep]'
  try {
    return copyObject(value, [...above, value])
  } catch {
    // A getter of somebody else's object may throw.
    return '[unreadable]'
  }
}

function copyObject(value: object, above: readonly object[]): unknown {
  if (value instanceof Error) return { name: value.name, message: copy(value.message, above) }
  if (Array.isArray(value)) return value.map((each) => copy(each, above))
  if (value instanceof Set) return [...value].map((each) => copy(each, above))
  if (value instanceof Map)
    return copyEntries(
      [...value].map(([name, each]) => [String(name), each]),
      above,
    )
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor?.name ?? 'object'}]`
  return copyEntries(Object.entries(value), above)
}

function copyEntries(entries: readonly (readonly [string, unknown])[], above: readonly object[]): unknown {
  return Object.fromEntries(
    entries.map(([name, each]) => [name, secretName.test(name) ? redactedMark : copy(each, above)]),
  )
}
