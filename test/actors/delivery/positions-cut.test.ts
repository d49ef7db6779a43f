// Start positions: where reading goes on in a log that was cut, or in a topic that was made again.
import { expect, test, vi } from 'vitest'
import { Stage, settled, topic, withFakeTime } from '../stage.ts'

withFakeTime()

const fetchedWith = (firstEpoch: number, lastEpoch = firstEpoch, lastOffset = 29n) => {
  const read = { topic, partition: 0, errorCode: 0, highWatermark: 30n, lastStableOffset: 30n }
  return [{ ...read, firstEpoch, lastEpoch, lastOffset, errorAt: 0 }]
}

test('a log that was cut below what waits here is read again from the first message that is not handled', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.offer(0, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  stage.reader.end = 15n
  stage.positions.reset({ topic, partition: 0 })
  await settled()
  expect(stage.factsOf('offsets.lost')).toEqual([
    { type: 'offsets.lost', topic, partition: 0, from: '15', to: '20', next: '10', reason: 'truncated' },
  ])
  expect(await stage.place({ 0: 10n })).toEqual([10n])
  // No epoch tells up to where the log is the same.
  await stage.handlers.end('0/10')
  expect(stage.queue(0).progress.mark).toBe(10n)
})

test('records of a later leader epoch are used where the one before ends at our position or behind it', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  expect(await stage.positions.validation.diverged(fetchedWith(3, 3, 11n))).toEqual([])
  await stage.offer(0, [10, 11])
  stage.reader.epochs.set(3, 12n)
  expect(await stage.positions.validation.diverged(fetchedWith(5, 6))).toEqual([])
  expect(stage.queue(0).progress.leaderEpoch).toBe(6)
  expect(stage.reader.log).toContain('look 0 epoch 3')
})

test('a log that was cut and has grown beyond our position shows by the end of the leader epoch we read', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.positions.validation.diverged(fetchedWith(3))
  await stage.offer(0, [10, 11, 12, 13])
  await stage.handlers.end('0/10', '0/11')
  stage.reader.epochs.set(3, 11n)
  stage.reader.leaderEpoch = 5
  const cut = await stage.positions.validation.diverged(fetchedWith(4))
  expect(cut.map(({ partition }) => partition)).toEqual([0])
  stage.positions.reset({ topic, partition: 0 })
  await settled()
  // 11 was handled in the log that was cut; what is there now is another message.
  expect(stage.factsOf('offsets.lost')).toMatchObject([{ from: '12', to: '14', next: '11', reason: 'truncated' }])
  expect(await stage.place({ 0: 10n })).toEqual([11n])
  // Where reading goes on, the log had the epoch of that moment: if it is cut again before it is read, that shows too.
  expect(stage.queue(0).progress.leaderEpoch).toBe(5)
  await stage.handlers.end('0/12')
  expect(stage.queue(0).progress.mark).toBe(11n)
})

test('a message at work that lies below where the log was cut is not handed out again', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.positions.validation.diverged(fetchedWith(3))
  await stage.offer(0, [10, 11, 12, 13])
  stage.reader.epochs.set(3, 12n)
  stage.positions.reset({ topic, partition: 0 })
  await settled()
  expect(stage.factsOf('offsets.lost')).toMatchObject([{ from: '12', to: '14', next: '10' }])
  await stage.handlers.end('0/10')
  expect(stage.queue(0).progress.mark).toBe(11n)
})

test('a place that was sought has no leader epoch, and what was asked for before the seek gives it none', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.positions.validation.diverged(fetchedWith(3))
  stage.dispatcher.seek({ topic, partition: 0 }, 25n)
  stage.reader.epochs.set(3, 20n)
  expect(await stage.positions.validation.diverged(fetchedWith(3, 3, 19n))).toEqual([])
  expect(await stage.positions.validation.diverged(fetchedWith(5))).toEqual([])
  expect(stage.reader.log).not.toContain('look 0 epoch 3')
})

test('a seek while the leader is asked for the end of an epoch leaves the sought place without one', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.positions.validation.diverged(fetchedWith(3))
  let answer = (_end: bigint) => {}
  stage.reader.epochEnd = () => new Promise((resolve) => (answer = resolve))
  const judged = stage.positions.validation.diverged(fetchedWith(4, 5))
  await settled()
  stage.dispatcher.seek({ topic, partition: 0 }, 40n)
  answer(5n)
  expect(await judged).toEqual([])
  expect(stage.queue(0).progress.leaderEpoch).toBe(-1)
})

