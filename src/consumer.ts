/** The façade: a consumer that follows its brokers. Everything it shows is a projection of facts. */

import { filter } from 'rxjs'
import { createActor, fromEventObservable } from 'xstate'
import { acquireCluster, type Cluster } from '../actors/cluster/cluster.ts'
import { createSource } from '../actors/cluster/source.ts'
import { createDial, type Dial } from '../actors/connection/dial.ts'
import type { CommitOffset } from '../actors/delivery/batch-payload.ts'
import { Dispatcher, type TopicPartitions } from '../actors/delivery/dispatcher.ts'
import { acquireProgress, type GroupProgress } from '../actors/delivery/progress.ts'
import { goneRejection } from '../actors/group/commit-rejection.ts'
import { actorsOf } from '../actors/session/actors.ts'
import { RebalanceCallbacks } from '../actors/session/rebalance-callback.ts'
import { Session } from '../actors/session/session.ts'
import { Supervisor } from '../actors/session/supervisor.ts'
import { watchEventLoop } from '../actors/time/event-loop.ts'
import type { Fact, FactType, TopicPartition } from '../machines/fact.ts'
import { lifecycleMachine, machineVersion } from '../machines/lifecycle.ts'
import { recorded } from '../machines/recorded.ts'
import { callError, errorFrom, failureFrom } from './error.ts'
import { createInbox } from './inbox.ts'
import type { FactRecord, Journal, RecordOf } from './journal/journal.ts'
import { createRecorder } from './journal/recorder.ts'
import { type Recovery, recovery } from './journal/recovery.ts'
import { renamed } from './journal/upcast.ts'
import { commitError, namedOffsets } from './named-offset.ts'
import type { ConsumerOptions, KafkaOptions } from './options/consumer-options.ts'
import { type ResolvedOptions, resolveOptions } from './options/options.ts'
import { clusterKey, marksKey } from './options/sharing.ts'
import { EventQueue } from './views/event-queue.ts'
import { safeInspector } from './views/inspector.ts'
import { logFacts } from './views/log.ts'
import { emptyStatus, reduceStatus, type Status, viewStatus } from './views/status.ts'

/** A consumer. All of its promises end by a deadline of the options. */
export interface Consumer extends AsyncDisposable {
  /** Joins the group. Resolves when joined, also with an empty assignment; rejects with a RelistenError when the consumer fails. */
  start(): Promise<void>
  /** Lets handlers settle, commits, leaves the group. The same promise however often it is called; resolves by `stopTimeoutMs`. */
  stop(): Promise<void>
  /**
   * Commits what was handled so far, with `autoCommit: false` too. Resolves when the group knows it, or after 2 s.
   *
   * With offsets: commits those, each the *next* one to read. Resolves when the group knows them all; moves nothing that is read. Rejects with a
   * RelistenError; where that is one of these three, mostly before anything is sent:
   * - `not-assigned` the partition is not this consumer's
   * - `fenced` it was, and has gone since: to another member, or into another generation
   * - `out-of-range` behind what was handed out, or before what this consumer has committed, without a `seek`
   * - the kind of a failure, where the coordinator refuses, or none answers five times in a row, 2 s each
   */
  commit(offsets?: readonly CommitOffset[]): Promise<void>
  /** Hands out nothing of these partitions until `resume`; survives rebuilds and rebalances. A topic without `partitions`: all of it, also what is assigned later. */
  pause(partitions: readonly TopicPartitions[]): void
  resume(partitions: readonly TopicPartitions[]): void
  /** Reads on from this offset (a decimal string), also backwards; survives rebuilds. Takes effect while the partition is assigned. */
  seek(position: TopicPartition & { readonly offset: string }): void
  /** What it is doing and has done; `ready` is what a readiness probe asks for. */
  status(): Status
  /**
   * Calls the listener with each fact of this type, or of all with `*`. Returns what takes the listener away again. Throws a RelistenError
   * with code `invalid-call` for a name that a fact had in an earlier version.
   */
  on<Type extends FactType>(type: Type, listener: (record: RecordOf<Type>) => void): () => void
  on(type: '*', listener: (record: FactRecord) => void): () => void
  /** The facts from now on, until the consumer ends. One that is read too slowly loses the oldest beyond 10,000. */
  events(): AsyncIterableIterator<FactRecord>
  /** Where facts are recorded. */
  readonly journal: Journal
}

