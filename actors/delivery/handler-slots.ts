/**
 * The handler slots of one consumer: at most `concurrency` queues are worked at a time, the others wait in turn. A queue gives its slot back when it
 * is empty or held, after a slice of time where others wait, while it waits for its handler's next try, and when its handler is overdue or was given up,
 * whenever that ends.
 */

import type { Assignment } from './assignment.ts'
import type { Handler } from './handler.ts'
import type { PartitionQueue } from './partition-queue.ts'

export class HandlerSlots {
  private readonly concurrency: number
  private readonly handler: Handler
  private readonly taken = new Set<PartitionQueue>()
  private readonly waiting = new Set<PartitionQueue>()

  constructor(concurrency: number, handler: Handler) {
    this.concurrency = concurrency
    this.handler = handler
  }

  /** Works the queue's batches once it has a slot; nothing where it is worked already, held, waiting for a next try, or empty. */
  work(queue: PartitionQueue): void {
    const queued = queue.first
    if (queue.busy || queue.held || queue.resting || !queued) return
    const { progress } = queue
    if (progress.work) {
      // Another consumer of this process had the partition, and its handler has not settled.
      void progress.work.then(() => this.work(queue))
      return
    }
    if (this.taken.size >= this.concurrency) {
      this.waiting.add(queue)
      return
    }
    this.taken.add(queue)
    queue.busy = true
    const { assignment } = queued
    const work = this.run(queue, assignment).finally(() => {
      queue.busy = false
      progress.work = undefined
      this.release(queue)
      this.work(queue)
    })
    progress.work = work
    assignment.track(work)
  }

  /** Gives the queue's slot, if it has one, to those that wait. */
  release(queue: PartitionQueue): void {
    if (!this.taken.delete(queue)) return
    for (const next of this.waiting) {
      if (this.taken.size >= this.concurrency) return
      this.waiting.delete(next)
      this.work(next)
    }
  }

  /** Works the queue's batches of this assignment until it is empty, held, others wait for the slot, or have it. */
  private async run(queue: PartitionQueue, assignment: Assignment): Promise<void> {
    const isOver = () => this.waiting.size > 0 || !this.taken.has(queue)
    // A batch of another assignment is worked anew, so that the drain of that one waits for it and it has a slot.
    for (let queued = queue.first; queued?.assignment === assignment; queued = queue.first) {
      if (!assignment.open) {
        queue.shift()
        continue
      }
      const isDone = await this.handler.run(queue, queued, isOver)
      if (isDone) this.handler.handledBytes += queue.finish(queued)
      if (!isDone || isOver()) return
    }
  }
}
