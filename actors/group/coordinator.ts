/** The group coordinator, wherever it is: looked up, followed when it moves to another node, asked again when it is not ready. */

import { type Failure, remedyFor } from '../../machines/failure.ts'
import type { PartitionsByTopic } from '../../machines/topic-partition.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { type Call, calls, encodeCall } from '../kafkajs/calls.ts'
import { answerHeaderBytes, errorCodes, passingErrors } from '../protocol/frames.ts'
import { type CommittedOffset, offsetFetchErrorOf, readAssignment, readOffsetFetch } from '../protocol/group-answers.ts'
import { offsetFetchRequest } from '../protocol/requests.ts'
import { deadline } from '../time/deadline.ts'
import { sleep } from '../time/sleep.ts'
import { held } from '../wire/in-flight-requests.ts'
import type { Link } from '../wire/link.ts'

export interface CoordinatorOptions {
  /** The group, or the transactional id. */
  readonly groupId: string
  /** Default: of a group. */
  readonly of?: 'group' | 'transaction'
  readonly clientId: string
  readonly cluster: Cluster
  /** The link to use for a request that the node may hold, or for one that it answers at once. */
  readonly linkTo: (nodeId: number, mayBeHeld: boolean) => Link
  readonly signal: AbortSignal
}

/** How long a request may take. */
export interface Patience {
  /** In milliseconds: how long the coordinator may be looked for and asked again. */
  readonly withinMs: number
  /** In milliseconds: how long its node may stay silent before the connection counts as suspect; `held` where it may hold the request. */
  readonly silenceMs: number
  /** Whether the coordinator may still hold the request, as it says itself. Default: yes. */
  readonly isHeld?: () => Promise<boolean>
}

/** Answers to a look-up that time does not change. */
const refusals: Readonly<Record<number, Pick<Failure, 'kind' | 'code'>>> = {
  [errorCodes.invalidGroupId]: { kind: 'group-refused', code: 'INVALID_GROUP_ID' },
  [errorCodes.groupAuthorizationFailed]: { kind: 'not-authorized', code: 'GROUP_AUTHORIZATION_FAILED' },
}
/** A node that holds a request is asked so often whether it is there; longer than `group.initial.rebalance.delay.ms` is by default. */
const askEachMs = 5000
/** How long it may be silent where it answers at once. */
const silenceMs = 1000

export class Coordinator {
  /** The node it was last found on. */
  nodeId: number | undefined
  private readonly options: CoordinatorOptions
  /** Tries in a row that no coordinator answered. */
  private readonly tries = new Streak()
  /** Why the newest of them failed. */
  private last: ConnectionError | undefined
  /** The newest look-up was answered with an error that does not pass by itself, such as a missing right. */
  private isDenied = false

  constructor(options: CoordinatorOptions) {
    this.options = options
  }

  /** Sends a frame of KafkaJS's. `errorOf` finds the error code in the answer. Rejects with a ConnectionError when time is up, or looking it up was refused. */
  async send(
    frame: Buffer,
    errorOf: (answer: Buffer) => number | Promise<number>,
    patience: Patience,
  ): Promise<Buffer> {
    const end = performance.now() + patience.withinMs
    let { last } = this
    while (performance.now() < end && !this.options.signal.aborted) {
      if (this.tries.waitMs > 0) {
        await sleep(Math.min(this.tries.waitMs, end - performance.now()), this.options.signal)
        continue
      }
      const given = new AbortController()
      try {
        // Being cut off by the end of the time says less than the answer before it.
        const late = () => {
          throw last ?? this.missing('it did not answer in time')
        }
        // A link holds a request for as long as its node may come back; whoever asks here may have less time.
        const asked = this.ask(frame, patience, given.signal)
        const answer = await deadline(asked, end - performance.now(), late)
        const code = await errorOf(answer)
        if (code === errorCodes.notCoordinator || code === errorCodes.coordinatorNotAvailable) this.nodeId = undefined
        else if (code !== errorCodes.coordinatorLoadInProgress) {
          this.tries.succeeded()
          this.last = undefined
          return answer
        }
        last = this.missing(`it answered with error ${code}`)
      } catch (error) {
        if (error instanceof ConnectionError && remedyFor(error.failure.kind) === 'give-up') throw error
        last = error instanceof ConnectionError ? error : this.missing(`its answer can't be read: ${error}`)
        this.nodeId = undefined
      } finally {
        // A commit that is given up here must not go out again behind a later one. With a reason, as Node else makes an error with a stack.
        given.abort('settled')
      }
      // Who asked at the same time has failed with it.
      if (this.tries.waitMs === 0) this.tries.failed(this.isDenied ? bounds.denial : bounds.lookUp)
      this.last = last
    }
    throw last ?? this.missing('there was no time to ask it')
  }

