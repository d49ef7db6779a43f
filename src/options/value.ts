/** A value that an option was given, as an error may show it: what was expected, what was got, and what to write instead. */

import { optionError, type RelistenError } from '../error.ts'

/** The error for an option that was given this value. `next` says what to write instead. */
export const expected = (name: string, what: string, got: unknown, next: string): RelistenError =>
  optionError(`Expected \`${name}\` ${what}, got ${shown(got)}`, next)

/** Short, and without the user and password of a URL. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    const clean = value.replace(/\S+@/g, '')
    return `\`${JSON.stringify(clean.length > 60 ? `${clean.slice(0, 60)}…` : clean)}\``
  }
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return `\`${String(value)}\``
  if (isPlain(value)) return 'an object'
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === 'string' && /^[\w$]+$/.test(name) ? `an instance of ${name}` : 'an object'
}

/** Whether it is an object as a literal makes it, also one of another realm: what a class made has more than its fields show. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
