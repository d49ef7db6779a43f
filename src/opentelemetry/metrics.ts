/** The metrics: one table, of which the instruments and docs/metrics.md are made. */

/** A metric. Its attributes are those of OpenTelemetry's conventions, or `relisten.…`. */
export interface Metric {
  readonly name: string
  /** `observed`: read when it is collected. */
  readonly kind: 'counter' | 'histogram' | 'observed counter' | 'observed gauge'
  /** In UCUM, as OpenTelemetry has it: `s`, `By`, `{message}`. */
  readonly unit: string
  readonly description: string
  readonly attributes: readonly string[]
  /** The bounds of a histogram's buckets. */
  readonly buckets?: readonly number[]
}

/** What each measurement of a consumer says: the group. */
const group = ['messaging.system', 'messaging.consumer.group.name'] as const
const topic = [...group, 'messaging.destination.name'] as const
/** What each measurement of a balancer says: its `clientId`. */
const balancer = ['messaging.system', 'messaging.client.id'] as const

/** From a handler of microseconds to one of a minute. */
const workBuckets = [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** From a move that nobody notices to a session that times out. */
const gapBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

const table = {
  // OpenTelemetry's conventions for messaging.
  consumed: {
    ...{ name: 'messaging.client.consumed.messages', kind: 'observed counter', unit: '{message}' },
    description: 'Messages that the handler has handled.',
    attributes: [...topic, 'messaging.operation.name', 'error.type'],
  },
  process: {
    ...{ name: 'messaging.process.duration', kind: 'histogram', unit: 's', buckets: workBuckets },
    description: 'Time the handler took for one batch, or for the part of one that it was given in a row.',
    attributes: [...topic, 'messaging.operation.name', 'error.type'],
  },
  operation: {
    ...{ name: 'messaging.client.operation.duration', kind: 'histogram', unit: 's', buckets: requestBuckets },
    description: 'Time a commit of offsets took.',
    attributes: [...group, 'messaging.operation.name', 'error.type'],
  },
  // The state.
  consumers: {
    ...{ name: 'relisten.consumers', kind: 'observed gauge', unit: '{consumer}' },
    description:
      'Consumers of this process in a state of the lifecycle; 0 for each state that none is in. `failed` counts until another consumer of the group is made.',
    attributes: [...group, 'relisten.state'],
  },
  live: {
    ...{ name: 'relisten.consumers.live', kind: 'observed gauge', unit: '{consumer}' },
    description: 'Consumers that go on by themselves.',
    attributes: group,
  },
  ready: {
    ...{ name: 'relisten.consumers.ready', kind: 'observed gauge', unit: '{consumer}' },
    description: 'Consumers that do their work.',
    attributes: group,
  },
  degraded: {
    ...{ name: 'relisten.consumers.degraded', kind: 'observed gauge', unit: '{consumer}' },
    description:
      'Consumers that do not do all of their work: a partition waits for its handler, or facts are kept in memory only.',
    attributes: group,
  },
  // Moves and what they cost.
  changes: {
    ...{ name: 'relisten.endpoint.changes', kind: 'counter', unit: '{change}' },
    description:
      'Changes of where brokers are, and clusters that are not the right one; `unknown`: no broker responds.',
    attributes: [...group, 'relisten.verdict'],
  },
  restarts: {
    ...{ name: 'relisten.restarts', kind: 'counter', unit: '{restart}' },
    description: 'Hand-overs in place that were completed, and sessions that replaced another.',
    attributes: [...group, 'relisten.kind', 'relisten.cause'],
  },
  handover: {
    ...{ name: 'relisten.handover.duration', kind: 'histogram', unit: 's', buckets: gapBuckets },
    description: 'Time from the move or the loss that began a hand-over to the proof that messages flow again.',
    attributes: [...group, 'relisten.kind', 'relisten.cause'],
  },
  gap: {
    ...{ name: 'relisten.handover.gap', kind: 'histogram', unit: 's', buckets: gapBuckets },
    description: 'Longest time any partition was not fetched during a hand-over.',
    attributes: [...group, 'relisten.kind', 'relisten.cause'],
  },
  drain: {
    ...{ name: 'relisten.drain.duration', kind: 'histogram', unit: 's', buckets: gapBuckets },
    description: 'Time until what is rebuilt was at a safe point; `relisten.forced`: handlers did not settle in time.',
    attributes: [...group, 'relisten.forced'],
  },
  retries: {
    ...{ name: 'relisten.retries', kind: 'counter', unit: '{retry}' },
    description: 'Attempts to connect that were repeated after a wait.',
    attributes: group,
  },
  reconnects: {
    ...{ name: 'relisten.reconnects', kind: 'counter', unit: '{connection}' },
    description: 'Connections to nodes that were made again; `relisten.soft`: beside the old one, which still worked.',
    attributes: [...group, 'relisten.soft'],
  },
  rebalances: {
    ...{ name: 'relisten.rebalances', kind: 'counter', unit: '{rebalance}' },
    description: 'Rebalances of the group that this consumer heard of.',
    attributes: group,
  },
  evictions: {
    ...{ name: 'relisten.members.evicted', kind: 'counter', unit: '{member}' },
    description: 'Members of ours that have left the group.',
    attributes: group,
  },
  membersLost: {
    ...{ name: 'relisten.members.lost', kind: 'counter', unit: '{member}' },
    description: 'Members of ours that the coordinator no longer knew.',
    attributes: group,
  },
  failures: {
    ...{ name: 'relisten.failures', kind: 'counter', unit: '{failure}' },
    description: 'Facts that report a failure, by its kind.',
    attributes: [...group, 'relisten.fact', 'error.type'],
  },
  // Where the brokers are.
  polls: {
    ...{ name: 'relisten.polls', kind: 'counter', unit: '{poll}' },
    description: 'Rounds of asking brokers where they are, by why they began and whether somebody responded.',
    attributes: ['messaging.system', 'relisten.result', 'relisten.reason'],
  },
  pollAge: {
    ...{ name: 'relisten.poll.age', kind: 'observed gauge', unit: 's' },
    description: 'Time since a broker last responded to a poll; 0 without a consumer.',
    attributes: ['messaging.system', 'relisten.cluster.id'],
  },
  dials: {
    ...{ name: 'relisten.dial.duration', kind: 'histogram', unit: 's', buckets: requestBuckets },
    description: 'Time it took to open a connection, with TLS, login and the check of who is there, or to fail.',
    attributes: ['messaging.system', 'relisten.reason', 'error.type'],
  },
  refused: {
    ...{ name: 'relisten.endpoints.refused', kind: 'observed gauge', unit: '{endpoint}' },
    description: 'Nodes whose endpoints are refused for their identity or login.',
    attributes: group,
  },
  // Offsets.
  salvaged: {
    ...{ name: 'relisten.commits.salvaged', kind: 'counter', unit: '{partition}' },
    description: 'Partitions whose progress was committed for a session that had ended.',
    attributes: group,
  },
  suppressed: {
    ...{ name: 'relisten.rereads.suppressed', kind: 'observed counter', unit: '{message}' },
    description: 'Messages read again and not handed out again, as this process had handled them.',
    attributes: group,
  },
  fenced: {
    ...{ name: 'relisten.fenced', kind: 'counter', unit: '{batch}' },
    description: 'Batches not handed out and results not committed, as they belonged to an earlier assignment.',
    attributes: [...group, 'relisten.kind'],
  },
  lost: {
    ...{ name: 'relisten.offsets.lost', kind: 'counter', unit: '{offset}' },
    description: 'Offsets that were gone before they were handled: the log was trimmed, cut, or made again.',
    attributes: [...topic, 'relisten.cause'],
  },
  // Partitions.
  assigned: {
    ...{ name: 'relisten.partitions.assigned', kind: 'observed gauge', unit: '{partition}' },
    description: 'Partitions that are assigned.',
    attributes: group,
  },
  paused: {
    ...{ name: 'relisten.partitions.paused', kind: 'observed gauge', unit: '{partition}' },
    description: 'Assigned partitions that nothing is handed out of: the user or a policy has paused them.',
    attributes: group,
  },
  failing: {
    ...{ name: 'relisten.partitions.failing', kind: 'observed gauge', unit: '{partition}' },
    description: 'Partitions that wait for their handler, which fails for one message again and again.',
    attributes: group,
  },
  stalled: {
    ...{ name: 'relisten.partitions.stalled', kind: 'observed gauge', unit: '{partition}' },
    description: 'Partitions that make no progress.',
    attributes: group,
  },
  stalls: {
    ...{ name: 'relisten.stalls', kind: 'counter', unit: '{partition}' },
    description: 'Times a partition was found to make no progress.',
    attributes: group,
  },
  lag: {
    ...{ name: 'relisten.lag', kind: 'observed gauge', unit: '{message}' },
    description:
      'Messages between what is handled and the end of the log, over all assigned partitions of a topic; 0 where none is assigned any more.',
    attributes: topic,
  },
  partitionLag: {
    ...{ name: 'relisten.partition.lag', kind: 'observed gauge', unit: '{message}' },
    description:
      'The same of one partition; only while at most 200 are assigned, or where `partitions: true` asks for it.',
    attributes: [...topic, 'messaging.destination.partition.id'],
  },
  // Traffic.
  fetched: {
    ...{ name: 'relisten.fetched.messages', kind: 'observed counter', unit: '{message}' },
    description: 'Messages that were fetched.',
    attributes: group,
  },
  fetchedBytes: {
    ...{ name: 'relisten.fetched.size', kind: 'observed counter', unit: 'By' },
    description: 'Bytes of their keys, values and headers.',
    attributes: group,
  },
  handled: {
    ...{ name: 'relisten.handled.messages', kind: 'observed counter', unit: '{message}' },
    description: 'Messages that were handled.',
    attributes: group,
  },
  handledBytes: {
    ...{ name: 'relisten.handled.size', kind: 'observed counter', unit: 'By' },
    description: 'Bytes of their keys, values and headers.',
    attributes: group,
  },
  buffered: {
    ...{ name: 'relisten.buffered.size', kind: 'observed gauge', unit: 'By' },
    description: 'Bytes that were fetched and are not handled yet, with what the objects of the messages take.',
    attributes: group,
  },
  // Balancers.
  balancers: {
    ...{ name: 'relisten.balancers', kind: 'observed gauge', unit: '{balancer}' },
    description: 'Balancers of this process in a state of their machine; 0 for each state that none is in.',
    attributes: [...balancer, 'relisten.state'],
  },
  imbalance: {
    ...{ name: 'relisten.balancer.imbalance', kind: 'observed gauge', unit: '1' },
    description: 'How uneven the cluster was in the newest round, before its moves, per goal; 0 where it is even.',
    attributes: [...balancer, 'relisten.goal'],
  },
  sampleAge: {
    ...{ name: 'relisten.balancer.sample.age', kind: 'observed gauge', unit: 's' },
    description: 'Time since the newest sample of the load; 0 before the first, and when the balancer has ended.',
    attributes: balancer,
  },
  throttles: {
    ...{ name: 'relisten.balancer.throttles', kind: 'observed gauge', unit: '{throttle}' },
    description: 'Throttles of replication that are set and not yet restored.',
    attributes: balancer,
  },
  rounds: {
    ...{ name: 'relisten.balancer.rounds', kind: 'counter', unit: '{round}' },
    description: 'Rounds by how they were closed.',
    attributes: [...balancer, 'relisten.result'],
  },
  moves: {
    ...{ name: 'relisten.balancer.moves', kind: 'counter', unit: '{move}' },
    description: 'Steps of plans by what became of them.',
    attributes: [...balancer, 'relisten.kind', 'relisten.result'],
  },
  copied: {
    ...{ name: 'relisten.balancer.copied.size', kind: 'counter', unit: 'By' },
    description: 'Bytes that moves have copied.',
    attributes: balancer,
  },
  // The process.
  appends: {
    ...{ name: 'relisten.journal.records', kind: 'counter', unit: '{record}' },
    description: 'Records that were appended to the journal.',
    attributes: group,
  },
  journalFailures: {
    ...{ name: 'relisten.journal.failures', kind: 'counter', unit: '{failure}' },
    description: 'Journals that could not append any more.',
    attributes: [...group, 'relisten.policy'],
  },
  loopDelay: {
    ...{ name: 'relisten.event_loop.delay', kind: 'observed gauge', unit: 's' },
    description: 'Longest delay of the event loop in the last minute.',
    attributes: [],
  },
} as const satisfies Readonly<Record<string, Metric>>

export type MetricKey = keyof typeof table
export const metrics: Readonly<Record<MetricKey, Metric>> = table