  /** Sends a request of our own. `errorOf` finds the error code that speaks of the coordinator. */
  async call<Answer>(call: Call<Answer>, errorOf: (answer: Answer) => number, patience: Patience): Promise<Answer> {
    const frame = await encodeCall(call, this.options.clientId)
    const decode = (answer: Buffer) => call.decode(answer.subarray(answerHeaderBytes))
    const answer = await this.send(frame, async (got) => errorOf(await decode(got)), patience)
    return decode(answer)
  }

  /** What the group has committed of this many partitions of a topic. Rejects with a ConnectionError. */
  async committedOf(topic: string, partitions: number): Promise<CommittedOffset[]> {
    const { groupId, clientId } = this.options
    const frame = offsetFetchRequest(groupId, topic, partitions, clientId)
    return readOffsetFetch(await this.send(frame, offsetFetchErrorOf, { withinMs: 2000, silenceMs }))
  }

  /** What the group has given to its members, one by one; nothing of it while it rebalances. Rejects where the group may not be described. */
  async given(): Promise<PartitionsByTopic[]> {
    const call = calls.describeGroup(this.options.groupId)
    const errorOf = ({ groups }: Awaited<ReturnType<typeof call.decode>>) => groups[0]?.errorCode ?? errorCodes.none
    const answer = await this.call(call, errorOf, { withinMs: 10_000, silenceMs })
    if (errorOf(answer) !== errorCodes.none) throw this.missing(`describing it gave error ${errorOf(answer)}`)
    return (answer.groups[0]?.members ?? []).map(({ memberAssignment }) => readAssignment(memberAssignment))
  }

  /** Whether there is such a group. Rejects where it may not be described. */
  async isThere(): Promise<boolean> {
    const call = calls.describeGroup(this.options.groupId)
    const errorOf = ({ groups }: Awaited<ReturnType<typeof call.decode>>) => groups[0]?.errorCode ?? errorCodes.none
    const { groups } = await this.call(call, errorOf, { withinMs: 5000, silenceMs })
    return groups[0]?.errorCode === errorCodes.none && groups[0].state !== 'Dead'
  }

  private async ask(frame: Buffer, patience: Patience, signal: AbortSignal): Promise<Buffer> {
    const { silenceMs, isHeld } = patience
    const nodeId = this.nodeId ?? (await this.find())
    const answer = this.options.linkTo(nodeId, silenceMs === held).send(frame, silenceMs, { signal })
    if (silenceMs !== held) return answer
    return Promise.race([answer, this.unheard(nodeId, isHeld, signal)])
  }

  /**
   * A connection on which a request is held is silent, dead or not. Rejects when the node does not answer on another one either, or holds the
   * request no longer and the answer has not come: then the coordinator is looked up again, and the request sent again.
   */
  private async unheard(nodeId: number, isHeld: Patience['isHeld'], signal: AbortSignal): Promise<never> {
    const frame = await encodeCall(calls.metadata(), this.options.clientId)
    while (await sleep(askEachMs, signal)) {
      await this.options.linkTo(nodeId, false).send(Buffer.from(frame), silenceMs, { signal })
      // The answer may be on its way.
      if (isHeld && !(await isHeld()) && (await sleep(silenceMs, signal))) throw this.missing('its answer was lost')
    }
    return new Promise(() => {})
  }

  private async find(): Promise<number> {
    const { cluster, groupId, clientId, signal } = this.options
    const call = calls.findCoordinator(groupId, this.options.of === 'transaction' ? 1 : 0)
    const answer = await cluster.ask(await encodeCall(call, clientId), signal)
    const { errorCode, coordinator } = await call.decode(answer.subarray(answerHeaderBytes))
    this.isDenied = errorCode !== errorCodes.none && !passingErrors.has(errorCode)
    const refusal = refusals[errorCode]
    if (refusal) {
      const message = `Looking up the coordinator of group ${groupId} was refused with Kafka's error ${errorCode}`
      throw new ConnectionError({ ...refusal, message })
    }
    if (errorCode !== errorCodes.none) throw this.missing(`looking it up gave error ${errorCode}`)
    this.nodeId = coordinator.nodeId
    return coordinator.nodeId
  }

  private missing(why: string): ConnectionError {
    const message = `The coordinator of group ${this.options.groupId} is not available: ${why}`
    return new ConnectionError({ kind: 'unreachable', message, code: 'COORDINATOR_NOT_AVAILABLE' })
  }
}
