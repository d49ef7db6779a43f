// How a consumer that has joined ends: by a handler's stop, and what its user is told of it.
import { expect, test } from 'vitest'
import { GroupStage } from './group-stage.ts'

test('a policy that says stop ends the consumer as failed, and names the message, in the fact, the status and the end', async () => {
  const stage = new GroupStage({ failing: { handlerRetries: 0, onHandlerError: 'stop' } })
  const { service } = stage
  let ended: unknown
  let consumer: typeof service.consumer
  stage.at(2, () => {
    consumer = service.consumer
    service.handling = { kind: 'throws', isLate: false, what: () => new Error('poison') }
    service.consumer?.ended.then(
      () => expect.unreachable('it ended well'),
      (error) => {
        ended = error
      },
    )
  })
  stage.at(2000, () => stage.produce())
  await stage.run(20_000)
  const told = /orders\/\d at offset 0, where `onHandlerError` said stop: poison/
  expect(stage.types(0, 'consumer.failed')).toEqual(['consumer.failed'])
  expect(stage.facts.find(({ type }) => type === 'consumer.failed')?.data.failure).toMatchObject({
    kind: 'handler-failed',
    message: expect.stringMatching(told),
  })
  expect(consumer?.status()).toMatchObject({ state: 'failed', ready: false, reason: expect.stringMatching(told) })
  expect(ended).toMatchObject({ name: 'RelistenError', code: 'handler-failed', message: expect.stringMatching(told) })
})

test('a stop at any instant while it connects and joins is a stop: no session is told as failed, and no member is left', async () => {
  for (let stopMs = 2; stopMs < 150; stopMs += 5) {
    const stage = new GroupStage()
    stage.at(stopMs, () => stage.service.stop())
    await stage.run(stopMs + 1000)
    const told = stage.types(0, 'session.failed', 'member.lost', 'consumer.failed', 'stop.completed')
    expect({ stopMs, told, left: stage.world.kafka.group.memberIds }).toEqual({
      stopMs,
      told: ['stop.completed'],
      left: [],
    })
  }
})

test('a stop in the instant in which a session is opened leaves no timer that keeps the process', async () => {
  const stage = new GroupStage()
  const { service } = stage
  let life: typeof service.life
  let timers: number | undefined
  stage.at(1.5, () => {
    life = service.life
    service.consumer?.on('session.opened', () => service.stop())
  })
  stage.at(2000, () => {
    timers = life?.pending
  })
  await stage.run(2100)
  expect(stage.types(0, 'session.opened', 'stop.completed')).toEqual(['session.opened', 'stop.completed'])
  expect(timers).toBe(0)
})
