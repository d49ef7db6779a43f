/** The consumer: the lifecycle machine with its actors, and everything it shows, which is a projection of facts. */

import { filter } from 'rxjs'
import { createActor, fromEventObservable } from 'xstate'
import { acquireCluster, type Cluster } from '../actors/cluster/cluster.ts'
import { createSource } from '../actors/cluster/source.ts'
import { createDial } from '../actors/connection/dial.ts'
import { reported } from '../actors/connection/dial-report.ts'
import type { CommitOffset } from '../actors/delivery/batch-payload.ts'
import { Dispatcher, type TopicPartitions } from '../actors/delivery/dispatcher.ts'
import { acquireProgress, type GroupProgress } from '../actors/delivery/progress.ts'
import { actorsOf } from '../actors/session/actors.ts'
import { RebalanceCallbacks } from '../actors/session/rebalance-callback.ts'
import { Session } from '../actors/session/session.ts'
import { Supervisor } from '../actors/session/supervisor.ts'
import { watchEventLoop } from '../actors/time/event-loop.ts'
import type { Fact } from '../machines/fact.ts'
import type { Failure } from '../machines/failure.ts'
import { lifecycleMachine } from '../machines/lifecycle.ts'
import { machineVersion } from '../machines/machine-version.ts'
import { recorded } from '../machines/recorded.ts'
import type { TopicPartition } from '../machines/topic-partition.ts'
import { checkPartitions, checkPosition, refuseKafkaJsCalls } from './calls.ts'
import type { Consumer } from './consumer.ts'
import { errorFrom, failureFrom, type RelistenError } from './error.ts'
import { factChannel } from './fact-channel.ts'
import { createInbox } from './inbox.ts'
import { handOver } from './inspector/hand-over.ts'
import type { AnyRecord, Journal, RecordOf } from './journal/journal.ts'
import { createRecorder } from './journal/recorder.ts'
import { type Recovery, recovery } from './journal/recovery.ts'
import { Listeners } from './listeners.ts'
import { commit } from './named-offset.ts'
import type { ConsumerOptions } from './options/consumer-options.ts'
import { type ResolvedOptions, resolveOptions } from './options/options.ts'
import { openSettings } from './options/security.ts'
import { clusterKey, marksKey } from './options/sharing.ts'
import { gaveUp, Outcome, type StartOptions, tooLate } from './outcome.ts'
import { printable } from './printable.ts'
import { brokerStatuses } from './views/broker-status.ts'
import { createDefaultLogger } from './views/default-logger.ts'
import { isWatching, safeInspector } from './views/inspector.ts'
import { factTypes, logFacts } from './views/log.ts'
import { type PartitionStatus, partitionStatuses } from './views/partition-status.ts'
import { emptyStatus, reduceStatus, type Status, viewStatus } from './views/status.ts'

/** Makes a consumer. Throws a RelistenError with code `invalid-option` for options that can't be right. Nothing is connected before `start()`. */
export function createConsumer(options: ConsumerOptions): Consumer {
  const resolved = resolveOptions(options)
  const { kafka } = options
  return new LifecycleConsumer(resolved, clusterKey({ ...resolved, kafka }))
}

/** The types of facts on which the lifecycle acts in some state: no other goes through its mailbox. */
const acting: ReadonlySet<string> = new Set(lifecycleMachine.events)

class LifecycleConsumer implements Consumer {
  readonly groupId: string
  private readonly options: ResolvedOptions
  private readonly key: string
  private readonly earlier: Recovery
  private readonly recorder: ReturnType<typeof createRecorder>
  private readonly dispatcher: Dispatcher
  private readonly progress: GroupProgress
  private readonly listeners: Listeners
  private fold = emptyStatus
  private supervisor: Supervisor | undefined
  private cluster: Cluster | undefined
  private send: (fact: Fact) => void = () => {}
  private readonly outcome = new Outcome()
  private begun = false
  private stopping = false
  private release = () => this.recorder.close()

  constructor(options: ResolvedOptions, key: string) {
    this.options = options
    this.groupId = options.groupId
    this.key = key
    const { groupId, journal, onJournalError, logger } = options
    this.earlier = recovery(journal)
    this.recorder = createRecorder({ consumer: groupId, journal, onJournalError, machineVersion })
    this.recorder.onFact((record, error) => {
      this.fold = reduceStatus(this.fold, record, error)
    })
    const log = logger === false ? undefined : (logger ?? createDefaultLogger())
    if (log) this.recorder.onFact(logFacts(log))
    this.listeners = new Listeners(factTypes, (fact, message) => {
      log?.error({ consumer: groupId, fact, message }, `A listener of ${fact} threw: ${printable(message)}`)
    })
    this.recorder.onFact((found) => {
      const record = found as AnyRecord
      this.listeners.tell(record)
      if (factChannel.hasSubscribers) factChannel.publish({ consumer: this, record })
    })
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
    handOver(options.inspect, { consumer: this, brokers: () => brokerStatuses(this.cluster) })
  }

  get journal(): Journal {
    return this.recorder.journal
  }

