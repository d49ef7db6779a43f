// Between assignments, drains and seeks: who is held and by whom, which start positions are known, and what is turned down.
import { expect, test, vi } from 'vitest'
import { Assignment } from '../../../actors/delivery/assignment.ts'
import { partitionsIn } from '../../../actors/delivery/dispatcher.ts'
import { acquireProgress } from '../../../actors/delivery/progress.ts'
import { Stage, settled, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const zero = { topic, partition: 0 }
/** Whether it has settled. */
function watched(promise: Promise<unknown> | undefined): () => boolean {
  let isSettled = false
  void promise?.then(() => {
    isSettled = true
  })
  return () => isSettled
}

test('before the first assignment there is nothing to hand out, to commit, to step over or to end', async () => {
  const { dispatcher, reader } = new Stage()
  expect([dispatcher.assigned(), dispatcher.uncommitted(), dispatcher.paused()]).toEqual([[], [], []])
  expect(await dispatcher.close(1000)).toBe(false)
  const queue = dispatcher.queueOf(zero)
  dispatcher.step(queue, 9n, 0n)
  dispatcher.seek(zero, 3n)
  queue.reread()
  expect([queue.depth, queue.progress.mark, reader.log]).toEqual([0, undefined, []])
})

test('partitions of an assignment are told one by one', () => {
  expect(partitionsIn({ a: [2, 0], b: [1] })).toEqual([
    { topic: 'a', partition: 2 },
    { topic: 'a', partition: 0 },
    { topic: 'b', partition: 1 },
  ])
})

test('topics whose names and numbers run together are told apart', () => {
  const { dispatcher } = new Stage()
  const queues = [
    dispatcher.queueOf({ topic: 'a', partition: 11 }),
    dispatcher.queueOf({ topic: 'a/1', partition: 1 }),
    dispatcher.queueOf({ topic: 'b', partition: 11 }),
  ]
  expect(new Set(queues).size).toBe(3)
  expect(dispatcher.queueOf({ topic: 'a', partition: 11 })).toBe(queues[0])
})

test('a seek of a partition that is not assigned is none', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  stage.reader.log.length = 0
  stage.dispatcher.seek({ topic, partition: 7 }, 3n)
  expect([stage.reader.log, stage.queue(7).progress.mark]).toEqual([[], undefined])
})

test('a pause of a topic leaves the partitions of others alone', async () => {
  const { dispatcher } = new Stage()
  const other = { topic: 'bills', partition: 0 }
  dispatcher.queueOf(zero)
  dispatcher.queueOf(other)
  dispatcher.pause({ topic: 'bills' })
  expect(dispatcher.paused()).toEqual([other])
  expect(dispatcher.queueOf({ topic: 'bills', partition: 1 }).held).toBe(true)
  expect(dispatcher.queueOf({ topic, partition: 1 }).held).toBe(false)
  dispatcher.resume({ topic: 'bills', partitions: [0, 1] })
  // Of single partitions only: those that come later are still paused.
  expect(dispatcher.queueOf({ topic: 'bills', partition: 2 }).held).toBe(true)
  dispatcher.pause({ topic, partitions: [0] })
  expect(dispatcher.queueOf({ topic, partition: 2 }).held).toBe(false)
})

test('a resume of what was not paused moves nothing', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  stage.reader.log.length = 0
  stage.resume(0)
  expect(stage.reader.log).toEqual(['resume 0'])
  expect(stage.factsOf('partition.resumed')).toEqual([])
})

test('a partition that is resumed before its start position is known is not read from the old one', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  stage.pause(0)
  stage.begin([0])
  stage.reader.log.length = 0
  stage.resume(0)
  expect(stage.reader.log).toEqual(['resume 0'])
})

test('a queue whose start position is lost hands out nothing that was fetched, and commits nothing, until it is found', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  await stage.offer(0, [2])
  const isThrough = watched(stage.take(0, [3]))
  await stage.handlers.end('0/0')
  const queue = stage.queue(0)
  expect(stage.dispatcher.uncommitted()).toEqual([queue])
  queue.close()
  await settled()
  expect([queue.depth, isThrough(), stage.dispatcher.uncommitted(), stage.dispatcher.prefetchBudget.held]).toEqual([
    0,
    true,
    [],
    0,
  ])
  expect(stage.take(0, [1])).toBeUndefined()
  queue.open = true
  expect(stage.dispatcher.uncommitted()).toEqual([queue])
})

test('a log that was cut is read from its new position, and what was fetched of the old one is forgotten', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 10n })
  for (const offset of [10, 11]) await stage.offer(0, [offset])
  const isThrough = watched(stage.take(0, [12]))
  stage.queue(0).rewind(4n, assignment)
  await settled()
  expect([stage.queue(0).depth, stage.queue(0).position, isThrough()]).toEqual([0, 4n, true])
  await stage.handlers.end('0/10')
  expect(stage.queue(0).progress.mark).toBe(4n)
})