/** Makes a consumer. Throws a RelistenError with code `invalid-option` for options that can't be right. Nothing is connected before `start()`. */
export function createConsumer(options: ConsumerOptions): Consumer {
  const resolved = resolveOptions(options)
  const { kafka } = options
  return new LifecycleConsumer(resolved, clusterKey({ ...resolved, kafka }))
}

const settingsWithinMs = 3000
/** The types of facts on which the lifecycle acts in some state: no other goes through its mailbox. */
const acting: ReadonlySet<string> = new Set(lifecycleMachine.events)

class LifecycleConsumer implements Consumer {
  private readonly options: ResolvedOptions
  private readonly key: string
  private readonly earlier: Recovery
  private readonly recorder: ReturnType<typeof createRecorder>
  private readonly dispatcher: Dispatcher
  private readonly progress: GroupProgress
  private readonly listeners = new Map<string, Set<(record: never) => void>>()
  private readonly queues = new Set<EventQueue>()
  private fold = emptyStatus
  private supervisor: Supervisor | undefined
  private cluster: Cluster | undefined
  private send: (fact: Fact) => void = () => {}
  private starting: Promise<void> | undefined
  private end = () => {}
  private readonly ended = new Promise<void>((resolve) => {
    this.end = resolve
  })
  private stopping = false
  private over = false
  private release = () => this.recorder.close()

  constructor(options: ResolvedOptions, key: string) {
    this.options = options
    this.key = key
    const { groupId, journal, onJournalError, logger } = options
    this.earlier = recovery(journal)
    this.recorder = createRecorder({ consumer: groupId, journal, onJournalError, machineVersion })
    this.recorder.onFact((record) => {
      this.fold = reduceStatus(this.fold, record)
    })
    if (logger) this.recorder.onFact(logFacts(logger))
    this.recorder.onFact((record) => this.tell(record as FactRecord))
    this.progress = acquireProgress(marksKey(options))
    for (const [topic, { topicId, partitions }] of Object.entries(this.earlier.topics))
      this.progress.topics.recall(topic, partitions, topicId ?? undefined)
    this.dispatcher = new Dispatcher({
      ...options,
      progress: this.progress,
      concurrency: options.partitionsConsumedConcurrently,
      emit: (fact) => this.send(fact),
      commit: (offsets) => this.commit(offsets),
    })
  }

  get journal(): Journal {
    return this.recorder.journal
  }

  start(): Promise<void> {
    if (this.stopping && !this.starting) return Promise.reject(stopped())
    this.starting ??= this.begin()
    return this.starting
  }

  stop(): Promise<void> {
    if (!this.stopping) this.send({ type: 'stop.requested' })
    this.stopping = true
    if (!this.supervisor) this.finish()
    return this.ended
  }

  async commit(offsets?: readonly CommitOffset[]): Promise<void> {
    const session = this.supervisor?.committing
    if (offsets === undefined) return session?.commits.commitMarks(2000)
    const named = namedOffsets(offsets)
    try {
      const [first] = named
      if (!session && first) throw goneRejection(this.dispatcher, first)
      await session?.commits.commitOffsets(named)
    } catch (error) {
      throw commitError(error)
    }
  }

  pause(partitions: readonly TopicPartitions[]): void {
    for (const each of partitions) this.dispatcher.pause(each)
  }

  resume(partitions: readonly TopicPartitions[]): void {
    for (const each of partitions) this.dispatcher.resume(each)
  }

  seek({ topic, partition, offset }: TopicPartition & { readonly offset: string }): void {
    if (!/^\d+$/.test(offset))
      throw callError(`Expected \`offset\` to be a decimal string, got \`${offset}\``, 'pass an offset of a message')
    this.dispatcher.seek({ topic, partition }, BigInt(offset))
  }

  status(): Status {
    return {
      ...viewStatus(this.fold, Date.now(), this.dispatcher.handler.suppressed),
      paused: this.dispatcher.paused(),
    }
  }

  on(type: string, listener: (record: never) => void): () => void {
    const name = renamed.get(type)
    if (name !== undefined) throw callError(`The fact \`${type}\` is called \`${name}\` now`, `listen to \`${name}\``)
    const set = this.listeners.get(type) ?? new Set()
    this.listeners.set(type, set.add(listener))
    return () => set.delete(listener)
  }

