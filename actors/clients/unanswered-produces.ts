/** The messages of producers that want no acknowledgement (`acks: 0`): sent to whoever leads, or dropped and counted, as nobody else will learn of it. */

import { produceRequest, readProduce } from '../protocol/produce.ts'
import { deadline } from '../time/deadline.ts'
import { held } from '../wire/in-flight-requests.ts'
import type { ProduceRequestsOptions } from './produce-requests.ts'

/** How long they wait for their turn and for their leader, in milliseconds. */
const withinMs = 1000

export class UnansweredProduces {
  private readonly options: ProduceRequestsOptions

  constructor(options: ProduceRequestsOptions) {
    this.options = options
  }

  /** Resolves when they are sent or dropped. */
  async post(frame: Buffer): Promise<void> {
    const { clientId, leaders, linkTo, order, signal } = this.options
    const request = readProduce(frame)
    const { partitions, timeoutMs } = request
    const end = performance.now() + withinMs
    const hasRoom = order.hasRoom(frame.length)
    const turn = hasRoom ? order.enter(partitions, frame.length) : undefined
    let open = partitions.length
    try {
      if (!turn || !(await order.comes(turn, withinMs, signal))) return
      const isDoubtful = ([leader]: readonly [number, unknown]) => !linkTo(leader).current
      const known = leaders.group(partitions)
      const isWhole = [...known.values()].flat().length === open
      // A broker that does not lead closes the connection, and says no more.
      if (!isWhole || [...known].some(isDoubtful)) {
        const lookUp = leaders.lookUp(partitions.map(({ topic }) => topic)).catch(() => {})
        await deadline(lookUp, Math.max(0, end - performance.now()), () => {}, signal)
      }
      const posts = [...leaders.group(partitions)].map(async ([leader, part]) => {
        const options = { delivery: 'unanswered', withinMs: Math.max(0, end - performance.now()) } as const
        const sending = linkTo(leader).send(produceRequest(request, part, timeoutMs, clientId), held, options)
        return sending.then(
          () => part.length,
          () => 0,
        )
      })
      for (const sent of await Promise.all(posts)) open -= sent
    } finally {
      order.dropped += open
      turn?.leave()
    }
  }
}
