// One command of the verification, as a process group of its own that never outlives this process.
import { spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

export interface CommandResult {
  /** `null`: the command could not start, was killed, or did not end in time; `output` says which. */
  readonly exitCode: number | null
  /** Both streams in order of arrival; with `live`, only what happened to the command itself. */
  readonly output: string
}

/** How long a command may take to clean up after it was told to stop. */
const stopTimeoutMs = 10_000

/** Runs a program from `node_modules/.bin` or the path. `live` passes its output on at once instead of keeping it. */
export function runCommand(
  program: string,
  args: readonly string[],
  { timeoutMs, live = false }: { timeoutMs: number; live?: boolean },
): Promise<CommandResult> {
  const child = spawn(program, args, {
    stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'],
    env: { ...process.env, PATH: `node_modules/.bin:${process.env.PATH}` },
    detached: true,
  })
  let output = ''
  let exitAfterwards = false
  const keep = (chunk: Buffer) => {
    output += chunk
  }
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= stopGroup(child.pid)
  }
  const interrupt = () => {
    exitAfterwards = true
    stop()
  }
  const deadline = setTimeout(() => {
    output += `\n${program} did not end within ${timeoutMs / 1000} s and was stopped.`
    stop()
  }, timeoutMs)
  process.on('SIGTERM', interrupt).on('SIGINT', interrupt)
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return new Promise((resolve) => {
    const settle = async (exitCode: number | null) => {
      clearTimeout(deadline)
      await stopped
      process.off('SIGTERM', interrupt).off('SIGINT', interrupt)
      signalGroup(child.pid, 'SIGKILL')
      if (exitAfterwards) process.exit(1)
      resolve({ exitCode, output })
    }
    child.on('error', (error) => {
      output += `\n${program} could not be started (${error.message}). Run "npm ci" first.`
      settle(null)
    })
    child.on('close', settle)
  })
}

/** Asks a command and what it started to end, and ends what is left of it by the deadline: a cluster needs time to clean up. */
async function stopGroup(pid: number | undefined): Promise<void> {
  const deadline = Date.now() + stopTimeoutMs
  signalGroup(pid, 'SIGTERM')
  while (Date.now() < deadline && signalGroup(pid, 0)) await pause(50)
  signalGroup(pid, 'SIGKILL')
}

/** Signals a command and what it started, and says whether any of it was still there; signal 0 only asks. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals | 0): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    return false
  }
}
