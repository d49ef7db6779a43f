// Random lives of a dispatcher beside a group that applies commits or loses the answers, checked against what a log and a group may see.
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { Stage, settled, withFakeTime } from '../stage.ts'

withFakeTime()

const partitions = [0, 1] as const
type Partition = (typeof partitions)[number]

/** The log of each partition: offsets with gaps, as compaction leaves them. */
const log = Array.from({ length: 60 }, (_, index) => index * 2 + (index % 2))

type Move =
  | { kind: 'fetch' | 'end' | 'pause' | 'resume'; partition: Partition; count: number }
  | { kind: 'throw'; partition: Partition }
  | { kind: 'commit'; applied: boolean; told: boolean }
  | { kind: 'rebalance'; forced: boolean }

const partition = fc.constantFrom(...partitions)
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('fetch'), partition, count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('end'), partition, count: fc.constant(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('pause', 'resume'), partition, count: fc.constant(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('throw'), partition }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit'), applied: fc.boolean(), told: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rebalance'), forced: fc.boolean() }) },
) as fc.Arbitrary<Move>

class Life {
  readonly stage = new Stage({ concurrency: 2, handlerRetries: 1_000 })
  private readonly group = [0n, 0n]
  private readonly position = [0, 0]
  private readonly handled = [new Set<number>(), new Set<number>()]
  private readonly marks = [0n, 0n]

  async begin(): Promise<void> {
    const { starts } = await this.stage.assign({ 0: this.group[0] ?? 0n, 1: this.group[1] ?? 0n })
    for (const where of partitions) this.position[where] = Number(starts[where])
    await settled()
  }

  async live(next: Move): Promise<void> {
    const { stage } = this
    if (next.kind === 'fetch') await this.fetch(next.partition, next.count)
    if (next.kind === 'end' || next.kind === 'throw') await this.finish(next.partition, next.kind)
    if (next.kind === 'pause') stage.pause(next.partition)
    if (next.kind === 'resume') stage.resume(next.partition)
    if (next.kind === 'commit') this.commit(next.applied, next.told)
    if (next.kind === 'rebalance') {
      const closed = stage.dispatcher.close(10)
      if (!next.forced) for (const where of partitions) await this.finish(where, 'end')
      await vi.advanceTimersByTimeAsync(600)
      await closed
      this.commit(true, true)
      await this.begin()
    }
    await settled()
    this.check()
  }

  private async fetch(where: Partition, count: number): Promise<void> {
    const offsets = log.filter((offset) => offset >= (this.position[where] ?? 0)).slice(0, count)
    const [first, last = 0] = [offsets[0], offsets.at(-1)]
    if (first === undefined || this.stage.queue(where).pausedBy.size > 0) return
    const offered = this.stage.offer(where, offsets)
    this.position[where] = last + 1
    await offered
    await vi.advanceTimersByTimeAsync(200)
  }

  private async finish(where: Partition, how: 'end' | 'throw'): Promise<void> {
    const call = this.stage.handlers.atWork.find(({ at }) => at.startsWith(`${where}/`))
    if (!call) return
    const offset = Number(call.at.split('/')[1])
    if (how === 'throw') {
      await call.throw('made up')
      await vi.advanceTimersByTimeAsync(5000)
      return
    }
    expect(this.handled[where]?.has(offset), `${call.at} is handled once`).toBe(false)
    this.handled[where]?.add(offset)
    await call.end()
  }

  private commit(applied: boolean, told: boolean): void {
    for (const queue of this.stage.dispatcher.uncommitted()) {
      const offset = queue.progress.uncommitted ?? 0n
      expect(offset, 'commits never go down').toBeGreaterThanOrEqual(this.group[queue.partition] ?? 0n)
      const skipped = log.filter((each) => each < offset && !this.handled[queue.partition]?.has(each))
      expect(skipped, 'nothing below a commit is unhandled').toEqual([])
      if (applied) this.group[queue.partition] = offset
      queue.progress.committed(offset, applied && told)
    }
  }

  private check(): void {
    const { atWork, log: calls } = this.stage.handlers
    expect(new Set(atWork.map(({ at }) => at.split('/')[0])).size, 'one handler per partition').toBe(atWork.length)
    for (const where of partitions) {
      const mark = this.stage.queue(where).progress.mark ?? 0n
      expect(mark, 'marks only go up').toBeGreaterThanOrEqual(this.marks[where] ?? 0n)
      this.marks[where] = mark
      const order = calls.filter((at) => at.startsWith(`${where}/`)).map((at) => Number(at.split('/')[1]))
      expect(order, 'order of the log').toEqual([...order].sort((one, other) => one - other))
      expect([...new Set(order)], 'nothing is left out').toEqual(log.slice(0, new Set(order).size))
    }
  }
}

test('whatever happens, order holds, nothing is skipped or handled twice, and marks and commits only go up', async () => {
  let calls = 0
  const property = fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 60 }), async (moves) => {
    const life = new Life()
    await life.begin()
    for (const next of moves) await life.live(next)
    calls += life.stage.handlers.log.length
    expect(life.stage.factsOf('mark.dropped')).toEqual([])
  })
  await fc.assert(property, { numRuns: 150 })
  expect(calls).toBeGreaterThan(200)
}, 60_000)