test.each([
  { what: 'below the cut counts', sameTo: 12n, mark: 11n },
  { what: 'behind the cut does not count', sameTo: 10n, mark: 10n },
  { what: 'does not count where nobody can say up to where the log is the same', sameTo: undefined, mark: 10n },
])('what is at work when a log is cut and lies $what', async ({ sameTo, mark }) => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 10n })
  await stage.offer(0, [10, 11, 12])
  stage.queue(0).rewind(10n, assignment, sameTo)
  await stage.handlers.end('0/10')
  expect(stage.queue(0).progress.mark).toBe(mark)
  // What else was fetched of the log as it was is not handed out.
  expect(stage.handlers.log).toEqual(['0/10'])
  await stage.offer(0, [10, 11])
  expect(stage.handlers.log).toEqual(['0/10', `0/${mark}`])
})

test('an assignment finds no start position of the one before', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5])
  await stage.handlers.end('0/5')
  expect(stage.dispatcher.uncommitted()).toEqual([stage.queue(0)])
  stage.begin([0])
  expect(stage.dispatcher.uncommitted()).toEqual([])
})

test('a sought offset is committed also before the look for another one is over', async () => {
  const stage = new Stage()
  stage.begin([0])
  expect(stage.dispatcher.uncommitted()).toEqual([])
  stage.dispatcher.seek({ topic: 'orders', partition: 0 }, 3n)
  expect(stage.dispatcher.uncommitted()).toEqual([stage.queue(0)])
})

test('a seek survives an assignment that has the partition again, and ends with one that has not', async () => {
  const stage = new Stage()
  const { assignment: previous } = await stage.assign({ 0: 10n, 1: 10n })
  for (const partition of [0, 1]) stage.dispatcher.seek({ topic, partition }, 3n)
  stage.begin([0])
  expect([stage.queue(0).progress.sought, stage.queue(1).progress.sought]).toEqual([previous, undefined])
})

test('the assignment before is ended with no time for its handlers but their grace', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  const { signal } = stage.handlers.at('0/0')
  stage.begin([0])
  await vi.advanceTimersByTimeAsync(0)
  expect([signal.aborted, assignment.over]).toEqual([true, false])
  await vi.advanceTimersByTimeAsync(500)
  expect(assignment.over).toBe(true)
})

test('one that was ended already is not ended again', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 0n })
  await stage.dispatcher.close(0)
  const close = vi.spyOn(assignment, 'close')
  stage.begin([0])
  expect(close).not.toHaveBeenCalled()
})

test('a batch is turned down with one fact for each partition of an assignment', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n, 1: 5n })
  for (const partition of [0, 1, 0, 1]) expect(stage.take(partition, [9])).toBeUndefined()
  expect(stage.factsOf('batch.fenced').map(({ partition }) => partition)).toEqual([0, 1])
  // Of the next one they are told anew.
  await stage.assign({ 0: 5n })
  stage.take(0, [9])
  expect(stage.factsOf('batch.fenced')).toHaveLength(3)
})

test('a batch under an assignment that has ended, or is not the one in force, is turned down', async () => {
  const stage = new Stage()
  const { assignment } = await stage.assign({ 0: 0n })
  const foreign = new Assignment(1, 9, { [topic]: [0] })
  expect(stage.takeUnder(foreign, 0, [0])).toBeUndefined()
  await stage.dispatcher.close(0)
  stage.reader.log.length = 0
  expect(stage.takeUnder(assignment, 0, [0])).toBeUndefined()
  stage.dispatcher.step(stage.queue(0), 9n)
  await settled()
  // Nobody is sent anywhere for it: the next assignment says where reading begins.
  expect([stage.reader.log, stage.queue(0).progress.mark, stage.handlers.log]).toEqual([[], 0n, []])
})

test('a partition that another consumer of this process still handles is handed out when that handler has settled', async () => {
  const progress = acquireProgress('two consumers')
  const [one, other] = [new Stage({ progress }), new Stage({ progress })]
  await one.assign({ 0: 0n })
  await one.offer(0, [0, 1])
  void one.dispatcher.close(0)
  await other.assign({ 0: 0n })
  await other.offer(0, [0, 1])
  expect([one.handlers.log, other.handlers.log]).toEqual([['0/0'], []])
  await one.handlers.end('0/0')
  expect(other.handlers.log).toEqual(['0/1'])
  expect(other.dispatcher.handler.suppressed).toBe(1)
})

test('a partition that a policy has paused is told as degraded and not as stalled, until it is resumed', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0])
  await stage.handlers.at('0/0').throw('no')
  expect(stage.factsOf('partition.degraded')).toMatchObject([{ topic, partition: 0, reason: 'paused' }])
  stage.resume(0)
  expect(stage.factsOf('partition.recovered')).toEqual([{ type: 'partition.recovered', topic, partition: 0 }])
  expect([...stage.factsOf('partition.stalled'), ...stage.factsOf('partition.resumed')]).toEqual([])
})
