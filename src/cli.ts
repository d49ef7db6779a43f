#!/usr/bin/env node
/** The command `relisten`. */

import { runCommand } from './command-line/command.ts'

// A reader that has seen enough, as `head`, closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
const { stdout, stderr } = process
runCommand(process.argv.slice(2), {
  out: (line) => void stdout.write(`${line}\n`),
  error: (line) => void stderr.write(`${line}\n`),
  // `hasColors` honours NO_COLOR.
  hasColours: stdout.isTTY === true && stdout.hasColors(),
  ...(stderr.isTTY ? { draw: (text: string) => void stderr.write(text) } : {}),
}).then((code) => {
  process.exitCode = code
})
