/** Candidates: the endpoints that can be asked about the cluster, with the few logged-in connections kept to them and the pace of dialling. */

import { backoffMs } from '../machines/backoff.ts'
import type { Endpoint } from '../machines/endpoint.ts'
import { formatEndpoint } from '../machines/endpoint.ts'
import type { Failure } from '../machines/failure.ts'
import type { Snapshot } from '../machines/snapshot.ts'
import { ConnectionError, type Line } from './connection.ts'
import { steadyNow } from './steady-clock.ts'

/** Opens a line; every `Dial` does. */
export type OpenLine = (endpoint: Endpoint, options?: { readonly signal?: AbortSignal | undefined }) => Promise<Line>

export interface CandidatesOptions {
  readonly dial: OpenLine
  /** Judges an answer: undefined when it can be used. For a foreign cluster the connection is closed and dialled again slowly. */
  readonly onSnapshot: (snapshot: Snapshot) => Failure | undefined
  /** A fresh dial failed; `times` in a row. */
  readonly onDialFailed: (endpoint: Endpoint, failure: Failure, times: number) => void
  /** A kept connection did not answer by its deadline. */
  readonly onSilent: (endpoint: Endpoint) => void
  /** A kept connection ended by itself. */
  readonly onLost: (endpoint: Endpoint) => void
  readonly random: () => number
}

interface Candidate {
  readonly endpoint: Endpoint
  line: Line | undefined
  dialling: Promise<Line> | undefined
  /** Somebody takes over the line that is being dialled. */
  promised: boolean
  /** What was wrong with the answer that came with the dial. */
  flaw: Failure | undefined
  failures: number
  nextDialAt: number
}

/** A kept connection that does not answer our small request for so long is dropped. */
const answerTimeoutMs = 500

/** Silent for so long, it is dialled anew beside; both in milliseconds. */
const doubtAfterMs = 150

/** A line may be taken over so long after it was dialled: later it would have to prove again that it lives. */
const freshMs = 1000

const maxDials = 8
const maxLines = 4
const loginPace = { floorMs: 2000, baseMs: 5000, capMs: 60_000 }
const dialPace = { floorMs: 50, baseMs: 100, capMs: 1000 }

export class Candidates {
  private readonly options: CandidatesOptions
  private readonly known = new Map<string, Candidate>()
  private readonly stop = new AbortController()
  private dials = 0

  constructor(options: CandidatesOptions) {
    this.options = options
  }

  /** Asks where the brokers are. The answer has been judged before it comes back here. */
  async ask(endpoint: Endpoint): Promise<Snapshot> {
    const candidate = this.candidateAt(endpoint)
    const { line } = candidate
    if (line?.open) return this.askAgain(candidate, line)
    const { snapshot } = await this.connect(endpoint)
    if (candidate.flaw) throw new ConnectionError(candidate.flaw, snapshot)
    return snapshot
  }

  /** The kept connection, or a new one. Rejects at once while this endpoint waits for its next dial, or too many dials run. */
  async connect(endpoint: Endpoint): Promise<Line> {
    const candidate = this.candidateAt(endpoint)
    if (candidate.line?.open) return candidate.line
    if (candidate.dialling) return candidate.dialling
    if (!this.mayDial(candidate)) throw notNow(endpoint)
    candidate.dialling = this.dial(candidate)
    return candidate.dialling
  }

  /**
   * Hands over the connection to this endpoint that is being dialled, or was a moment ago; undefined when there is none. It
   * belongs to whoever takes it, and is proven and logged in: a second dial would only take longer. Rejects with the dial's failure.
   */
  async take(endpoint: Endpoint): Promise<Line | undefined> {
    const candidate = this.known.get(formatEndpoint(endpoint))
    if (!candidate || candidate.promised) return undefined
    candidate.promised = true
    try {
      await candidate.dialling
    } finally {
      candidate.promised = false
    }
    const { line } = candidate
    if (!line?.open || Math.abs(steadyNow() - line.snapshot.at) > freshMs) return undefined
    candidate.line = undefined
    return line
  }

  /** Closes the kept connection where it reached none of these addresses: the name leads elsewhere now. */
  leave(endpoint: Endpoint, addresses: readonly string[]): void {
    const candidate = this.candidateAt(endpoint)
    const { line } = candidate
    if (line?.open && !addresses.includes(line.address)) this.drop(candidate, line)
  }

  isOpen(endpoint: Endpoint): boolean {
    return this.known.get(formatEndpoint(endpoint))?.line?.open === true
  }

  /** Whether asking it now leads to anything: it is connected, being dialled, or may be dialled. */
  isDue(endpoint: Endpoint): boolean {
    const candidate = this.known.get(formatEndpoint(endpoint))
    if (!candidate || candidate.line?.open || candidate.dialling) return true
    return candidate.nextDialAt <= performance.now()
  }

  /** Forgets every other endpoint, and closes connections beyond the few that are kept: those of the first ones stay. */
  keep(endpoints: readonly Endpoint[]): void {
    const wanted = new Set(endpoints.map(formatEndpoint))
    let lines = 0
    for (const name of new Set([...wanted, ...this.known.keys()])) {
      const candidate = this.known.get(name)
      if (!candidate) continue
      const { line } = candidate
      const isWanted = wanted.has(name)
      if (line?.open && (!isWanted || ++lines > maxLines)) this.drop(candidate, line)
      if (!isWanted && !candidate.dialling) this.known.delete(name)
    }
  }

