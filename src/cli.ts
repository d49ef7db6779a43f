#!/usr/bin/env node
/** The command `relisten`. */

import { once } from 'node:events'
import { runCommand } from './command-line/command.ts'

const { stdout, stderr } = process
let interruption: AbortController | undefined

// A reader that has seen enough, as `head`, closes the pipe. What is at work has to end in an orderly way.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  if (interruption) interruption.abort()
  else process.exit()
})
runCommand(process.argv.slice(2), {
  out: (line) => void stdout.write(`${line}\n`),
  error: (line) => void stderr.write(`${line}\n`),
  // `hasColors` honours NO_COLOR.
  hasColours: stdout.isTTY === true && stdout.hasColors(),
  ...(stderr.isTTY ? { draw: (text: string) => void stderr.write(text) } : {}),
  async drained() {
    // Who has gone, or wants an end, takes no more.
    const signal = interruption?.signal
    if (stdout.writableNeedDrain) await once(stdout, 'drain', { ...(signal && { signal }) }).catch(() => {})
  },
  interrupted() {
    const controller = new AbortController()
    interruption = controller
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => controller.abort())
    return controller.signal
  },
}).then((code) => {
  process.exitCode = code
})
