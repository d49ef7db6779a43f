/** The log: a line for each fact, written with the user's logger. The only file that knows pino's levels. */

import type { Level } from 'pino'

type LogLevel = Extract<Level, 'debug' | 'info' | 'warn' | 'error'>

/** A pino logger, or anything with these four of its methods. */
export type Logger = { readonly [Name in LogLevel]: (fields: object, message: string) => void }
