// Who is given a consumer, and who is not.
import { expect, test } from 'vitest'
import { createConsumer, serveInspector } from '../../../src/index.ts'
import { handOver } from '../../../src/inspector/hand-over.ts'
import type { Watched } from '../../../src/views/inspection.ts'
import { fakeWatched } from './watched.ts'

const options = { brokers: ['127.0.0.1:1'], groupId: 'orders', topics: ['orders'], logger: false } as const

test('an observer that watches is given each consumer once, when it is created, and no event', async () => {
  const given: Watched[] = []
  const events: unknown[] = []
  const inspect = { next: (event: unknown) => events.push(event), watch: (watched: Watched) => given.push(watched) }
  const consumer = createConsumer({ ...options, inspect, eachMessage: async () => {} })
  expect(given.map((watched) => watched.consumer)).toEqual([consumer])
  expect(given[0]?.brokers()).toEqual([])
  consumer.start().catch(() => {})
  for await (const { to } of consumer.events()) if (to === 'retrying') break
  await consumer.stop()
  expect(events).toEqual([])
})

test('an observer that throws harms nobody', () => {
  const watch = () => {
    throw new Error('The view is broken')
  }
  expect(() => handOver({ next: () => {}, watch }, fakeWatched())).not.toThrow()
  expect(() => handOver(() => {}, fakeWatched())).not.toThrow()
})

test('what `observe` of an inspector is given is an observer of XState as well', async () => {
  await using inspector = await serveInspector({ port: 0 })
  expect(inspector.observe.next()).toBeUndefined()
})
