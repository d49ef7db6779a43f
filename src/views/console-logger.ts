/** The console as a logger: a line for people, without the fields. */

import type { Logger } from './log.ts'

const write = (level: 'info' | 'warn' | 'error', fields: object, message: string): void => {
  const { consumer = '' } = fields as { readonly consumer?: string }
  // biome-ignore lint/suspicious/noConsole: it is what this logger writes to.
  console[level](`${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} relisten ${consumer}: ${message}`)
}

/** For `logger`: a readable line on the console for each fact from `info` on, with its time, level, consumer and sentence. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: (fields, message) => write('info', fields, message),
  warn: (fields, message) => write('warn', fields, message),
  error: (fields, message) => write('error', fields, message),
}
