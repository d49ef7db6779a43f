/** A fact: what happened, in our own words. The closed list of everything that reaches the lifecycle machine and the journal. */

import type { Failure } from './failure.ts'
import type { PartitionsByTopic, TopicPartition } from './topic-partition.ts'

/** How a hand-over is done: the wires get new sockets, or a new session with the next epoch takes over. */
export interface Plan {
  readonly kind: 'in-place' | 'replacement'
  /** Why: `moved`, `resolved-anew`, or the kind of failure that made it necessary. */
  readonly reason: string
}

/** A broker that is now found elsewhere; endpoints as `host:port`. */
export interface Move {
  readonly nodeId: number
  readonly from: string
  readonly to: string
}

/** A step of a plan: another replica leads, or one goes from one broker to another. */
interface StepData {
  readonly round: number
  readonly kind: 'leader' | 'replica'
  readonly from: number
  readonly to: number
  readonly bytes: number
}
type StepResult = 'done' | 'cancelled' | 'failed'

/** What throttles replication: a setting of a broker or a topic. The broker '' stands for all brokers. */
interface ThrottleData {
  readonly on: 'broker' | 'topic'
  readonly name: string
  readonly config: string
}

type EndReason =
  | ('stopped' | 'restarted' | 'held' | 'unreachable' | 'unthrottled')
  | ('broker-lost' | 'rack-lost' | 'under-replicated')

/**
 * What each fact says beside its type, and when it is recorded: docs/facts.md is made from these texts. Durations in milliseconds, offsets as decimal
 * strings, no secrets.
 */
