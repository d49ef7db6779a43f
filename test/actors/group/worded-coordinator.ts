// A coordinator in words: what a membership asks it, and what it is answered.
import type { Patience } from '../../../actors/group/coordinator.ts'
import type { Call } from '../../../actors/kafkajs/calls.ts'
import { apiKeyOf, apiKeys } from '../../../actors/protocol/frames.ts'
import { answerFrame, int16, int32, list, text } from '../bytes.ts'
import { groupAnswers } from '../fake-group.ts'

/** A coordinator that answers by the test's word, and writes down what it is asked. */
export class WordedCoordinator {
  readonly asked: { readonly apiKey: number; readonly patience: Patience; readonly code: number }[] = []
  readonly answers = new Map<number, () => Buffer | Promise<Buffer>>([
    [apiKeys.joinGroup, () => join({ leader: 'member-1' })],
    [apiKeys.syncGroup, () => groupAnswers.sync(0)],
    [apiKeys.heartbeat, () => groupAnswers.heartbeat(0)],
    [apiKeys.leaveGroup, () => groupAnswers.leave('member-1', 0)],
    [apiKeys.offsetFetch, () => groupAnswers.offsets({ orders: { 0: 5n } })],
  ])

  async send(frame: Buffer, errorOf: (answer: Buffer) => number, patience: Patience): Promise<Buffer> {
    const apiKey = apiKeyOf(frame)
    const answer = answerFrame(7, await this.answerTo(apiKey))
    this.asked.push({ apiKey, patience, code: errorOf(answer) })
    return answer
  }

  async call<Answer>(call: Call<Answer>, errorOf: (answer: Answer) => number, patience: Patience): Promise<Answer> {
    const answer = await call.decode(await this.answerTo(call.apiKey))
    this.asked.push({ apiKey: call.apiKey, patience, code: errorOf(answer) })
    return answer
  }

  of(apiKey: number) {
    return this.asked.filter((each) => each.apiKey === apiKey)
  }

  private answerTo(apiKey: number): Buffer | Promise<Buffer> {
    const answer = this.answers.get(apiKey)
    if (!answer) throw new Error(`Nobody said what is answered to ${apiKey}`)
    return answer()
  }
}

/** The answer to a join. */
export const join = ({ error = 0, generation = 4, leader = 'another', memberId = 'member-1' } = {}): Buffer =>
  Buffer.concat([int32(0), int16(error), int32(generation), text('plan'), text(leader), text(memberId), list([])])
