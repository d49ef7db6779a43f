/**
 * A member of the tortured group, seen from the run: a process of its own with one consumer and its journal in files. It outlives
 * its processes: after a kill the next one goes on from the same journal. The other side is member-main.ts.
 */
import { fileURLToPath } from 'node:url'
import type { AnyRecord } from '../../src/index.ts'
import { type Child, forkChild, runsTypeScript } from '../process/child.ts'
import type { Holdings } from '../process/holdings.ts'
import type { Attempt } from './account.ts'

/** What a consumer is started with. */
export interface MemberTask {
  readonly name: string
  readonly groupId: string
  readonly topic: string
  /** Directory of its journal. */
  readonly journal: string
  /** File of its log. */
  readonly log: string
}

/** What the next message meets: a handler that takes so long, fails its first calls with this text, or ends only by its signal. */
export type Mood =
  | { readonly kind: 'slow'; readonly forMs: number }
  | { readonly kind: 'throws'; readonly times: number; readonly text: string }
  | { readonly kind: 'hangs' }

export type ToMember =
  | ({ kind: 'start' } & MemberTask)
  | { kind: 'stop' }
  | { kind: 'brokers'; question: number; answer?: string[]; error?: string }
  | { kind: 'mood'; mood: Mood }
  | { kind: 'measure' }

export type FromMember =
  | { kind: 'up' }
  | { kind: 'attempt'; attempt: Omit<Attempt, 'member' | 'process'> }
  | { kind: 'told'; record: Pick<AnyRecord, 'at' | 'type' | 'to' | 'data'> }
  | { kind: 'state'; state: string }
  | { kind: 'brokers'; question: number }
  | { kind: 'done'; action: 'start' | 'stop'; error?: string }
  | { kind: 'measured'; holdings: Holdings }

/** What its `brokers` function does: it returns this list, throws an error of this text, or waits until it is asked again. */
export type SourceAnswer = { readonly answer: string[] } | { readonly error: string } | 'hangs'

export interface MemberOptions {
  readonly task: MemberTask
  readonly source: () => SourceAnswer
  readonly note: (attempt: Attempt) => void
  /** Called with a sentence when its process ends and nobody has killed it. */
  readonly violated: (sentence: string) => void
}

export interface Member {
  readonly name: string
  readonly journal: string
  readonly log: string
  /** Id of its process now; undefined before the first. */
  readonly pid: number | undefined
  readonly alive: boolean
  /** The state its consumer was last seen in. */
  readonly state: string
  /** The newest things it told, oldest first, with lives before the kills. */
  readonly told: readonly string[]
  /** Messages it handled so far. */
  readonly handled: number
  /** How many facts of this type it told so far. */
  count(type: string): number
  /** Starts a process if there is none, then a consumer; resolves when that has joined. */
  start(): Promise<void>
  /** Stops the consumer in order; the process stays. */
  stop(): Promise<void>
  /** Ends the process with SIGKILL; resolves when it is gone and everything it told has arrived. */
  kill(): Promise<void>
  mood(mood: Mood): void
  measure(): Promise<Holdings>
  /** Answers what its source was asked and had no answer for. */
  answerAll(): void
}

const TOLD_KEPT = 250
const START_WITHIN_MS = 60_000
const STOP_WITHIN_MS = 25_000

export function createMember({ task, source, note, violated }: MemberOptions): Member {
  const { name, journal, log } = task
  const told: string[] = []
  const counts = new Map<string, number>()
  const waiting = new Set<number>()
  const done = new Map<string, string | undefined>()
  let child: Child<ToMember> | undefined
  let state = 'idle'
  let holdings: Holdings | undefined
  let handled = 0
  let killed = false
  const alive = () => child?.alive === true
  const send = (message: ToMember) => child?.send(message)
  const tell = (line: string) => {
    told.push(line)
    if (told.length > TOLD_KEPT) told.shift()
  }

  const answer = (question: number) => {
    const given = source()
    if (given === 'hangs') waiting.add(question)
    else send({ kind: 'brokers', question, ...given })
  }
  const hear = (process: string, message: FromMember) => {
    if (message.kind === 'attempt') handled += Number(!message.attempt.threw)
    if (message.kind === 'attempt') note({ ...message.attempt, member: name, process })
    if (message.kind === 'brokers') answer(message.question)
    if (message.kind === 'state') state = message.state
    if (message.kind === 'done') done.set(message.action, message.error)
    if (message.kind === 'measured') holdings = message.holdings
    if (message.kind === 'told') {
      const { at, type, to, data } = message.record
      counts.set(type, (counts.get(type) ?? 0) + 1)
      tell(`${at} ${name} ${type} (${to}) ${JSON.stringify(data)}`)
    }
  }
  const begin = async () => {
    waiting.clear()
    killed = false
    const started = forkChild<ToMember, FromMember>({
      what: name,
      main: fileURLToPath(new URL('./member-main.ts', import.meta.url)),
      execArgv: ['--expose-gc', ...runsTypeScript],
      // a group of its own: Ctrl-C reaches the run, and the run ends its members
      detached: true,
      hear: (message, { pid }) => hear(String(pid), message),
    })
    child = started
    void started.gone.then(() => {
      if (!killed) violated(`the process of ${name} ended by itself with ${started.ending}; what it said last is above`)
    })
    await started.up
    tell(`${Date.now()} ${name} has a new process ${started.pid}`)
  }
  const finished = async (action: 'start' | 'stop', deadlineMs: number) => {
    await child?.until(() => (done.has(action) ? undefined : `the ${action} of ${name}, which is ${state}`), deadlineMs)
    const error = done.get(action)
    if (error !== undefined) throw new Error(`The ${action} of ${name} failed: ${error}`)
  }

  return {
    name,
    journal,
    log,
    get pid() {
      return child?.pid
    },
    get alive() {
      return alive()
    },
    get state() {
      return alive() ? state : 'dead'
    },
    told,
    get handled() {
      return handled
    },
    count: (type) => counts.get(type) ?? 0,
    async start() {
      if (!alive()) await begin()
      done.delete('start')
      send({ kind: 'start', ...task })
      await finished('start', START_WITHIN_MS)
    },
    async stop() {
      if (!alive()) return
      done.delete('stop')
      send({ kind: 'stop' })
      await finished('stop', STOP_WITHIN_MS)
    },
    async kill() {
      killed = true
      await child?.kill()
      state = 'dead'
      tell(`${Date.now()} ${name} is gone, process ${child?.pid}`)
    },
    mood: (mood) => send({ kind: 'mood', mood }),
    async measure() {
      holdings = undefined
      send({ kind: 'measure' })
      await child?.until(() => (holdings === undefined ? `what ${name} holds` : undefined))
      return holdings as unknown as Holdings
    },
    answerAll() {
      const questions = [...waiting]
      waiting.clear()
      for (const question of questions) answer(question)
    },
  }
}