export interface FactData {
  // What the user asked for.
  /** `start()` was called. */
  'start.requested': object
  /** `stop()` was called, or it has to end: then with the `failure` that makes it. */
  'stop.requested': { readonly failure?: Failure }
  // What the cluster showed.
  /** A broker responds, the first time or again. `brokers`: `host:port` by node id. */
  'cluster.reached': { readonly clusterId: string; readonly brokers: Readonly<Record<number, string>> }
  /** No broker has responded for a second; recorded again when the reason changes. */
  'cluster.unreachable': { readonly failure: Failure; readonly sinceMs: number }
  /** Nodes are at other addresses, and that is confirmed. `resolved-anew`: the same host names lead to other addresses. */
  'cluster.moved': { readonly moves: readonly Move[]; readonly reason: 'moved' | 'resolved-anew' }
  /** Nodes came or went. */
  'cluster.membership-changed': { readonly joined: readonly number[]; readonly left: readonly number[] }
  /** Another cluster responds at an address. */
  'cluster.refused': { readonly expected: string; readonly got: string; readonly endpoint: string }
  /** The source of `brokers` hung, threw or returned what can't be used. */
  'source.failed': { readonly failure: Failure }
  /** It works again. */
  'source.recovered': object
  /** A node's endpoint is refused for its identity or login. */
  'endpoint.refused': { readonly nodeId: number; readonly endpoint: string; readonly failure: Failure }
  /** It is accepted again. */
  'endpoint.healed': { readonly nodeId: number; readonly endpoint: string }
  /** The session has a new connection to a node. `soft`: it was made beside the old one, which still works. */
  'link.reconnected': {
    readonly nodeId: number
    readonly endpoint: string
    readonly tookMs: number
    readonly soft: boolean
  }
  // What clients of KafkaJS on `follow` did.
  /** The first of their connections was opened: brokers are looked for. */
  'wires.opened': object
  /** The last of them was closed: no broker is asked any more. */
  'wires.closed': object
  /** After a move, all connections in use are at the new addresses. `forced`: not all of them in time. */
  'wires.caught-up': { readonly tookMs: number; readonly forced: boolean }
  /** The connection ended before the response to a request came, and whether that took effect can't be known; the client gets an error. */
  'response.lost': { readonly request: string; readonly failure: Failure }
  // What the session and its group membership did.
  /** A KafkaJS consumer was created. `epoch` counts these sessions, from 1. */
  'session.opened': { readonly epoch: number }
  /** It has an assignment, and where to begin in each partition is known. */
  'session.joined': { readonly epoch: number; readonly memberId: string; readonly generation: number }
  /** It could not join, or ended. */
  'session.failed': { readonly epoch: number; readonly failure: Failure }
  /** It makes no progress. */
  'session.stalled': { readonly epoch: number; readonly failure: Failure }
  /** It may no longer reach a broker. */
  'session.fenced': { readonly epoch: number }
  /**
   * A broker named our member. Recorded before it joins under this id: from here on others wait for it until it leaves, and the next process on this journal can
   * evict it.
   */
  'member.named': { readonly epoch: number; readonly memberId: string }
  /** KafkaJS asks to join again by itself, although its member is in the group. */
  'join.requested': { readonly epoch: number }
  /** The group gave an assignment; heartbeats begin. */
  'member.joined': { readonly epoch: number; readonly memberId: string; readonly generation: number }
  /** The coordinator says that it does not know the member. */
  'member.fenced': { readonly epoch: number; readonly generation: number; readonly failure: Failure }
  /** The group refused the member, and waiting does not change it. */
  'member.refused': { readonly epoch: number; readonly failure: Failure }
  /** The member is about to leave. */
  'leave.requested': { readonly epoch: number }
  /** The coordinator no longer knows the member. */
  'member.lost': { readonly epoch: number; readonly memberId: string; readonly failure: Failure }
  /** Another process has joined with the same `groupInstanceId`, and this one ends. */
  'member.superseded': { readonly epoch: number; readonly memberId: string; readonly failure: Failure }
  /** A member of ours has left, this one or an earlier one, or a later one has replaced it. */
  'member.evicted': { readonly epoch: number; readonly memberId: string }
  /** The response to a heartbeat says that the group rebalances. */
  'group.rebalancing': { readonly epoch: number; readonly generation: number }
  /** The assignment of a generation. */
  'partitions.assigned': { readonly epoch: number; readonly generation: number; readonly partitions: PartitionsByTopic }
  /** Handlers have settled before a rebalance. */
  'partitions.revoked': { readonly epoch: number; readonly generation: number; readonly partitions: PartitionsByTopic }
  /** Partitions were lost without being revoked first. */
  'partitions.lost': { readonly epoch: number; readonly generation: number; readonly partitions: PartitionsByTopic }
  /** The group gave us partitions of topics that we did not subscribe to, and nobody reads them: its members subscribe to different ones. */
  'partitions.unread': { readonly epoch: number; readonly topics: readonly string[] }
  // What became of the topics.
  /** A topic is seen for the first time. `topicId` is null from brokers before Kafka 2.8; `partitions`: how many it has. */
  'topic.observed': { readonly topic: string; readonly topicId: string | null; readonly partitions: number }
  /** It has more partitions; the new ones are read from their start. */
  'topic.grown': { readonly topic: string; readonly partitions: number }
  /** It does not exist any more; its partitions wait for it. */
  'topic.missing': { readonly topic: string }
  /** This user may not read it any more; its partitions wait for that right. */
  'topic.denied': { readonly topic: string }
  /** It is there again, or may be read again. `recreated`: it is another topic of the same name, and is read from its start. */
  'topic.found': { readonly topic: string; readonly recreated: boolean }
  /** A regular expression matches other topics now. */
  'subscription.changed': { readonly epoch: number; readonly topics: readonly string[] }
  /** Regular expressions match no topic yet. */
  'subscription.unmatched': { readonly epoch: number; readonly expressions: readonly string[] }
  // What the hand-over did.
  /** What is rebuilt is at a safe point. `forced`: handlers did not settle in time. */
  'drain.completed': { readonly epoch: number; readonly tookMs: number; readonly forced: boolean }
  /** The hand-over is complete: a heartbeat was accepted over the new connections. `gapMs`: for how long nothing was fetched. */
  'rebuild.proven': { readonly epoch: number; readonly tookMs: number; readonly gapMs: number }
  /** No heartbeat was accepted in time; the session is replaced. */
  'rebuild.unproven': { readonly epoch: number; readonly failure: Failure }
  /** The next attempt follows after a wait. */
  'retry.scheduled': { readonly attempt: number; readonly waitMs: number }
  /** The wait is over. */
  'backoff.elapsed': { readonly attempt: number }
  /** It stops permanently, and is closed in an orderly way. A journal that fails is recorded as `journal.failed` only, as nothing can be recorded behind it. */
  'consumer.failed': { readonly failure: Failure }
  /** Everything is closed. `forced`: not all of it ended in time. */
  'stop.completed': { readonly tookMs: number; readonly forced: boolean }
  // What became of offsets, batches and handlers.
  /** A fenced session's progress was committed. */
  'offsets.salvaged': { readonly epoch: number; readonly partitions: number }
  /** A partition without a committed offset begins here. */
  'offset.reset': TopicPartition & { readonly offset: string }
  /**
   * Offsets from `from` up to, not including, `to` are gone without having been handled (none where both are the same); reading goes on at `next`. `trimmed`: the
   * log begins later now; `truncated`: it was cut, as after an unclean election; `recreated`: the topic was deleted and created again.
   */
  'offsets.lost': TopicPartition & {
    readonly from: string
    readonly to: string
    readonly next: string
    readonly reason: 'trimmed' | 'truncated' | 'recreated'
  }
  /** A callback for partitions threw, or took too long. */
  'callback.failed': {
    readonly epoch: number
    readonly callback: 'onPartitionsAssigned' | 'onPartitionsRevoked' | 'onPartitionsLost'
    readonly failure: Failure
  }
  /** A commit got no response or was refused; it is repeated. */
  'commit.failed': { readonly epoch: number; readonly failure: Failure }
  /** A batch came too late to be handed out. */
  'batch.fenced': TopicPartition & { readonly generation: number; readonly offset: string }
  /** A handler ended too late for its result to be committed. */
  'result.fenced': TopicPartition & { readonly generation: number; readonly offset: string }
  /** Somebody else moved the committed offset back. `mark`: up to where this process had handled. */
  'mark.dropped': TopicPartition & { readonly mark: string; readonly committed: string }
  /** A handler threw. */
  'handler.failed': TopicPartition & { readonly offset: string; readonly attempt: number; readonly failure: Failure }
  /** `onHandlerError` has decided. */
  'handler.gave-up': TopicPartition & { readonly offset: string; readonly decision: 'pause' | 'stop' | 'skip' }
  /** `onHandlerError` threw, or returned none of the decisions; it is asked again. */
  'policy.failed': TopicPartition & { readonly offset: string; readonly failure: Failure }
  /** A handler is past `handlerTimeoutMs`. */
  'handler.timed-out': TopicPartition & { readonly offset: string; readonly afterMs: number }
  /**
   * Partitions make no progress; one fact for all that are found at the same moment and have the same cause. `awayMs`: for how long nothing has come, where
   * the leader is out of reach.
   */
  'partition.stalled': { readonly partitions: PartitionsByTopic; readonly reason: string; readonly awayMs?: number }
  /** They go on. */
  'partition.resumed': { readonly partitions: PartitionsByTopic }
  /**
   * A handler has failed for one message 10 times or for 60 s, or a policy has paused the partition; recorded at once and every 10 minutes. `ageMs`: since the
   * message was written; `lag`: messages from it to the end of the log.
   */
  'partition.degraded': TopicPartition & {
    readonly offset: string
    readonly reason: 'retrying' | 'paused'
    readonly attempts: number
    readonly forMs: number
    readonly ageMs: number
    readonly lag: number
  }
  /** It goes on. */
  'partition.recovered': TopicPartition
  // What samplers say beside their samples.
  /** This sampler reads from now on, and what came in the last so many milliseconds before. */
  'sampler.activated': { readonly readBackMs: number }
  /** Another one of the group reads from now on. */
  'sampler.relieved': object
  /** No sample has come for so long; once, until `samples.resumed`. */
  'samples.silenced': { readonly forMs: number }
  /** Samples come again. */
  'samples.resumed': { readonly afterMs: number }
  /** The topic of metrics is not there. */
  'metrics-topic.missing': object
  /** It is there again, or is another of the same name (`recreated`), which is read from its start. */
  'metrics-topic.found': { readonly recreated: boolean }
  /** It has more partitions. */
  'metrics-topic.grown': { readonly partitions: number }
  /** A record was skipped; `head`: its first bytes in hexadecimal. At most five for each reason in a minute; `count` has the others too, since the sampler began. */
  'record.skipped': TopicPartition & {
    readonly offset: string
    readonly reason: string
    readonly head: string
    readonly count: number
  }
  /** A question to a broker, or to any (null), failed; what it would have said is missing from the samples of this round. */
  'question.failed': { readonly question: string; readonly nodeId: number | null; readonly why: string }
  /** What was seen of a log before says nothing of it now: it is another of the same name, or was cut. */
  'delta.voided': TopicPartition & { readonly why: 'recreated' | 'truncated' }
  // What the balancer did.
  /** Figures of the load are new enough to decide on. */
  'samples.fresh': object
  /** Nothing is decided until newer ones come. `since`: when the newest one was taken, in milliseconds since 1970; null where none has come. */
  'samples.stale': { readonly since: number | null; readonly reason: 'no-samples' | 'too-old' }
  /** `pause()` was called: no round begins, and a plan that is not yet carried out is dropped. */
  'balancer.paused': object
  /** `resume()` was called. */
  'balancer.resumed': object
  /** The cluster is read and a plan is made. `round` counts them, over restarts as well where there is a journal. */
  'round.begun': { readonly round: number }
  /** There is something to gain. `steps` and `bytes`: of the plan; `decision`: the plan, what it was made from, and why. */
  'plan.proposed': { readonly round: number; readonly steps: number; readonly bytes: number; readonly decision: object }
  /** The plan is being carried out. */
  'execution.begun': { readonly round: number }
  /** No step of it is under way any more. `moved`, `failed`: steps; `reason`: why it ended before its last step. */
  'execution.ended': {
    readonly round: number
    readonly moved: number
    readonly failed: number
    readonly reason?: EndReason
  }
  /** A step is about to be asked for. `bytes`: to copy. */
  'step.begun': TopicPartition & StepData & { readonly replicas: readonly number[] }
  /** It is over. `bytes`: what was copied; `reason`: why it was not done; null where it was. */
  'step.ended': TopicPartition & StepData & { readonly result: StepResult; readonly reason: string | null }
  /** A throttle of replication is about to be set. `before`: what was set there itself; null where nothing was. */
  'throttle.set': ThrottleData & { readonly before: string | null; readonly value: string }
  /** There is again what was there before; null where nothing was. */
  'throttle.restored': ThrottleData & { readonly value: string | null }
  /** It stays: somebody else has changed it, or its broker does not respond and it is restored later. */
  'throttle.left': ThrottleData & { readonly reason: 'changed' | 'unreachable' }
  /** A throttle was found of which no record says who set it. */
  'throttle.found': ThrottleData & { readonly value: string }
  /**
   * The round is over. `still`: nothing is moved, and `decision` says why; `proposed`: the plan was shown only; `executed`: it was carried out, and the cluster has
   * settled; `failed`: no plan could be made.
   */
  'round.closed': {
    readonly round: number
    readonly result: 'still' | 'proposed' | 'executed' | 'failed'
    readonly decision?: object
    readonly failure?: Failure
  }
  /** The next round may begin. */
  'cooling.ended': { readonly round: number }
  /** The event loop stood still for more than a second; recorded once it moves again. */
  'event-loop.starved': { readonly forMs: number }
  /** A record could not be appended. */
  'journal.failed': { readonly failure: Failure; readonly policy: 'stop-intake' | 'degrade' }
}

export type FactType = keyof FactData

/** A fact as the machine receives it: the type and its data, flat. */
export type Fact = { [Type in FactType]: { readonly type: Type } & FactData[Type] }[FactType]

/** One kind of fact. */
export type FactOf<Type extends FactType> = Extract<Fact, { type: Type }>
