/**
 * The rebalance listener of one session, in Kafka's words: what happens when partitions are assigned, revoked and lost. The session has
 * joined once all positions are known that can be: from then on nothing new is missed.
 */

import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { PartitionsByTopic } from '../../machines/topic-partition.ts'
import { ConnectionError } from '../connection/connection.ts'
import { Assignment } from '../delivery/assignment.ts'
import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { StartPositions } from '../delivery/start-positions.ts'
import type { Membership } from '../group/membership.ts'
import type { FetchRecord } from './fetch-record.ts'
import type { CallbackName, RebalanceCallbacks } from './rebalance-callback.ts'
import type { Runner } from './runner.ts'

export interface RebalanceListenerOptions {
  readonly epoch: number
  readonly runner: Runner
  readonly dispatcher: Dispatcher
  readonly positions: StartPositions
  readonly fetched: FetchRecord
  readonly membership: Membership
  /** How long handlers may take to settle before a rebalance, and when the partitions are lost; in milliseconds. */
  readonly settleTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly drain: (withinMs: number) => Promise<unknown>
  /** Lets nodes that had nothing to fetch look again. */
  readonly wake: () => void
  readonly onJoined: () => void
  readonly callbacks: RebalanceCallbacks
  /** The user could not take the assignment: nothing is read of it. */
  readonly onFailed: (failure: Failure) => void
  readonly emit: (fact: Fact) => void
}

export class RebalanceListener {
  assignment: Assignment | undefined
  private announced: Assignment | undefined
  /** Assignments whose end the user was told. */
  private readonly ended = new WeakMap<Assignment, Promise<unknown>>()
  private readonly options: RebalanceListenerOptions

  constructor(options: RebalanceListenerOptions) {
    this.options = options
  }

  /** The group has given us these partitions, and KafkaJS begins to read them. */
  onPartitionsAssigned(partitions: PartitionsByTopic): void {
    const { epoch, runner, dispatcher, positions, fetched, membership, emit } = this.options
    if (runner.fenced) return
    const { generation } = membership
    fetched.clear()
    this.assignment = new Assignment(epoch, generation, partitions)
    dispatcher.begin(this.assignment, runner, positions.log)
    emit({ type: 'partitions.assigned', epoch, generation, partitions })
    positions.begin(this.assignment, this.onUserAssigned(this.assignment))
    this.onPositions()
  }

  /** What the user seeks meanwhile is where reading begins. */
  private async onUserAssigned(assignment: Assignment): Promise<void> {
    const failure = await this.options.callbacks.call('onPartitionsAssigned', assignment)
    if (!failure) return
    this.options.onFailed(failure)
    throw new ConnectionError(failure)
  }

  /** The user is told that the assignment ends, once: while commits still count, or that they do not any more. */
  async revoke(withinMs?: number): Promise<unknown> {
    const { assignment } = this
    if (!assignment) return undefined
    const isOurs = this.options.membership.joined
    return this.end(assignment, isOurs ? 'onPartitionsRevoked' : 'onPartitionsLost', withinMs)
  }

  private end(assignment: Assignment, name: CallbackName, withinMs?: number): Promise<unknown> {
    const isNone = assignment.size === 0
    const ended =
      this.ended.get(assignment) ??
      (isNone ? Promise.resolve() : this.options.callbacks.call(name, assignment, withinMs))
    this.ended.set(assignment, ended)
    return ended
  }

  /** A rebalance: handlers settle and commit before the group gives the partitions away. Resolves with what was assigned. */
  async onPartitionsRevoked(): Promise<Assignment | undefined> {
    const { assignment } = this
    if (assignment) await this.options.drain(this.options.settleTimeoutMs)
    return assignment
  }

  /** The group has given them to others already. */
  onPartitionsLost(): void {
    const { assignment } = this
    if (!assignment) return
    // At once: what replaces the session, and when, is decided elsewhere.
    const { dispatcher, drainTimeoutMs, emit } = this.options
    if (dispatcher.assignment === assignment) void dispatcher.close(drainTimeoutMs)
    emit({ type: 'partitions.lost', ...told(assignment) })
    void this.end(assignment, 'onPartitionsLost')
  }

  /** More positions are known. */
  onPositions(): void {
    const { assignment } = this
    if (!assignment?.open) return
    this.options.wake()
    if (this.options.positions.complete) this.announce(assignment)
  }

  private announce(assignment: Assignment): void {
    const { epoch, runner, emit, onJoined } = this.options
    const { memberId, generation, closed } = this.options.membership
    // A member that was lost meanwhile is told as such: it has not joined, although it knows where to read.
    if (this.announced === assignment || runner.fenced || closed) return
    this.announced = assignment
    emit({ type: 'session.joined', epoch, memberId, generation })
    onJoined()
  }
}

const told = ({ epoch, generation, partitions }: Assignment) => ({ epoch, generation, partitions })
