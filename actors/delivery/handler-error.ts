/**
 * The error of a handler, or of its policy, as others may see it: name, message, stack and cause, without secrets. It goes beside the failure
 * of a fact, where JSON does not see it: the log and the status tell it, and no record keeps it.
 */

import { type Failure, messageOf } from '../../machines/failure.ts'
import { withoutSecrets } from '../security/secrets.ts'

/** What was thrown, as data. */
export interface HandlerError {
  readonly name: string
  readonly message: string
  /** At most 4096 characters. */
  readonly stack?: string
  readonly cause?: HandlerError
}

const longestStack = 4096
/** Causes of causes: an error may be its own. */
const mostCauses = 5

const thrown = Symbol('thrown')

/** The failure of a fact about something that was thrown, with the error beside it. */
export function failureOf(error: unknown, what = ''): Failure {
  const told = handlerError(error)
  const failure: Failure = { kind: 'handler-failed', message: `${what}${told.message}` }
  return Object.defineProperty(failure, thrown, { value: told })
}

/** The error beside a failure; undefined where there is none, as in one that was read from a journal. */
export const errorBeside = (failure: unknown): HandlerError | undefined =>
  (failure as { readonly [thrown]?: HandlerError } | undefined)?.[thrown]

/** Anything can be thrown, and reading it may throw again. Total. */
export function handlerError(error: unknown, depth = 0): HandlerError {
  const named = read(error, 'name')
  const name = named === undefined || named === 'Error' ? className(error) : named
  const stack = read(error, 'stack')
  const cause = depth < mostCauses ? causeOf(error) : undefined
  return {
    name: withoutSecrets(name),
    message: withoutSecrets(messageOf(error)),
    ...(stack === undefined ? {} : { stack: withoutSecrets(stack, longestStack - 1) }),
    ...(cause === undefined ? {} : { cause: handlerError(cause, depth + 1) }),
  }
}

function read(error: unknown, property: 'name' | 'stack'): string | undefined {
  try {
    const value = (error as Record<typeof property, unknown> | null | undefined)?.[property]
    return typeof value === 'string' && value !== '' ? value : undefined
  } catch {
    return undefined
  }
}

function className(error: unknown): string {
  try {
    return typeof error === 'object' && error !== null ? (error.constructor?.name ?? 'Object') : typeof error
  } catch {
    return 'Error'
  }
}

function causeOf(error: unknown): unknown {
  try {
    return (error as { readonly cause?: unknown } | null | undefined)?.cause ?? undefined
  } catch {
    return undefined
  }
}
