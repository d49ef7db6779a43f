/** `follow`: KafkaJS's options in, KafkaJS's options out, whose clients stay connected while their brokers move. */

import { filter } from 'rxjs'
import { createActor, fromCallback, fromEventObservable } from 'xstate'
import { bootstrap } from '../../actors/clients/announced-nodes.ts'
import { ClientWires } from '../../actors/clients/client-wires.ts'
import { acquireCluster, type Cluster, type Remembered } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { closedError } from '../../actors/connection/connection.ts'
import { createDial } from '../../actors/connection/dial.ts'
import { reported } from '../../actors/connection/dial-report.ts'
import type { KafkaConfig } from '../../actors/kafkajs/login.ts'
import { deferred } from '../../actors/time/deferred.ts'
import { watchEventLoop } from '../../actors/time/event-loop.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { Fact, FactType } from '../../machines/fact.ts'
import { followingMachine } from '../../machines/following.ts'
import { machineVersion } from '../../machines/machine-version.ts'
import { recorded } from '../../machines/recorded.ts'
import { callError } from '../error.ts'
import { createInbox } from '../inbox.ts'
import type { AnyRecord, Journal, RecordOf } from '../journal/journal.ts'
import { createRecorder } from '../journal/recorder.ts'
import { recovery } from '../journal/recovery.ts'
import { Listeners } from '../listeners.ts'
import { clusterKey } from '../options/sharing.ts'
import { printable } from '../printable.ts'
import { brokerStatuses } from '../views/broker-status.ts'
import { createDefaultLogger } from '../views/default-logger.ts'
import { safeInspector } from '../views/inspector.ts'
import { factTypes, logFacts } from '../views/log.ts'
import {
  type FollowConfig,
  type FollowOptions,
  type ResolvedFollowOptions,
  resolveFollowOptions,
} from './follow-options.ts'
import { emptyFollowStatus, type FollowStatus, reduceFollowStatus } from './follow-status.ts'

/** What clients of KafkaJS are connected to. */
export interface Followed {
  /** What it is doing and has done. JSON throughout. */
  status(): FollowStatus
  /** Calls `listener` with each fact of a type, or with all (`'*'`), once it is recorded. Returns a function that removes the listener. */
  on<Type extends FactType>(type: Type, listener: (record: RecordOf<Type>) => void): () => void
  on(type: '*', listener: (record: AnyRecord) => void): () => void
  /** The facts from now on, until it is closed. */
  events(): AsyncIterableIterator<AnyRecord>
  readonly journal: Journal
  /**
   * Ends every connection of its clients: a `disconnect()` under way ends within a second, and clients that are still used get errors. Waits for requests
   * under way first, at most for `timeoutMs` milliseconds (default 0); the first call decides. Resolves when all is closed; never rejects. Throws
   * `invalid-call` for a `timeoutMs` that is not a whole number from 0 to 2147483647.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/** KafkaJS's options, and what their clients are connected to. */
export type FollowedConfig = Omit<KafkaConfig, 'brokers' | 'ssl' | 'sasl' | 'socketFactory'> &
  Required<Pick<KafkaConfig, 'socketFactory'>> & { readonly brokers: string[]; readonly followed: Followed }

/**
 * Takes what `new Kafka` takes, and returns what to pass to it instead: addresses, TLS and the login are relisten's business from there on, everything
 * else stays KafkaJS's. Any number of `Kafka`s may be made of it. Throws a RelistenError with code `invalid-option` for options that can't be right.
 * Nothing is connected before a client is.
 */
export function follow(config: FollowConfig, options: FollowOptions = {}): FollowedConfig {
  const following = new Following(config, resolveFollowOptions(config, options))
  const { brokers: _brokers, ssl: _ssl, sasl: _sasl, socketFactory: _socketFactory, ...rest } = config
  // A key with `undefined` would override what others set.
  const own = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return {
    ...(own as typeof rest),
    brokers: [formatEndpoint(bootstrap)],
    socketFactory: ({ host, port, onConnect }) => following.wires.open({ host, port }, onConnect).socket,
    followed: following,
  }
}

const acting: ReadonlySet<string> = new Set(followingMachine.events)
const longestMs = 2 ** 31 - 1

class Following implements Followed {
  readonly wires: ClientWires
  private readonly recorder: ReturnType<typeof createRecorder>
  private readonly listeners: Listeners
  private readonly closed = deferred<void>()
  private send: (fact: Fact) => void
  private fold = emptyFollowStatus
  private closeWithinMs: number | undefined
  private isOver = false

