/** A balancer: the machine of its rounds with their actors, and what it shows. */

import { createActor } from 'xstate'
import { deferred } from '../../actors/time/deferred.ts'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import type { Decision } from '../../machines/balancer/decision.ts'
import { nothingUnfinished, reduceUnfinished } from '../../machines/balancer/unfinished.ts'
import type { Fact, FactType } from '../../machines/fact.ts'
import { machineVersion } from '../../machines/machine-version.ts'
import { recorded } from '../../machines/recorded.ts'
import { createInbox } from '../inbox.ts'
import { handOver } from '../inspector/hand-over.ts'
import type { AnyRecord, Journal, RecordOf } from '../journal/journal.ts'
import { createRecorder } from '../journal/recorder.ts'
import { Listeners } from '../listeners.ts'
import { printable } from '../printable.ts'
import { factTypes, logFacts } from '../views/log.ts'
import { balancerFactChannel } from './balancer-channel.ts'
import { type BalancerOptions, type BalancerParts, resolveBalancerOptions } from './balancer-options.ts'
import { type BalancerStatus, emptyBalancerStatus, reduceBalancerStatus } from './balancer-status.ts'
import { Decisions } from './decisions.ts'
import { Rounds } from './rounds.ts'

/** Looks at a cluster round by round, says what would bring it into balance, and in the mode `execute` does it. */
export interface Balancer {
  /** Begins; does nothing the second time, or after `stop()`. */
  start(): void
  /** No round begins from now on; one whose plan is not yet carried out is dropped. */
  pause(): void
  resume(): void
  /**
   * Ends it: resolves when nothing of it is at work any more, and throttles are as they were; never rejects. Moves that are under way are cancelled, or
   * awaited with `execution.onStop: 'finish'`, for at most `finishMs` and `cancelMs`.
   */
  stop(): Promise<void>
  /** What it is doing and has done. JSON throughout. */
  status(): BalancerStatus
  /** The newest decisions, at most 100, those of an earlier life in its journal among them; from the oldest to the newest. */
  decisions(): readonly Decision[]
  /** Calls `listener` with each fact of a type, or with all (`'*'`), once it is recorded. Returns a function that removes the listener. */
  on<Type extends FactType>(type: Type, listener: (record: RecordOf<Type>) => void): () => void
  on(type: '*', listener: (record: AnyRecord) => void): () => void
  /** The facts from now on, until it is stopped. */
  events(): AsyncIterableIterator<AnyRecord>
  readonly journal: Journal
}

const decisionsKept = 100
const acting: ReadonlySet<string> = new Set(balancingMachine.events)

/** Throws a RelistenError with code `invalid-option` for options that can't be right. Nothing is read before it is started. */
export function balancerOn(parts: BalancerParts, options: BalancerOptions = {}): Balancer {
  const resolved = resolveBalancerOptions(options)
  const { clientId, journal, onJournalError, logger } = resolved
  const decisions = new Decisions(decisionsKept)
  const rounds = new Rounds(parts, resolved)
  let unfinished = nothingUnfinished
  for (const record of journal.read()) {
    decisions.note(record)
    rounds.note(record)
    unfinished = reduceUnfinished(unfinished, record)
  }
  const recorder = createRecorder({ consumer: clientId, journal, onJournalError, machineVersion })
  let status = emptyBalancerStatus
  recorder.onFact((record) => {
    status = reduceBalancerStatus(status, record)
    decisions.note(record)
    rounds.note(record)
  })
  if (logger) recorder.onFact(logFacts(logger))
  const listeners = new Listeners(factTypes, (fact, message) => {
    if (logger)
      logger.error({ consumer: clientId, fact, message }, `A listener of ${fact} threw: ${printable(message)}`)
  })
  recorder.onFact((record) => listeners.tell(record as AnyRecord))
  const statusNow = (): BalancerStatus => ({
    ...status,
    newestSampleAt: parts.load.newestAt(),
    execution: parts.execution?.progress() ?? null,
  })
  recorder.onFact((record) => {
    if (balancerFactChannel.hasSubscribers)
      balancerFactChannel.publish({ name: clientId, record: record as AnyRecord, status: statusNow })
  })

  const stopped = deferred<void>()
  const machine = balancingMachine.provide({ actors: rounds.actors((fact) => send(fact), unfinished) })
  const actor = createActor(recorded(machine, recorder.append), {
    id: balancingMachine.id,
    input: { mode: parts.execution ? 'execute' : 'dry-run', round: decisions.newestRound },
  })
  let send: (fact: Fact) => void = createInbox({ actor, acting, note: (fact) => recorder.note(actor.id, fact) })
  const finish = () => {
    // XState warns of what a machine is sent after its end.
    send = () => {}
    recorder.close()
    listeners.end()
    stopped.resolve()
  }
  const fail = () => {
    // The machine ends without its last state: by a journal that takes no record.
    send = () => {}
    void rounds.release().then(finish)
  }
  actor.subscribe({ complete: finish, error: fail })
  const on = (type: string, listener: (record: never) => void) =>
    listeners.on(type, listener as (record: AnyRecord) => void)
  handOver(options.inspect, { balancer: { name: clientId, status: statusNow, on, ended: stopped.promise } })
  let state: 'new' | 'started' | 'ended' = 'new'

  return {
    start() {
      if (state !== 'new') return
      state = 'started'
      actor.start()
    },
    pause: () => send({ type: 'balancer.paused' }),
    resume: () => send({ type: 'balancer.resumed' }),
    stop() {
      if (state === 'new') finish()
      if (state === 'started') send({ type: 'stop.requested' })
      state = 'ended'
      return stopped.promise
    },
    status: statusNow,
    decisions: () => decisions.all(),
    on,
    events: () => listeners.queue(),
    get journal() {
      return recorder.journal
    },
  }
}
