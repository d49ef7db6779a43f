/** Candidates: the endpoints that can be asked about the cluster, with the few logged-in connections kept to them and the pace of dialling. */

import type { Endpoint } from '../../machines/endpoint.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { ConnectionError, type HeldConnection } from '../connection/connection.ts'
import { fromDial } from '../connection/dial-failure.ts'
import type { DialPace } from '../connection/dial-pace.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { onSilence, type SilenceOptions } from '../connection/silence.ts'
import { type SpokenVersions, speaks } from '../protocol/versions.ts'
import { steadyNow } from '../time/steady-clock.ts'

/** Opens a line; every `Dial` does. */
export type OpenConnection = (
  endpoint: Endpoint,
  options?: {
    readonly signal?: AbortSignal | undefined
    readonly logins?: DialPace
    readonly onHeard?: () => void
  },
) => Promise<HeldConnection>

export interface CandidatesOptions {
  readonly dial: OpenConnection
  /** When an endpoint may be dialled, and its outcome. */
  readonly pace: DialPace
  /** Judges an answer: undefined when it can be used. For a foreign cluster the connection is closed and dialled again slowly. */
  readonly onSnapshot: (snapshot: Snapshot) => Failure | undefined
  /** A fresh dial failed; `times` in a row. */
  readonly onDialFailed: (endpoint: Endpoint, failure: Failure, times: number) => void
  /** A kept connection did not answer by its deadline. */
  readonly onSilent: (endpoint: Endpoint) => void
  /** A kept connection ended by itself. */
  readonly onLost: (endpoint: Endpoint) => void
}

interface Candidate {
  readonly endpoint: Endpoint
  line: HeldConnection | undefined
  dialling: Promise<HeldConnection> | undefined
  /** When its dial came a step further, on the clock of `performance.now()`. */
  heardAt: number
  /** Somebody takes over the line that is being dialled. */
  promised: boolean
  /** What was wrong with the answer that came with the dial. */
  flaw: Failure | undefined
  /** Kept connections in a row that ended as soon as they were made. */
  readonly ends: Streak
  /** What it said it speaks when it was last dialled. */
  versions: SpokenVersions | undefined
}

/** A kept connection that is silent for so long when it is asked is dropped; where it is far, half as long again as a late answer takes. */
const answerTimeoutMs = 500

/** Silent for so long, or until an answer is late where that is more, it is dialled anew beside; both in milliseconds. */
const doubtAfterMs = 150

/** A line may be taken over so long after it was dialled: later it would have to prove again that it lives. */
const freshMs = 1000

/** However many bytes come, an answer has come by then, in milliseconds. */
const longestAnswerMs = 30_000

