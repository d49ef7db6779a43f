/**
 * A watchdog: a small shell that outlives this process by a moment. It reads the ids of our children from a pipe; when
 * the pipe ends, however this process ended (exit, signal, uncaught error, kill -9), it kills those that are left and
 * removes their folder.
 */
import { spawn } from 'node:child_process'

export interface Watchdog {
  /** These processes, and no others, are to be killed. */
  guard(pids: readonly number[]): void
  /** Ends the watch: kills what is guarded, removes the folder, resolves when done. */
  end(): Promise<void>
}

const script = `
  trap '' INT TERM HUP
  while read -r line; do pids=$line; done
  for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`

export function startWatchdog(folder: string): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script, 'relisten-watchdog', folder], {
    // a group of its own: Ctrl-C in a terminal must not end it before its work is done
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const exited = new Promise<void>((resolve) => shell.once('close', () => resolve()))
  shell.stdin.on('error', () => {})
  shell.unref()
  const pipe = shell.stdin as typeof shell.stdin & { unref(): void }
  pipe.unref()

  return {
    guard: (pids) => void shell.stdin.write(`${pids.join(' ')}\n`),
    end() {
      shell.ref()
      shell.stdin.end()
      return exited
    },
  }
}