  /** What is known has changed: endpoints that failed may be dialled again soon. */
  encourage(): void {
    const soon = performance.now() + dialPace.floorMs
    for (const candidate of this.known.values()) {
      candidate.failures = 0
      candidate.nextDialAt = Math.min(candidate.nextDialAt, soon)
    }
  }

  close(): void {
    this.stop.abort()
    this.keep([])
  }

  private candidateAt({ host, port }: Endpoint): Candidate {
    const endpoint = { host, port }
    const name = formatEndpoint(endpoint)
    const found = this.known.get(name)
    if (found) return found
    const candidate: Candidate = {
      endpoint,
      line: undefined,
      dialling: undefined,
      promised: false,
      flaw: undefined,
      failures: 0,
      nextDialAt: 0,
    }
    this.known.set(name, candidate)
    return candidate
  }

  private mayDial({ dialling, nextDialAt }: Candidate): boolean {
    return !dialling && nextDialAt <= performance.now() && this.dials < maxDials && !this.stop.signal.aborted
  }

  /** Asks over the kept connection; when that is slow, a fresh dial runs beside it, and the first answer counts. */
  private askAgain(candidate: Candidate, line: Line): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      const dialled = () => candidate.dialling?.then(({ snapshot }) => resolve(snapshot), reject)
      const doubt = setTimeout(() => {
        if (!this.mayDial(candidate)) return
        candidate.dialling = this.dial(candidate)
        candidate.dialling.then(
          ({ snapshot }) => resolve(snapshot),
          () => {},
        )
      }, doubtAfterMs)
      withDeadline(line.metadata(), answerTimeoutMs, candidate.endpoint)
        .finally(() => clearTimeout(doubt))
        .then(
          (snapshot) => {
            const flaw = this.options.onSnapshot(snapshot)
            if (flaw?.kind === 'foreign-cluster') {
              this.drop(candidate, line)
              candidate.nextDialAt = performance.now() + dialPace.capMs
            }
            if (flaw) reject(new ConnectionError(flaw, snapshot))
            else resolve(snapshot)
          },
          (error) => {
            this.drop(candidate, line)
            if (failureOf(error, candidate.endpoint).code === 'ETIMEDOUT') this.options.onSilent(candidate.endpoint)
            if (!dialled()) reject(error)
          },
        )
    })
  }

  private async dial(candidate: Candidate): Promise<Line> {
    const { endpoint } = candidate
    this.dials++
    candidate.nextDialAt = performance.now() + dialPace.floorMs
    try {
      const line = await this.options.dial(endpoint, { signal: this.stop.signal })
      if (this.stop.signal.aborted) {
        line.close()
        throw notNow(endpoint)
      }
      candidate.flaw = this.options.onSnapshot(line.snapshot)
      if (candidate.flaw?.kind === 'foreign-cluster') {
        line.close()
        throw new ConnectionError(candidate.flaw)
      }
      candidate.failures = 0
      const slow = candidate.line
      candidate.line = line
      slow?.close()
      line.onClose(() => {
        if (candidate.line !== line) return
        candidate.line = undefined
        if (!this.stop.signal.aborted) this.options.onLost(endpoint)
      })
      return line
    } catch (error) {
      if (!this.stop.signal.aborted) this.failed(candidate, error)
      throw error
    } finally {
      this.dials--
      candidate.dialling = undefined
    }
  }

  private failed(candidate: Candidate, error: unknown): void {
    const { onSnapshot, onDialFailed, random } = this.options
    const failure = failureOf(error, candidate.endpoint)
    const isUnreachable = failure.kind === 'dial-failed'
    candidate.failures++
    // Refused for its identity, its login or its cluster: trying often changes nothing and may lock an account.
    const pace = failure.kind === 'login-refused' ? loginPace : dialPace
    const isPaced = isUnreachable || pace === loginPace
    const waitMs = isPaced ? backoffMs(candidate.failures, pace, random()) : dialPace.capMs
    candidate.nextDialAt = Math.max(candidate.nextDialAt, performance.now() + waitMs)
    // What it said of its cluster before the dial turned it down.
    if (error instanceof ConnectionError && error.snapshot) onSnapshot(error.snapshot)
    onDialFailed(candidate.endpoint, failure, candidate.failures)
  }

  private drop(candidate: Candidate, line: Line): void {
    if (candidate.line !== line) return
    candidate.line = undefined
    line.close()
  }
}

/** The failure inside whatever was thrown. */
export function failureOf(error: unknown, endpoint: Endpoint): Failure {
  if (error instanceof ConnectionError) return error.failure
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'dial-failed', message, endpoint: formatEndpoint(endpoint) }
}

const notNow = (endpoint: Endpoint): ConnectionError =>
  new ConnectionError({
    kind: 'dial-failed',
    message: `${formatEndpoint(endpoint)} is not dialled now: it was a moment ago`,
    code: 'TOO_SOON',
    endpoint: formatEndpoint(endpoint),
  })

function withDeadline<Value>(work: Promise<Value>, deadlineMs: number, at: Endpoint): Promise<Value> {
  return new Promise((resolve, reject) => {
    const endpoint = formatEndpoint(at)
    const message = `${endpoint} did not answer within ${deadlineMs} ms`
    const failure: Failure = { kind: 'dial-failed', message, code: 'ETIMEDOUT', endpoint }
    const timer = setTimeout(() => reject(new ConnectionError(failure)), deadlineMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
