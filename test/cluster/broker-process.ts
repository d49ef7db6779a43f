/** One JVM of a cluster: a broker, the controller, or the tool that formats their storage. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { javaCommand } from './kafka-jars.ts'
import { untilAccepting } from './loopback.ts'

export interface BrokerProcess {
  readonly pid: number
  readonly running: boolean
  /** Resolves when the JVM has ended, with its exit code or signal. */
  readonly exited: Promise<number | NodeJS.Signals>
  /** Resolves when the address accepts; refuses with the tail of the log when the JVM ends first or `deadlineMs` passes. */
  untilListening(host: string, port: number, deadlineMs?: number): Promise<void>
  /** Sends the signal and waits for the end; after `deadlineMs` (default 30 s) kills. */
  stop(signal?: NodeJS.Signals, deadlineMs?: number): Promise<void>
  /** Resident memory in MB, 0 when it has ended. */
  residentMb(): number
}

export interface JavaCommand {
  /** Folder of the jars. */
  readonly jars: string
  /** `kafka.Kafka` or `kafka.tools.StorageTool`. */
  readonly mainClass: string
  readonly args: readonly string[]
  /** File that receives what the JVM prints. */
  readonly log: string
}

// small heaps and the first compiler only: four of these share a machine with the tests
const flags = [
  '-Xms96m',
  '-Xmx256m',
  '-XX:MaxDirectMemorySize=128m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:ReservedCodeCacheSize=64m',
  '-Djava.awt.headless=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
]

export function startJava({ jars, mainClass, args, log }: JavaCommand): BrokerProcess {
  const file = openSync(log, 'a')
  const child = spawn(javaCommand(), [...flags, '-cp', `${jars}/*`, mainClass, ...args], {
    // a group of its own, so that Ctrl-C reaches the program that drives the cluster and not the brokers under it
    detached: true,
    stdio: ['ignore', file, file],
  })
  closeSync(file)
  if (child.pid === undefined) throw new Error(`\`${javaCommand()}\` could not be started`)
  const { pid } = child
  const exited = exitOf(child)
  const running = () => child.exitCode === null && child.signalCode === null

  return {
    pid,
    exited,
    get running() {
      return running()
    },
    async untilListening(host, port, deadlineMs = 60_000) {
      const abandoned = new AbortController()
      const fail = (why: string) => abandoned.abort(new Error(`${why}. Its log ends with:\n${tailOf(log)}`))
      const timer = setTimeout(() => fail(`Nothing accepts at ${host}:${port} after ${deadlineMs} ms`), deadlineMs)
      void exited.then((how) => fail(`The broker for ${host}:${port} ended with ${how} before it accepted connections`))
      await untilAccepting(host, port, abandoned.signal).finally(() => clearTimeout(timer))
    },
    async stop(signal = 'SIGTERM', deadlineMs = 30_000) {
      if (!running()) return
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
      await exited
      clearTimeout(timer)
    },
    residentMb() {
      if (!running()) return 0
      const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0
      return Math.round(Number(kilobytes) / 1024)
    },
  }
}

/** Last lines of a log file. */
export function tailOf(log: string, lines = 12): string {
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}

function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 0)))
}
