#!/usr/bin/env node
/** The command `relisten`. */

import { type Output, runCommand } from './command-line/command.ts'
import { inspect } from './command-line/inspect.ts'

// A reader that has seen enough, as `head`, closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
const terminal: Output = {
  out: (line) => void process.stdout.write(`${line}\n`),
  error: (line) => void process.stderr.write(`${line}\n`),
}
const [command, ...args] = process.argv.slice(2)
// A server: it ends with the process.
if (command === 'inspect') {
  inspect(args, terminal).then((inspecting) => {
    if ('exitCode' in inspecting) process.exitCode = inspecting.exitCode
  })
} else process.exitCode = runCommand(process.argv.slice(2), terminal)