test('after a restart the leader epoch comes from the commit', async () => {
  const stage = new Stage()
  await stage.assign({ 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } })
  stage.reader.epochs.set(5, 15n)
  expect(await stage.positions.validation.diverged(fetchedWith(7))).toHaveLength(1)
})

test('a log that was cut and grew to the very place that is committed shows at the assignment, by the later epoch of its leader', async () => {
  const stage = new Stage()
  stage.ledIn = 7
  stage.reader.leaderEpoch = 7
  stage.reader.end = 20n
  stage.reader.epochs.set(5, 15n)
  await stage.assign({ 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } })
  await settled()
  expect(stage.factsOf('offsets.lost')).toEqual([
    { type: 'offsets.lost', topic, partition: 0, from: '20', to: '20', next: '15', reason: 'truncated' },
  ])
  expect(stage.reader.log.at(-1)).toBe('seek 0 15')
  expect(stage.queue(0).progress).toMatchObject({ mark: 15n, uncommitted: 15n, leaderEpoch: 7 })
})

test('the places of an assignment are looked at together, once, and only those whose leader is of a later epoch', async () => {
  const stage = new Stage()
  stage.ledIn = 7
  for (const epoch of [5, 6]) stage.reader.epochs.set(epoch, 20n)
  const committed = (epoch: number) => ({ offset: 20n, metadata: `relisten/1 - 4 ${epoch}` })
  const { starts } = await stage.assign({ 0: committed(5), 1: committed(7), 2: committed(6), 3: 20n })
  stage.positions.validation.lookAtAll()
  await settled()
  expect(starts).toEqual([20n, 20n, 20n, 20n])
  expect(stage.reader.log.filter((line) => line.startsWith('look'))).toEqual(['look at epochs 0/5,2/6'])
  // It keeps the epoch it was read in: what the leader before has sent may come yet.
  expect(stage.queue(0).progress).toMatchObject({ mark: 20n, uncommitted: undefined, leaderEpoch: 5 })
  expect(stage.factsOf('offsets.lost')).toEqual([])
})

test('a log that is cut while it is read, and grew to our place again, shows when metadata tells of its leader', async () => {
  const stage = new Stage()
  await stage.assign({ 0: 10n })
  await stage.positions.validation.diverged(fetchedWith(3))
  await stage.offer(0, [10, 11, 12, 13])
  await stage.handlers.end('0/10', '0/11')
  stage.reader.epochs.set(3, 13n)
  stage.reader.end = 14n
  stage.ledIn = 4
  stage.positions.validation.lookAtAll()
  await settled()
  expect(stage.factsOf('offsets.lost')).toMatchObject([{ from: '13', to: '14', next: '12', reason: 'truncated' }])
  expect(stage.reader.log.at(-1)).toBe('seek 0 12')
})

test('a leader that does not say is asked again, and reading does not wait for it', async () => {
  const stage = new Stage()
  stage.ledIn = 7
  stage.reader.failing.set(0, new Error('gone'))
  stage.reader.epochs.set(5, 15n)
  const { starts } = await stage.assign({ 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } })
  expect(starts).toEqual([20n])
  await settled()
  stage.reader.failing.clear()
  await vi.advanceTimersByTimeAsync(2000)
  await settled()
  expect(stage.queue(0).progress.mark).toBe(15n)
})

test('where metadata tells no leader epoch, leaders are asked once per assignment', async () => {
  const stage = new Stage()
  stage.ledIn = undefined
  stage.reader.epochs.set(5, 20n)
  const committed = { 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } }
  for (const _ of [1, 2]) {
    await stage.assign(committed)
    stage.positions.validation.lookAtAll()
    await settled()
  }
  expect(stage.reader.log.filter((line) => line.startsWith('look'))).toHaveLength(2)
  expect(stage.queue(0).progress.leaderEpoch).toBe(5)
})

test('what a leader says of a place that was left meanwhile counts for nothing', async () => {
  const stage = new Stage()
  stage.ledIn = 7
  let answer = (_end: bigint) => {}
  stage.reader.epochEnds = () => [new Promise((resolve) => (answer = resolve))]
  await stage.assign({ 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } })
  stage.dispatcher.seek({ topic, partition: 0 }, 10n)
  answer(5n)
  await settled()
  expect(stage.factsOf('offsets.lost')).toEqual([])
  expect(stage.queue(0).progress).toMatchObject({ mark: 10n, leaderEpoch: 5 })
})

