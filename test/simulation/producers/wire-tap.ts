// A tap on the wires of a followed client: what KafkaJS writes into them of its producers, and what it is told.

import type { ISocketFactory } from 'kafkajs'
import { FrameCutter } from '../../../actors/protocol/frame-cutter.ts'
import {
  answerHeaderBytes,
  apiKeyOf,
  apiKeys,
  correlationOf,
  requestBodyOffset,
} from '../../../actors/protocol/frames.ts'
import { Reading } from '../kafka/bytes.ts'
import { readProduce } from '../kafka/produces.ts'
import type { World } from '../world.ts'
import { idIn } from './message-id.ts'

/** What `follow` says of the time: the smaller of the timeouts, less a second, and at least this, in milliseconds. */
const leastMs = 500
const slackMs = 1000

/** Counts the requests of a world. */
export interface RequestCount {
  requests: number
  /** Of each partition, the request that was acknowledged last, and when. */
  readonly acknowledged: Map<number, { readonly request: number; readonly at: number }>
}

export const goOutAsOne = 'requests of a producer go out as one'

export function tapped(
  open: ISocketFactory,
  world: World,
  count: RequestCount,
  { producer, requestTimeoutMs }: { readonly producer: string; readonly requestTimeoutMs: number },
): ISocketFactory {
  return (args) => {
    const socket = open(args)
    const [sent, heard] = [new FrameCutter(), new FrameCutter()]
    const asked = new Map<number, number>()
    const write = socket.write.bind(socket) as (bytes: Buffer) => boolean
    const written = (bytes: Buffer): boolean => {
      for (const frame of sent.push(Buffer.from(bytes))) {
        if (apiKeyOf(frame) !== apiKeys.produce) continue
        const { timeoutMs, batches } = readProduce(new Reading(frame, requestBodyOffset(frame)))
        const request = ++count.requests
        asked.set(correlationOf('request', frame), request)
        const withinMs = Math.max(leastMs, Math.min(timeoutMs, requestTimeoutMs) - slackMs)
        for (const { topic, index, producerId, messages } of batches)
          world.see({
            ...{ type: 'offered', producer, request, withinMs, isIdempotent: producerId >= 0 },
            ...{ partition: world.kafka.numberOf(topic, index) ?? -1, ids: messages.map(({ value }) => idIn(value)) },
          })
      }
      return write(bytes)
    }
    Object.assign(socket, { write: written })
    socket.on('data', (bytes: Buffer) => {
      for (const frame of heard.push(Buffer.from(bytes))) {
        const correlation = correlationOf('answer', frame)
        const request = asked.get(correlation)
        asked.delete(correlation)
        if (request !== undefined) told(world, count, request, new Reading(frame, answerHeaderBytes))
      }
    })
    return socket
  }
}

function told(world: World, { acknowledged }: RequestCount, request: number, answer: Reading): void {
  answer.list(() => {
    const topic = answer.text()
    answer.list(() => {
      const partition = world.kafka.numberOf(topic, answer.int32()) ?? -1
      const [code, offset] = [answer.int16(), answer.long()]
      answer.skip(8 + 8) // log-append time, start of the log
      const last = acknowledged.get(partition)
      // What goes out one after the other is not acknowledged in one instant.
      if (code === 0 && last?.at === world.clock.now && last.request !== request) world.reached(goOutAsOne)
      if (code === 0) acknowledged.set(partition, { request, at: world.clock.now })
      world.see({ type: 'settled', request, partition, code, offset })
    })
  })
}
