// Start positions: where reading begins after an assignment, and where it goes on when the log no longer has the place.
import { expect, test, vi } from 'vitest'
import type { LogEdge } from '../../../actors/delivery/log.ts'
import { Stage, settled, topic, withFakeTime } from '../stage.ts'

const UNSTABLE_OFFSET_COMMIT = 88

withFakeTime()

test.each([
  [false, 100n, 'end'],
  [true, 0n, 'start'],
] as const)(
  'without a commit, fromBeginning %s pins the position once to %s, the %s of the log',
  async (fromBeginning, offset, edge) => {
    const stage = new Stage({ fromBeginning })
    const [{ starts }, again] = await Promise.all([stage.assign({ 0: -1n }), stage.place({ 0: -1n })])
    // KafkaJS asked a second time before it heard the answer to the first: it knows what was told there.
    expect([starts, again]).toEqual([[offset], [undefined]])
    expect(await stage.place({ 0: -1n })).toEqual([offset])
    expect(stage.reader.log.filter((line) => line.startsWith('look'))).toEqual([`look 0 ${edge}`])
    expect(stage.factsOf('offset.reset')).toEqual([{ type: 'offset.reset', topic, partition: 0, offset: `${offset}` }])
    expect(stage.queue(0).progress.uncommitted).toBe(offset)
  },
)

test('a commit of somebody else drops the mark, with its fact', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 0n })
  await stage.offer(0, [0, 1])
  await stage.handlers.end('0/0', '0/1')
  expect((await stage.assign({ 0: 1n })).starts).toEqual([1n])
  expect(stage.factsOf('mark.dropped')).toEqual([
    { type: 'mark.dropped', topic, partition: 0, mark: '2', committed: '1' },
  ])
})

test('a position whose start has passed it by goes on at the start, after what was fetched before', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.offer(0, [10, 11])
  stage.reader.start = 50n
  stage.positions.reset({ topic, partition: 0 })
  expect(await stage.place({ 0: 10n })).toEqual([50n])
  expect(stage.factsOf('offsets.lost')).toEqual([
    { type: 'offsets.lost', topic, partition: 0, from: '12', to: '50', next: '50', reason: 'trimmed' },
  ])
  expect(await stage.place({ 0: 10n })).toEqual([50n])
  await stage.handlers.end('0/10', '0/11')
  await stage.offer(0, [50])
  await stage.handlers.end('0/50')
  expect(stage.queue(0).progress.mark).toBe(51n)
})

test('a position behind the end of the log goes back to the end, with its fact, and may be committed downwards', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 50n })
  stage.reader.end = 20n
  stage.positions.reset({ topic, partition: 0 })
  expect(await stage.place({ 0: 50n })).toEqual([20n])
  expect(stage.factsOf('offsets.lost')).toEqual([
    { type: 'offsets.lost', topic, partition: 0, from: '50', to: '50', next: '20', reason: 'truncated' },
  ])
  expect(stage.queue(0).progress.uncommitted).toBe(20n)
  expect(await stage.place({ 0: 50n })).toEqual([20n])
})

test('a second answer about the committed offsets of one assignment changes no mark', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5, 6])
  await stage.handlers.end('0/5', '0/6')
  stage.queue(0).progress.committed(7n, true)
  expect(await stage.place({ 0: 5n })).toEqual([7n])
  expect(stage.queue(0).progress.mark).toBe(7n)
  expect(stage.factsOf('mark.dropped')).toEqual([])
})

test('where the group has lost its commit, ours is put back', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 5n })
  await stage.offer(0, [5])
  await stage.handlers.end('0/5')
  stage.queue(0).progress.committed(6n, true)
  expect((await stage.assign({ 0: -1n })).starts).toEqual([6n])
  expect(stage.queue(0).progress.uncommitted).toBe(6n)
})

test('a partition that came while the group was subscribed begins at its start, whatever fromBeginning says', async () => {
  const stage = new Stage({ fromBeginning: false })
  const seen = (partitions: number) => stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions }])
  seen(1)
  expect(seen(2)).toEqual([{ topic, kind: 'grown' }])
  stage.reader.start = 4n
  expect((await stage.assign({ 0: -1n, 1: -1n })).starts).toEqual([100n, 4n])
})