test('a place that was looked up has the leader epoch of that moment: a log that is cut below it before it is read shows', async () => {
  const stage = new Stage()
  stage.reader.leaderEpoch = 4
  await stage.assign({ 0: -1n })
  stage.reader.epochs.set(4, 97n)
  expect(await stage.positions.validation.diverged(fetchedWith(5, 5, 110n))).toHaveLength(1)
  stage.positions.reset({ topic, partition: 0 })
  expect(await stage.place({ 0: -1n })).toEqual([97n])
})

test('a place in a topic that was made again, unseen as yet, is looked up in the new one and read once', async () => {
  const stage = new Stage({
    fromBeginning: false,
    lookAtTopics: async () => {
      for (const { kind } of stage.topics.see([{ topic, id: 'b', errorCode: 0, partitions: 1 }]))
        if (kind === 'recreated') stage.positions.restart(topic)
    },
  })
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  stage.reader.start = 0n
  stage.reader.end = 5n
  await stage.assign({ 0: -1n })
  // It came while the group was subscribed: from its start.
  expect(stage.queue(0).progress).toMatchObject({ mark: 0n, topicId: 'b' })
  expect(stage.factsOf('offset.reset')).toMatchObject([{ offset: '0' }])
})

test('no place of a topic that goes while it is looked up is taken: the next one of its name is looked up instead', async () => {
  let now = { id: 'a', errorCode: 3, partitions: 0 }
  const stage = new Stage({
    lookAtTopics: async () => {
      for (const { kind } of stage.topics.see([{ topic, ...now }]))
        if (kind === 'recreated') stage.positions.restart(topic)
    },
  })
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  stage.reader.start = 40n
  // KafkaJS is answered as long as it is away, and asks again.
  const away = stage.assign({ 0: -1n })
  await vi.advanceTimersByTimeAsync(250)
  expect((await away).starts).toEqual([undefined])
  expect(stage.queue(0).progress.mark).toBeUndefined()
  now = { id: 'b', errorCode: 0, partitions: 1 }
  stage.reader.start = 0n
  await vi.advanceTimersByTimeAsync(2000)
  expect(stage.queue(0).progress).toMatchObject({ mark: 0n, topicId: 'b' })
  expect(stage.factsOf('offset.reset')).toMatchObject([{ offset: '0' }])
})

test('our own commit of before the log was cut does not take back the leader epoch that was read since', async () => {
  const stage = new Stage()
  const committed = { 0: { offset: 20n, metadata: 'relisten/1 - 1 5' } }
  await stage.assign(committed)
  stage.reader.epochs.set(5, 15n)
  stage.dispatcher.seek({ topic, partition: 0 }, 10n)
  expect(await stage.positions.validation.diverged(fetchedWith(5, 6))).toEqual([])
  await stage.offer(0, [10, 19])
  await stage.handlers.end('0/10', '0/19')
  await stage.assign(committed)
  expect(await stage.positions.validation.diverged(fetchedWith(6))).toEqual([])
})

test('a position behind the end is judged by the topic that is there now: one that was made again is read from its start', async () => {
  const stage = new Stage({
    lookAtTopics: async () => {
      for (const { kind } of stage.topics.see([{ topic, id: 'b', errorCode: 0, partitions: 1 }]))
        if (kind === 'recreated') stage.positions.restart(topic)
    },
  })
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: 50n })
  stage.reader.start = 0n
  stage.reader.end = 2n
  stage.positions.reset({ topic, partition: 0 })
  expect(await stage.place({ 0: 50n })).toEqual([0n])
  expect(stage.factsOf('offsets.lost')).toEqual([])
  expect(stage.queue(0).progress.mark).toBe(0n)
})

test('a topic that was made again is read from its start, and what was fetched of the old one is forgotten', async () => {
  const stage = new Stage()
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: 50n })
  await stage.offer(0, [50, 51])
  stage.reader.start = 0n
  expect(stage.topics.see([{ topic, id: 'b', errorCode: 0, partitions: 1 }])).toEqual([{ topic, kind: 'recreated' }])
  stage.positions.restart(topic)
  await settled()
  expect(stage.factsOf('offsets.lost')).toMatchObject([{ from: '50', to: '52', reason: 'recreated' }])
  expect(stage.reader.log.at(-1)).toBe('seek 0 0')
  await stage.handlers.end('0/50')
  expect(stage.queue(0).progress.mark).toBe(0n)
  await stage.offer(0, [0])
  await stage.handlers.end('0/0')
  expect(stage.queue(0).progress.mark).toBe(1n)
  expect(stage.queue(0).progress.uncommitted).toBe(1n)
})

