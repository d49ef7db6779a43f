// A handler of batches, in the ways KafkaJS's documentation goes through one.

import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import type { Life } from './life.ts'
import type { Sighting } from './sighting.ts'

const plainPartitions = 4

export const batchStyles = ['handles all', 'commits and beats', 'commits uncommitted'] as const

export type BatchStyle = (typeof batchStyles)[number] | 'resolves each'

/** What it needs of the world around it. */
interface Around {
  readonly dimensions: ReadonlySet<string>
  see(sighting: Sighting): void
  reached(kind: string): void
}

/** Handles one message of a call that began at offset `from`. */
type Handle = (partition: number, offset: number, content: string, signal: AbortSignal, from: number) => Promise<void>

export function batchHandler(
  world: Around,
  life: Life,
  style: BatchStyle,
  numberOf: (topic: string, partition: number) => number,
  handle: Handle,
): NonNullable<ConsumerOptions['eachBatch']> {
  const goThrough: NonNullable<ConsumerOptions['eachBatch']> = async (payload) => {
    const { batch, resolveOffset, isRunning, isStale, signal } = payload
    if (style !== 'resolves each') world.reached('styles of eachBatch')
    const partition = numberOf(batch.topic, batch.partition)
    for (const { key, value, offset } of batch.messages) {
      if (style !== 'handles all' && (!isRunning() || isStale())) return
      // Not the batch's own first offset, at which there may be no message.
      const from = Number(style === 'handles all' ? batch.messages[0]?.offset : offset)
      await handle(partition, Number(offset), `${key}=${value}`, signal, from)
      world.reached('batch handled')
      // It says nothing of single messages: after its signal nobody can tell whether it came to the end.
      if (style === 'handles all' && signal.aborted && offset === batch.lastOffset())
        world.see({ type: 'threw', life: life.name, partition, offset: Number(offset), from })
      if (style === 'handles all') continue
      resolveOffset(offset)
      // A commit takes a round trip: far away, nobody could keep up with one after each message, nor, with a few messages each of hundreds of
      // partitions, handled one at a time, with one after each batch. Then it is done after those of the busiest partitions.
      const isFar = world.dimensions.has('long distances')
      if (isFar && offset !== batch.messages.at(-1)?.offset) continue
      if (isFar && world.dimensions.has('many partitions') && partition >= plainPartitions) continue
      world.see({ type: 'commit-asked', life: life.name })
      if (style === 'commits and beats') {
        await payload.heartbeat()
        await payload.commitOffsetsIfNecessary()
      }
      // Refused where the partition goes meanwhile: the next one to have it reads on from what is committed.
      if (style === 'commits uncommitted')
        await payload
          .commitOffsetsIfNecessary(payload.uncommittedOffsets())
          .catch(() => world.reached('commit rejected'))
    }
  }
  return async (payload) => {
    const about = { life: life.name, partition: numberOf(payload.batch.topic, payload.batch.partition) }
    world.see({ type: 'called', ...about })
    try {
      await goThrough(payload)
    } finally {
      world.see({ type: 'returned', ...about })
    }
  }
}
