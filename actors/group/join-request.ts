/** Join requests: KafkaJS's own joins and syncs, on their way to the coordinator, which may hold them until the whole group has joined. */

import type { Failure } from '../../machines/failure.ts'
import { closedError } from '../connection/connection.ts'
import { errorCodes } from '../protocol/frames.ts'
import { groupErrorOf } from '../protocol/group-answers.ts'
import { idRequest, withGroupInstanceId } from '../protocol/requests.ts'
import { held } from '../wire/in-flight-requests.ts'
import type { Coordinator } from './coordinator.ts'
import { supersededBy } from './superseded.ts'

export interface JoinRequestOptions {
  readonly groupId: string
  /** Of a static member (KIP-345). */
  readonly groupInstanceId?: string | undefined
  readonly coordinator: Coordinator
  readonly rebalanceTimeoutMs: number
  /** Resolves with the error code of a heartbeat, sent now. */
  readonly heartbeat: (withinMs: number) => Promise<number>
  /** Another process has joined as the same static member. */
  readonly onSuperseded: (failure: Failure) => void
}

/** The silence after which a connection counts as suspect, where a request of KafkaJS's is answered at once; in milliseconds. */
export const answeredAtOnceMs = 1000

export class JoinRequests {
  private readonly options: JoinRequestOptions

  constructor(options: JoinRequestOptions) {
    this.options = options
  }

  /** Resolves with the answer. `generation`: that of the join before, −1 before the first. */
  async join(request: Buffer, generation: number): Promise<Buffer> {
    // A static member is given its id with its place.
    const brief = this.options.groupInstanceId === undefined ? idRequest(request) : undefined
    if (!brief) return this.forward(request, held, this.isHeld(generation))
    const answer = await this.forward(brief, answeredAtOnceMs)
    return groupErrorOf(answer) === errorCodes.invalidSessionTimeout ? this.forward(request, answeredAtOnceMs) : answer
  }

  sync(request: Buffer): Promise<Buffer> {
    return this.forward(request, held)
  }

  private async forward(request: Buffer, silenceMs: number, isHeld = async () => true): Promise<Buffer> {
    const { coordinator, rebalanceTimeoutMs, groupId, groupInstanceId } = this.options
    const own = groupInstanceId === undefined ? request : withGroupInstanceId(request, groupInstanceId)
    const patience = { withinMs: rebalanceTimeoutMs + 10_000, silenceMs, isHeld }
    const answer = await coordinator.send(own, groupErrorOf, patience)
    if (groupErrorOf(answer) !== errorCodes.fencedInstanceId) return answer
    // KafkaJS would take it for an error of its own.
    this.options.onSuperseded(supersededBy(groupId, groupInstanceId))
    throw closedError('This membership')
  }

  /**
   * A coordinator that holds joins is in the generation before them. Where it is in a later one, or does not know the member, it has answered. A
   * member that has missed a generation hears the same while its join is held, so this says no once.
   */
  private isHeld(generation: number): () => Promise<boolean> {
    let isOver = generation < 0
    return async () => {
      if (isOver) return true
      const code = await this.options.heartbeat(answeredAtOnceMs).catch(() => errorCodes.none)
      isOver = code === errorCodes.illegalGeneration || code === errorCodes.unknownMemberId
      return !isOver
    }
  }
}