test('a topic that was made again is read on where a member that saw it first has committed; what is of the topic before counts for nothing', async () => {
  const [before, now] = ['a'.repeat(32), 'b'.repeat(32)]
  const commits = [now, before, now].map((id, partition) => {
    return { topic, partition, errorCode: 0, offset: partition === 2 ? -1n : 52n, metadata: `relisten/1 ${id} 3 0` }
  })
  let asked = 0
  const look = async () => {
    for (const { kind } of stage.topics.see([{ topic, id: now, errorCode: 0, partitions: 3 }]))
      if (kind === 'recreated') stage.positions.restart(topic)
  }
  const committedOf = async () => {
    asked += 1
    return commits
  }
  const stage = new Stage({ lookAtTopics: look, committedOf })
  stage.topics.see([{ topic, id: before, errorCode: 0, partitions: 3 }])
  stage.reader.start = 0n
  const [first, ...others] = commits
  await stage.assign({ 0: first as never, 1: others[0] as never, 2: others[1] as never })
  await settled()
  expect([0, 1, 2].map((partition) => stage.queue(partition).progress.mark)).toEqual([52n, 0n, 0n])
  expect(stage.queue(0).progress).toMatchObject({ topicId: now, acknowledged: 52n })
  // Once to know partitions that came later, once for all that begin again.
  expect(asked).toBe(2)
})

test('a mark that began at a commit without metadata holds no longer when the topic was made again between two assignments', async () => {
  const stage = new Stage()
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: 10n })
  await stage.offer(0, [10, 11])
  await stage.handlers.end('0/10', '0/11')
  stage.topics.see([{ topic, id: 'b', errorCode: 0, partitions: 1 }])
  stage.reader.start = 0n
  expect((await stage.assign({ 0: -1n })).starts).toEqual([0n])
  expect(stage.queue(0).progress).toMatchObject({ mark: 0n, topicId: 'b' })
})

test('a sought mark holds no longer when the topic was made again between two assignments', async () => {
  const stage = new Stage()
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  stage.begin([0])
  stage.dispatcher.seek({ topic, partition: 0 }, 10n)
  expect(await stage.place({ 0: -1n })).toEqual([10n])
  stage.queue(0).progress.committed(10n, true)
  stage.topics.see([{ topic, id: 'b', errorCode: 0, partitions: 1 }])
  expect((await stage.assign({ 0: -1n })).starts).toEqual([0n])
})

test('a mark the group does not know any more is not put back into a topic that was made again meanwhile, unseen as yet', async () => {
  let now = 'a'
  const stage = new Stage({
    lookAtTopics: async () => {
      for (const { kind } of stage.topics.see([{ topic, id: now, errorCode: 0, partitions: 1 }]))
        if (kind === 'recreated') stage.positions.restart(topic)
    },
  })
  stage.topics.see([{ topic, id: now, errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: 10n })
  await stage.offer(0, [10, 11])
  await stage.handlers.end('0/10', '0/11')
  stage.reader.start = 0n
  // It was not committed yet, and is put back.
  expect((await stage.assign({ 0: -1n })).starts).toEqual([12n])
  now = 'b'
  expect((await stage.assign({ 0: -1n })).starts).toEqual([0n])
})

test('what was asked for before an assignment, or before its topic was made again, is of another era', async () => {
  const stage = new Stage()
  const eras = [stage.positions.era]
  stage.topics.see([{ topic, id: 'a', errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: 0n })
  eras.push(stage.positions.era)
  stage.positions.restart(topic)
  eras.push(stage.positions.era)
  expect(new Set(eras).size).toBe(3)
})

test('a commit of the topic before does not take back what this process has handled of the one that is there now', async () => {
  const stage = new Stage()
  const id = 'b'.repeat(32)
  stage.topics.see([{ topic, id, errorCode: 0, partitions: 1 }])
  await stage.assign({ 0: { offset: 10n, metadata: `relisten/1 ${id} 1 3` } })
  await stage.offer(0, [10, 11])
  await stage.handlers.end('0/10', '0/11')
  expect((await stage.assign({ 0: { offset: 70n, metadata: `relisten/1 ${'a'.repeat(32)} 1 3` } })).starts).toEqual([
    12n,
  ])
})
