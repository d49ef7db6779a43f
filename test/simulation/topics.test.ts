// A topic that goes while a session is replaced, on the simulated cluster: the consumer waits for it, and reads it from its start when it was made again.
import { expect, test } from 'vitest'
import { GroupStage } from './group-stage.ts'

/** The session is replaced at this instant of the clock. */
function replaceAt(stage: GroupStage, ms: number): void {
  stage.at(ms, () => {
    const failure = { kind: 'session-silent', message: 'made up' }
    const consumer = stage.service.consumer as unknown as { send(fact: object): void }
    stage.service.use(() => consumer.send({ type: 'session.stalled', epoch: 1, failure }))
  })
}

/** The topic is away between these instants, and comes back made again. */
function awayFor(stage: GroupStage, topic: GroupStage['world']['kafka']['topics'][number], from: number, to: number) {
  const { kafka } = stage.world
  stage.at(from, () => {
    topic.remove()
    for (const { number } of topic.partitions) {
      kafka.group.offsets.delete(number)
      kafka.group.metadata.delete(number)
    }
    kafka.changed()
  })
  stage.at(to, () => {
    topic.make()
    kafka.changed()
  })
}

test('a topic that is away when the session is replaced is waited for, and the other topics are read meanwhile', async () => {
  const stage = new GroupStage()
  const { kafka } = stage.world
  const payments = kafka.addTopic('payments', 1)
  const [{ number } = { number: -1 }] = payments.partitions
  for (let ms = 1000; ms < 5000; ms += 100) stage.at(ms, () => stage.produce())
  awayFor(stage, payments, 2000, 3990)
  replaceAt(stage, 2200)
  let status: ReturnType<NonNullable<typeof stage.service.consumer>['status']> | undefined
  stage.at(5990, () => {
    status = stage.service.consumer?.status()
  })
  await stage.run(6000)
  expect(stage.types(2000, 'session.failed', 'session.opened')).toEqual(['session.opened'])
  expect(stage.types(0, 'topic.missing', 'topic.found')).toEqual(['topic.missing', 'topic.found'])
  expect(status).toMatchObject({ state: 'consuming', ready: true })
  const whileAway = stage.handled.filter(({ ms }) => ms > 2600 && ms < 3900)
  expect(new Set(whileAway.map(({ where }) => where.split('/')[0]))).toEqual(new Set(['0', '1', '2', '3']))
  // The mark of the topic that was there before holds no more: what was made again is read from its start.
  const again = stage.handled.filter(({ ms, where }) => ms > 4000 && where.startsWith(`${number}/`))
  expect(again.map(({ where }) => where)).toEqual(Array.from({ length: 10 }, (_, offset) => `${number}/${offset}`))
  expect(kafka.group.offsets.get(number)).toBe(10)
})

test('the only topic of a consumer is waited for as well', async () => {
  const stage = new GroupStage()
  const [orders] = stage.world.kafka.topics
  if (!orders) throw new Error('The world has no topic')
  for (let ms = 1000; ms < 5000; ms += 100) stage.at(ms, () => stage.produce())
  awayFor(stage, orders, 2000, 3990)
  replaceAt(stage, 2200)
  await stage.run(6000)
  expect(stage.types(2000, 'session.failed', 'stop.completed')).toEqual([])
  expect(stage.handled.filter(({ ms }) => ms > 4000)).toHaveLength(4 * 10)
})

test('a topic that never was ends a start once metadata can not lag any more, and is named', async () => {
  const stage = new GroupStage()
  stage.world.kafka.addTopic('payment', 1).remove()
  await stage.run(50_000)
  expect(stage.failure).toMatchObject({ code: 'topic-missing', message: expect.stringContaining('(topic payment)') })
  const failed = stage.facts.filter(({ type }) => type === 'session.failed')
  expect(failed.at(-1)?.ms).toBeGreaterThan(30_000)
  expect(stage.facts.find(({ type }) => type === 'consumer.failed')?.data).toMatchObject({
    failure: { kind: 'topic-missing' },
  })
})

test('a topic that is made while a start waits for it is read', async () => {
  const stage = new GroupStage()
  stage.world.kafka.addTopic('payment', 1).remove()
  stage.at(9000, () => stage.world.kafka.addTopic('payment', 1))
  await stage.run(30_000)
  expect(stage.failure).toBeUndefined()
  expect(stage.types(0, 'session.joined')).toEqual(['session.joined'])
})
