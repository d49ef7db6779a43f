/** A process forked for a test or a measurement, seen from outside; `parent.ts` is what it sees of us. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../real/harness/until.ts'

export interface ChildOptions<From> {
  /** What it is, for the sentences of errors. */
  readonly what: string
  /** The file it runs. TypeScript as it stands, unless it is compiled. */
  readonly main: string
  readonly args?: readonly string[]
  /** Options of Node's; by default those that let it run TypeScript. */
  readonly execArgv?: readonly string[]
  /** What it prints goes nowhere, and the end of its errors into ours. Default false: it prints where we do. */
  readonly isQuiet?: boolean
  /** A process group of its own: a Ctrl-C in the terminal does not reach it. Default false. */
  readonly detached?: boolean
  /** It says something, in order. */
  readonly hear: (message: From, child: Child<unknown>) => unknown
}

export interface Child<To> {
  readonly pid: number
  readonly alive: boolean
  /** How it ended: a signal, or an exit code. */
  readonly ending: string
  /** Resolves when it says that it is up; rejects when it ends before that. */
  readonly up: Promise<void>
  /** Says something to it, if it is alive. */
  send(message: To): void
  /** Resolves when `missing` says that nothing is; rejects when the process ends before that. */
  until(missing: () => string | undefined, deadlineMs?: number): Promise<void>
  /** Ends it with SIGKILL; resolves when it is gone and everything it said has been heard. */
  kill(): Promise<void>
  /** Resolves when it has ended by whatever and everything it said has been heard. */
  readonly gone: Promise<unknown>
}

export const runsTypeScript = ['--import', 'tsx'] as const

export function forkChild<To extends object, From extends { readonly kind: string }>({
  what,
  main,
  args = [],
  execArgv = runsTypeScript,
  isQuiet = false,
  detached = false,
  hear,
}: ChildOptions<From>): Child<To> {
  const stdio: ('ignore' | 'inherit' | 'pipe' | 'ipc')[] = isQuiet
    ? ['ignore', 'ignore', 'pipe', 'ipc']
    : ['inherit', 'inherit', 'inherit', 'ipc']
  const child = fork(main, args, { execArgv: [...execArgv], stdio, detached })
  // The channel closes after the last message in it was read.
  const gone = Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  gone.catch(() => {})
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  let isUp = false
  const ending = () => `${child.signalCode ?? child.exitCode}`
  const isAlive = () => child.exitCode === null && child.signalCode === null
  const still = (missing: () => string | undefined, deadlineMs = 60_000) =>
    until(
      () => {
        const reason = missing()
        if (reason === undefined || isAlive()) return reason
        throw new Error(`The process of ${what} ended with ${ending()} before ${reason}${said && `: ${said.trim()}`}`)
      },
      { deadlineMs },
    )
  const up = still(() => (isUp ? undefined : 'it was up'))
  up.catch(() => {})
  const seen: Child<To> = {
    pid: child.pid as number,
    gone,
    up,
    get alive() {
      return isAlive()
    },
    get ending() {
      return ending()
    },
    send(message) {
      if (isAlive() && child.connected) child.send(message, () => {})
    },
    until: still,
    async kill() {
      if (isAlive()) child.kill('SIGKILL')
      await gone
    },
  }
  child.on('message', (message: From) => {
    if (message.kind === 'up') isUp = true
    else hear(message, seen)
  })
  return seen
}