const maxDials = 8
const maxLines = 4

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
  async connect(endpoint: Endpoint): Promise<HeldConnection> {
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
  async take(endpoint: Endpoint): Promise<HeldConnection | undefined> {
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

  /** Whether all brokers that were dialled speak this version of a request; false while none was. */
  speaks(apiKey: number, version: number): boolean {
    const told = [...this.known.values()].flatMap(({ versions }) => versions ?? [])
    return told.length > 0 && told.every((versions) => speaks(versions, apiKey, version))
  }

  /** An answer that is given at once is late after so many milliseconds, where the kept connections are farthest; 0 without any. */
  get lateMs(): number {
    const lines = [...this.known.values()].map(({ line }) => (line?.open ? line.roundTrip.lateMs : 0))
    return Math.max(0, ...lines)
  }

  /** When a byte last came from any of these, over the kept connection or in a dial, on the clock of `performance.now()`. */
  heardAt(endpoints: readonly Endpoint[]): number {
    const heard = endpoints.map((endpoint) => {
      const candidate = this.known.get(formatEndpoint(endpoint))
      return Math.max(candidate?.heardAt ?? 0, candidate?.line?.lastDataAt ?? 0)
    })
    // A broker that throttles us speaks again at the end of its time. Until then others may have more of it.
    return Math.min(performance.now(), Math.max(0, ...heard))
  }

  isOpen(endpoint: Endpoint): boolean {
    return this.known.get(formatEndpoint(endpoint))?.line?.open === true
  }

  /** Whether asking it now leads to anything: it is connected, being dialled, or may be dialled. */
  isDue(endpoint: Endpoint): boolean {
    const candidate = this.known.get(formatEndpoint(endpoint))
    if (!candidate || candidate.line?.open || candidate.dialling) return true
    return this.isFree(candidate)
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
      if (!isWanted && !candidate.dialling && candidate.ends.isOver) this.known.delete(name)
    }
    this.options.pace.keep(wanted)
  }

  /** The endpoint is named anew, or leads elsewhere: it may be dialled at once. */
  renew(endpoint: Endpoint): void {
    this.options.pace.renew(endpoint)
    this.known.get(formatEndpoint(endpoint))?.ends.succeeded()
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
      heardAt: 0,
      promised: false,
      flaw: undefined,
      ends: new Streak(),
      versions: undefined,
    }
    this.known.set(name, candidate)
    return candidate
  }

  private isFree({ endpoint, ends }: Candidate): boolean {
    return ends.waitMs === 0 && this.options.pace.isFree(endpoint)
  }

  private mayDial(candidate: Candidate): boolean {
    return !candidate.dialling && this.isFree(candidate) && this.dials < maxDials && !this.stop.signal.aborted
  }

  /** Asks over the kept connection; when that is slow, a fresh dial runs beside it, and the first answer counts. */
  private askAgain(candidate: Candidate, line: HeldConnection): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      const dialled = () => candidate.dialling?.then(({ snapshot }) => resolve(snapshot), reject)
      const askedAt = performance.now()
      const heardAt = () => Math.max(askedAt, line.lastDataAt)
      const { lateMs } = line.roundTrip
      const doubted = onSilence({ forMs: Math.max(doubtAfterMs, lateMs), heardAt }, () => {
        if (!this.mayDial(candidate)) return
        candidate.dialling = this.dial(candidate)
        candidate.dialling.then(
          ({ snapshot }) => resolve(snapshot),
          () => {},
        )
      })
      const silence = { forMs: Math.max(answerTimeoutMs, 1.5 * lateMs), heardAt, atMostMs: longestAnswerMs }
      withDeadline(line.metadata(), silence, candidate.endpoint)
        .finally(doubted)
        .then(
          (snapshot) => {
            const flaw = this.options.onSnapshot(snapshot)
            if (flaw?.kind === 'foreign-cluster') {
              this.drop(candidate, line)
              this.options.pace.failed(candidate.endpoint, new ConnectionError(flaw))
            }
            if (flaw) reject(new ConnectionError(flaw, snapshot))
            else resolve(snapshot)
          },
          (error) => {
            this.drop(candidate, line)
            if (fromDial(error, candidate.endpoint).code === 'ETIMEDOUT') this.options.onSilent(candidate.endpoint)
            if (!dialled()) reject(error)
          },
        )
    })
  }

  private async dial(candidate: Candidate): Promise<HeldConnection> {
    const { endpoint } = candidate
    const { pace } = this.options
    this.dials++
    try {
      const line = await pace.run(endpoint, { urgent: true, signal: this.stop.signal }, () => this.open(candidate))
      const openedAt = performance.now()
      candidate.versions = line.versions
      const slow = candidate.line
      candidate.line = line
      slow?.close()
      line.onClose(() => {
        if (candidate.line !== line) return
        candidate.line = undefined
        if (performance.now() - openedAt < freshMs) candidate.ends.failed(bounds.dial)
        else candidate.ends.succeeded()
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

  private async open(candidate: Candidate): Promise<HeldConnection> {
    const { signal } = this.stop
    const { dial, pace, onSnapshot } = this.options
    const onHeard = () => {
      candidate.heardAt = performance.now()
    }
    const line = await dial(candidate.endpoint, { signal, logins: pace, onHeard })
    if (!signal.aborted) candidate.flaw = onSnapshot(line.snapshot)
    const isForeign = candidate.flaw?.kind === 'foreign-cluster'
    if (!signal.aborted && !isForeign) return line
    line.close()
    throw candidate.flaw && isForeign ? new ConnectionError(candidate.flaw) : notNow(candidate.endpoint)
  }

  private failed({ endpoint }: Candidate, error: unknown): void {
    const { onSnapshot, onDialFailed, pace } = this.options
    const failure = fromDial(error, endpoint)
    if (failure.code === 'TOO_SOON') return
    // What it said of its cluster before the dial turned it down.
    if (error instanceof ConnectionError && error.snapshot) onSnapshot(error.snapshot)
    onDialFailed(endpoint, failure, pace.failuresAt(endpoint))
  }

  private drop(candidate: Candidate, line: HeldConnection): void {
    if (candidate.line !== line) return
    candidate.line = undefined
    line.close()
  }
}

const notNow = (endpoint: Endpoint): ConnectionError =>
  new ConnectionError({
    kind: 'dial-failed',
    message: `${formatEndpoint(endpoint)} is not dialled now: it was a moment ago`,
    code: 'TOO_SOON',
    endpoint: formatEndpoint(endpoint),
  })

function withDeadline<Value>(work: Promise<Value>, silence: SilenceOptions, at: Endpoint): Promise<Value> {
  return new Promise((resolve, reject) => {
    const endpoint = formatEndpoint(at)
    const message = `${endpoint} did not answer within ${Math.round(silence.forMs)} ms`
    const failure: Failure = { kind: 'dial-failed', message, code: 'ETIMEDOUT', endpoint }
    const end = onSilence(silence, () => reject(new ConnectionError(failure)))
    work.then(resolve, reject).finally(end)
  })
}