  constructor(config: FollowConfig, { resolved, ...limits }: ResolvedFollowOptions) {
    const { journal, onJournalError, logger } = resolved
    const { clientId = 'kafkajs', ssl, sasl, socketFactory } = config
    const earlier = recovery(journal)
    this.recorder = createRecorder({ consumer: clientId, journal, onJournalError, machineVersion })
    this.recorder.onFact((record) => {
      this.fold = reduceFollowStatus(this.fold, record)
    })
    const log = logger === false ? undefined : (logger ?? createDefaultLogger())
    if (log) this.recorder.onFact(logFacts(log))
    this.listeners = new Listeners(factTypes, (fact, message) => {
      log?.error({ consumer: clientId, fact, message }, `A listener of ${fact} threw: ${printable(message)}`)
    })
    this.recorder.onFact((record) => this.listeners.tell(record as AnyRecord))
    const dial = reported(
      createDial({
        ...{ ...resolved, security: resolved.kafka, socketFactory, promised: () => this.wires.promised },
        clusterId: () => resolved.clusterId ?? this.wires.cluster?.clusterId,
      }),
    )
    let remembered = earlier.cluster
    const acquire = (): Cluster => {
      // The journal has failed by this very connection.
      if (this.isOver) throw closedError('What this client follows')
      const key = clusterKey({ ...resolved, kafka: { ssl, sasl }, socketFactory })
      const cluster = acquireCluster({ ...resolved, dial, key, remembered, brokers: createSource(resolved.brokers) })
      const unwatch = watchEventLoop((forMs) => this.send({ type: 'event-loop.starved', forMs }))
      return {
        ...cluster,
        get clusterId() {
          return cluster.clusterId
        },
        get lateMs() {
          return cluster.lateMs
        },
        release: () => {
          remembered = whereTheyAre(cluster) ?? remembered
          unwatch()
          cluster.release()
        },
      }
    }
    const { rebuildTimeoutMs: holdMs } = resolved
    this.wires = new ClientWires({ acquire, dial, clientId, holdMs, ...limits, emit: (fact) => this.send(fact) })
    const inspect = resolved.inspect && safeInspector(resolved.inspect)
    const machine = recorded(followingMachine.provide({ actors: this.actors(holdMs) }), this.recorder.append)
    const actor = createActor(machine, { id: 'following', ...(inspect ? { inspect } : {}) })
    this.send = createInbox({ actor, acting, note: (fact) => this.recorder.note(actor.id, fact) })
    this.wires.facts$.subscribe({
      next: (fact) => {
        if (!acting.has(fact.type)) this.send(fact)
      },
      // The machine answers for a stream that breaks.
      error: () => {},
    })
    actor.subscribe({ complete: () => this.finish(), error: () => this.finish() })
    actor.start()
  }

  get journal(): Journal {
    return this.recorder.journal
  }

  status(): FollowStatus {
    const { wires } = this
    return {
      ...this.fold,
      connections: wires.size,
      waiting: wires.waiting,
      repeated: wires.repeated,
      dropped: wires.dropped,
      brokers: brokerStatuses(wires.cluster),
    }
  }

  on(type: string, listener: (record: never) => void): () => void {
    return this.listeners.on(type, listener as (record: AnyRecord) => void)
  }

  events(): AsyncIterableIterator<AnyRecord> {
    return this.listeners.queue()
  }

  close({ timeoutMs = 0 }: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (!Number.isInteger(timeoutMs) || timeoutMs < 0 || timeoutMs > longestMs) {
      const what = `Expected \`timeoutMs\` to be a whole number from 0 to ${longestMs}, got \`${String(timeoutMs)}\``
      throw callError(what, 'pass milliseconds, or leave it out to close at once.')
    }
    if (this.closeWithinMs === undefined) {
      this.closeWithinMs = timeoutMs
      this.send({ type: 'stop.requested' })
    }
    return this.closed.promise
  }

  private actors(catchUpWithinMs: number) {
    const clusterFacts = fromEventObservable<Fact, undefined>(() =>
      this.wires.facts$.pipe(filter(({ type }) => acting.has(type))),
    )
    const catchUp = fromCallback<Fact>(({ sendBack }) => {
      const ended = new AbortController()
      const since = performance.now()
      void this.wires.caughtUp(catchUpWithinMs, ended.signal).then((isDone) => {
        const tookMs = Math.round(performance.now() - since)
        if (!ended.signal.aborted) sendBack({ type: 'wires.caught-up', tookMs, forced: !isDone })
      })
      return () => ended.abort()
    })
    const close = fromCallback<Fact>(({ sendBack }) => {
      const since = performance.now()
      void this.wires.settled(this.closeWithinMs ?? 0).then((isSettled) => {
        this.wires.close()
        sendBack({ type: 'stop.completed', tookMs: Math.round(performance.now() - since), forced: !isSettled })
      })
    })
    return { clusterFacts, catchUp, close }
  }

  private finish(): void {
    this.isOver = true
    // XState warns of what a machine is told after its end.
    this.send = () => {}
    this.wires.close()
    this.recorder.close()
    this.listeners.end()
    this.closed.resolve()
  }
}

/** Where the nodes were last, for the next time that a client connects. */
function whereTheyAre({ book, clusterId }: Cluster): Remembered | undefined {
  if (clusterId === undefined) return undefined
  const entries = book.entries().filter(({ present }) => present)
  return { clusterId, endpoints: new Map(entries.map(({ nodeId, host, port }) => [nodeId, { host, port }])) }
}