  events(): AsyncIterableIterator<FactRecord> {
    const queue = new EventQueue((ended) => this.queues.delete(ended))
    this.queues.add(queue)
    if (this.over) queue.end()
    return queue
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  private async begin(): Promise<void> {
    const { options } = this
    // What is wrong with these settings is told by the dials, which read them again; here only the name is needed.
    const given = options.kafka().catch((): KafkaOptions => ({}))
    const late = new Promise<KafkaOptions>((resolve) => setTimeout(resolve, settingsWithinMs, {}).unref())
    const { clientId = 'relisten' } = await Promise.race([given, late])
    if (this.stopping) {
      this.finish()
      throw stopped()
    }
    const emit = (fact: Fact) => this.send(fact)
    const dial: Dial = createDial({
      ...options,
      security: options.kafka,
      clusterId: () => options.clusterId ?? this.cluster?.clusterId,
    })
    const cluster = acquireCluster({
      ...options,
      brokers: createSource(options.brokers),
      dial,
      key: this.key,
      remembered: this.earlier.cluster,
    })
    this.cluster = cluster
    const { dispatcher, recorder, progress } = this
    const { append } = recorder
    const inspect = options.inspect ? safeInspector(options.inspect) : undefined
    const callbacks = new RebalanceCallbacks({ ...options, emit })
    const shared = { ...options, cluster, dispatcher, emit, members: () => actor.getSnapshot().context.members }
    const supervisor = new Supervisor({
      ...shared,
      createSession: (epoch) =>
        new Session({ ...shared, ...{ epoch, clientId, dial, append, inspect, callbacks }, seen: progress.topics }),
    })
    this.supervisor = supervisor
    const clusterFacts = fromEventObservable<Fact, undefined>(() =>
      cluster.facts$.pipe(filter(({ type }) => acting.has(type))),
    )
    const actors = { ...actorsOf(supervisor), clusterFacts }
    const machine = recorded(lifecycleMachine.provide({ actors }), this.recorder.append)
    const actor = createActor(machine, {
      id: 'consumer',
      input: { retryBudget: options.retryBudget, members: this.earlier.members },
      ...(inspect ? { inspect } : {}),
    })
    this.send = createInbox({ actor, acting, note: (fact) => this.recorder.note(actor.id, fact) })
    // Before the machine subscribes: a task that a fact starts finds it noticed. The machine answers for a stream that breaks.
    const notice = (fact: Fact): void => {
      supervisor.notice(fact)
      if (!acting.has(fact.type)) emit(fact)
    }
    cluster.facts$.subscribe({ next: notice, error: () => {} })
    const unwatch = watchEventLoop((forMs) => emit({ type: 'event-loop.starved', forMs }))
    this.on('handler.gave-up', ({ data }: RecordOf<'handler.gave-up'>) => {
      if (data.decision === 'stop') void this.stop()
    })
    this.release = () => {
      unwatch()
      cluster.release()
      this.recorder.close()
    }
    const joined = new Promise<void>((resolve, reject) => {
      const finish = (error: unknown) => {
        this.finish()
        reject(error)
      }
      actor.subscribe({
        next: ({ value, status, output }) => {
          if (value === 'consuming') resolve()
          if (status === 'done') finish(output?.failure ? errorFrom(output.failure) : stopped())
        },
        error: (error) => {
          actor.stop()
          supervisor.abandon()
          finish(errorFrom(failureFrom(error, 'bug')))
        },
      })
    })
    actor.start()
    emit({ type: 'start.requested' })
    await joined
  }

  /** Lets go of everything it holds. */
  private finish(): void {
    if (this.over) return
    this.over = true
    this.release()
    this.progress.release()
    for (const queue of this.queues) queue.end()
    this.end()
  }

  private tell(record: FactRecord): void {
    for (const listener of this.listeners.get(record.type) ?? [])
      quietly(listener as (record: FactRecord) => void, record)
    for (const listener of this.listeners.get('*') ?? []) quietly(listener as (record: FactRecord) => void, record)
    for (const queue of this.queues) queue.push(record)
  }
}

/** A listener that throws, or is an async function that does, harms neither the machine nor the other listeners nor the process. */
function quietly(listener: (record: FactRecord) => void, record: FactRecord): void {
  try {
    const answer: unknown = listener(record)
    if (answer instanceof Promise) answer.catch(() => {})
  } catch {}
}

const stopped = () => callError('The consumer was stopped', 'make a new one with createConsumer')