  get ended(): Promise<void> {
    return this.outcome.ended
  }

  start(options: StartOptions = {}): Promise<'joined' | 'stopped'> {
    const { outcome } = this
    const late = (ms: number) => this.requestStop(tooLate(ms, this.status().reason, this.fold.hindrance))
    outcome.limit(options, () => this.requestStop(), late)
    if (!this.begun && !this.stopping) {
      this.begun = true
      this.begin().catch((error) => this.finish(errorFrom(failureFrom(error, 'bug'))))
    }
    return outcome.started
  }

  stop(): Promise<void> {
    this.requestStop()
    return this.outcome.closed
  }

  async commit(offsets?: readonly CommitOffset[]): Promise<void> {
    await commit(this.supervisor?.committing?.commits, this.dispatcher, offsets)
  }

  pause(partitions: readonly TopicPartitions[]): void {
    checkPartitions('pause', partitions)
    for (const each of partitions) this.dispatcher.pause(each)
  }

  resume(partitions: readonly TopicPartitions[]): void {
    checkPartitions('resume', partitions)
    for (const each of partitions) this.dispatcher.resume(each)
  }

  seek(position: TopicPartition & { readonly offset: string }): void {
    checkPosition('seek', position, "write `consumer.seek({ topic: 'orders', partition: 0, offset: '42' })`.")
    this.dispatcher.seek(position, BigInt(position.offset))
  }

  status(): Status {
    return {
      ...viewStatus(this.fold, Date.now(), this.dispatcher.traffic, this.options.unreadyWhenDegraded),
      paused: this.dispatcher.paused(),
    }
  }

  partitions(): PartitionStatus[] {
    return partitionStatuses(this.dispatcher.assigned(), this.supervisor?.committing?.ends)
  }

  on(type: string, listener: (record: never) => void): () => void {
    return this.listeners.on(type, listener as (record: AnyRecord) => void)
  }

  events(): AsyncIterableIterator<AnyRecord> {
    return this.listeners.queue()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  private requestStop(failure?: Failure): void {
    if (this.stopping) return
    this.stopping = true
    this.send({ type: 'stop.requested', ...(failure ? { failure } : {}) })
    if (!this.supervisor) this.finish(failure && errorFrom(failure))
  }

  private async begin(): Promise<void> {
    const { options } = this
    const { security, clientId } = await openSettings(options.kafka)
    if (this.stopping) return this.finish()
    const emit = (fact: Fact) => this.send(fact)
    const clusterId = () => options.clusterId ?? this.cluster?.clusterId
    const dial = reported(createDial({ ...options, security, clusterId }))
    const cluster = acquireCluster({
      ...{ ...options, dial, key: this.key, remembered: this.earlier.cluster },
      brokers: createSource(options.brokers),
    })
    this.cluster = cluster
    const { dispatcher } = this
    const { append } = this.recorder
    const seen = this.progress.topics
    const inspect = options.inspect && !isWatching(options.inspect) ? safeInspector(options.inspect) : undefined
    const callbacks = new RebalanceCallbacks({ ...options, emit })
    const shared = { ...options, cluster, dispatcher, emit, members: () => actor.getSnapshot().context.members }
    const supervisor = new Supervisor({
      ...shared,
      createSession: (epoch) =>
        new Session({
          ...{ ...shared, epoch, clientId: clientId(), dial, append, inspect, callbacks, seen },
          emit: (fact) => emit(supervisor.judge(fact)),
        }),
    })
    this.supervisor = supervisor
    const clusterFacts = fromEventObservable<Fact, undefined>(() =>
      cluster.facts$.pipe(filter(({ type }) => acting.has(type))),
    )
    const actors = { ...actorsOf(supervisor), clusterFacts }
    const machine = recorded(lifecycleMachine.provide({ actors }), append)
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
      if (data.decision === 'stop') this.requestStop(gaveUp(data, this.fold.lastFailure))
    })
    this.release = () => {
      unwatch()
      cluster.release()
      this.recorder.close()
    }
    actor.subscribe({
      next: ({ value, status, output }) => {
        if (value === 'consuming') this.outcome.joined()
        if (status === 'done') this.finish(output?.failure ? errorFrom(output.failure) : undefined)
      },
      error: (error) => {
        actor.stop()
        supervisor.abandon()
        this.finish(errorFrom(failureFrom(error, 'bug')))
      },
    })
    actor.start()
    // Its first step could not be recorded.
    if (this.outcome.isOver) return
    emit({ type: 'start.requested' })
  }

  /** Lets go of everything it holds. `error`: what ended it, where nobody asked for that. */
  private finish(error?: RelistenError): void {
    if (this.outcome.isOver) return
    this.stopping = true
    // Nothing was recorded: the machine was not there yet.
    if (this.fold.state === 'idle') this.fold = { ...this.fold, state: error ? 'failed' : 'stopped', since: Date.now() }
    this.release()
    this.progress.release()
    this.listeners.end()
    this.outcome.settle(error)
  }
}

refuseKafkaJsCalls(LifecycleConsumer.prototype)