test('the commits of its siblings say that a partition came later, also to a process that never saw the topic without it', async () => {
  const note = { offset: 7n, metadata: 'relisten/1 - 1 3' }
  const asked: string[] = []
  const stage = new Stage({
    committedOf: async (name) => {
      asked.push(name)
      return [{ topic: name, partition: 0, errorCode: 0, ...note }]
    },
  })
  stage.topics.see([{ topic, errorCode: 0, partitions: 2 }])
  expect((await stage.assign({ 1: -1n })).starts).toEqual([0n])
  expect(asked).toEqual([topic])
})

test('a commit of the topic that had the name before is no place in the one that has it now', async () => {
  const stage = new Stage()
  stage.topics.see([{ topic, id: 'b'.repeat(32), errorCode: 0, partitions: 1 }])
  const metadata = `relisten/1 ${'a'.repeat(32)} 1 3`
  stage.topics.recall(topic, 0)
  expect((await stage.assign({ 0: { offset: 70n, metadata } })).starts).toEqual([0n])
})

test('a late commit of the topic that had the name before takes nothing back of the one that has it now', async () => {
  const stage = new Stage()
  stage.topics.see([{ topic, id: 'b'.repeat(32), errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: -1n })
  await stage.offer(0, [100])
  await stage.handlers.end('0/100')
  const metadata = `relisten/1 ${'a'.repeat(32)} 1 3`
  expect((await stage.assign({ 0: { offset: 170n, metadata } })).starts).toEqual([101n])
  expect(stage.queue(0).progress.uncommitted).toBe(101n)
})

test('a partition whose log can not be looked at holds up no other one, and follows when it can', async () => {
  const stage = new Stage()
  stage.reader.failing.set(1, new Error('it has no leader'))
  expect((await stage.assign({ 0: 5n, 1: -1n, 2: -1n })).starts).toEqual([5n, undefined, 100n])
  expect(stage.positions.complete).toBe(true)
  await stage.offer(0, [5])
  expect(stage.handlers.log).toEqual(['0/5'])
  // Asked again meanwhile, it is not waited for: all fetches would.
  const asked = stage.place({ 1: -1n })
  await settled()
  expect(await asked).toEqual([undefined])
  expect(stage.asked).toBe(1)
  stage.reader.failing.clear()
  await vi.advanceTimersByTimeAsync(2000)
  expect(await stage.place({ 1: -1n })).toEqual([100n])
})

test('an error instead of a committed offset is not taken for "nothing committed"', async () => {
  const stage = new Stage()
  expect((await stage.assign({ 0: { offset: -1n, error: UNSTABLE_OFFSET_COMMIT }, 1: 4n })).starts).toEqual([
    undefined,
    4n,
  ])
  expect(stage.factsOf('offset.reset')).toEqual([])
  await vi.advanceTimersByTimeAsync(2000)
  expect(await stage.place({ 0: 8n })).toEqual([8n])
})

test('what was looked up is committed before it is read', async () => {
  let commit = () => {}
  const stage = new Stage({ commit: () => new Promise((resolve) => (commit = resolve)) })
  const assigned = stage.assign({ 0: -1n })
  await settled()
  await vi.advanceTimersByTimeAsync(250)
  expect((await assigned).starts).toEqual([undefined])
  expect(stage.dispatcher.uncommitted().map(({ partition }) => partition)).toEqual([0])
  commit()
  await settled()
  expect(await stage.place({ 0: -1n })).toEqual([100n])
})

test('a place that was looked up under an earlier assignment, and that the group does not know yet, is committed before it is read', async () => {
  let commit = () => {}
  const stage = new Stage({ commit: () => new Promise((resolve) => (commit = resolve)) })
  const assign = async () => {
    const assigned = stage.assign({ 0: -1n })
    await settled()
    await vi.advanceTimersByTimeAsync(250)
    return (await assigned).starts
  }
  await assign()
  expect(await assign()).toEqual([undefined])
  expect(stage.dispatcher.uncommitted().map(({ partition }) => partition)).toEqual([0])
  commit()
  await settled()
  expect(await stage.place({ 0: -1n })).toEqual([100n])
  expect(stage.factsOf('offset.reset')).toHaveLength(1)
})

test('a seek while the place is looked up is the place', async () => {
  const stage = new Stage()
  let look = (_edge: LogEdge) => {}
  stage.reader.edge = () => new Promise((resolve) => (look = resolve))
  const assigned = stage.assign({ 0: -1n })
  await settled()
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  look({ offset: 100n, leaderEpoch: 3 })
  await settled()
  expect((await assigned).starts).toEqual([3n])
  expect(stage.queue(0).progress.leaderEpoch).toBe(-1)
  expect(stage.queue(0).progress.uncommitted).toBe(3n)
})

test('a seek between two attempts to look the place up is the place', async () => {
  const stage = new Stage()
  stage.reader.failing.set(0, new Error('it has no leader'))
  await stage.assign({ 0: -1n })
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  await vi.advanceTimersByTimeAsync(200)
  stage.reader.failing.clear()
  await vi.advanceTimersByTimeAsync(2000)
  expect(await stage.place({ 0: -1n })).toEqual([3n])
  expect(stage.factsOf('offset.reset')).toEqual([])
})

test('a sought place that is committed while the siblings of another partition are asked for stays the place', async () => {
  let told = () => {}
  const stage = new Stage({ committedOf: () => new Promise((resolve) => (told = () => resolve([]))) })
  stage.begin([0, 1])
  stage.dispatcher.seek({ topic, partition: 0 }, 3n)
  const placed = stage.place({ 0: 17n, 1: -1n })
  await settled()
  stage.queue(0).progress.committed(3n, true)
  told()
  expect(await placed).toEqual([3n, 100n])
  expect(stage.queue(0).progress).toMatchObject({ mark: 3n, acknowledged: 3n })
})

test('of a hundred requests that come at once, one is told the whole assignment; a later one is told it again', async () => {
  const stage = new Stage()
  const committed = Object.fromEntries(Array.from({ length: 50 }, (_, partition) => [partition, 5n]))
  stage.begin(Object.keys(committed).map(Number))
  const told = await Promise.all(Array.from({ length: 100 }, () => stage.place(committed)))
  expect(told.map((starts) => starts.filter((offset) => offset === 5n).length)).toEqual([50, ...Array(99).fill(0)])
  expect((await stage.place(committed)).every((offset) => offset === 5n)).toBe(true)
})

test('a partition whose place is being looked up keeps the others from none of the requests that came at once', async () => {
  const stage = new Stage()
  stage.reader.failing.set(1, new Error('no leader'))
  stage.begin([0, 1])
  const told = Promise.all([stage.place({ 0: 5n, 1: -1n }), stage.place({ 0: 5n, 1: -1n })])
  await vi.advanceTimersByTimeAsync(1000)
  expect(await told).toEqual([
    [5n, undefined],
    [5n, undefined],
  ])
})

test('as places become known one by one, nobody goes through all of them each time', async () => {
  const stage = new Stage()
  const committed = Object.fromEntries(Array.from({ length: 200 }, (_, partition) => [partition, -1n]))
  stage.begin(Object.keys(committed).map(Number))
  const assigned = vi.spyOn(stage.dispatcher, 'assigned')
  const made = vi.spyOn(stage.dispatcher, 'queueOf')
  const done: boolean[] = []
  stage.onChange = () => void done.push(stage.positions.complete)
  await stage.place(committed)
  await settled()
  expect(done).toHaveLength(201)
  expect(done.filter(Boolean)).toHaveLength(1)
  expect(assigned).not.toHaveBeenCalled()
  expect(made.mock.calls.length).toBeLessThan(5 * 200)
})

test('twenty partitions that can not be looked up give no warning', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  try {
    const stage = new Stage()
    const partitions = Array.from({ length: 20 }, (_, partition) => partition)
    for (const partition of partitions) stage.reader.failing.set(partition, new Error('no leader'))
    stage.begin(partitions)
    const told = stage.place(Object.fromEntries(partitions.map((partition) => [partition, -1n])))
    await vi.advanceTimersByTimeAsync(1000)
    expect(new Set(await told)).toEqual(new Set([undefined]))
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', warned)
  }
})
