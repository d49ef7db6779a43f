// What a diagnostics channel is told of dials.
import { expect, test } from 'vitest'
import { createDial } from '../../../actors/connection/dial.ts'
import { reported } from '../../../actors/connection/dial-report.ts'
import type { DialMessage } from '../../../actors/diagnostics/channels.ts'
import { formatEndpoint } from '../../../machines/endpoint.ts'
import { heard } from '../diagnostics/heard.ts'
import { FakeBroker } from '../fake-broker.ts'

const dial = reported(
  createDial({ security: () => ({ clientId: 'orders' }), dialTimeoutMs: 500, clusterId: () => 'ours' }),
)

test('a dial is told with its reason, its steps and how long each took, and a failed one with its failure', async () => {
  using told = heard<DialMessage>('relisten:dial')
  const broker = await FakeBroker.listen()
  const steps: string[] = []
  const options = { nodeId: 1, reason: 'moved', onHeard: (step: string) => void steps.push(step) } as const
  const { endpoint: at } = broker
  const connection = await dial(at, options)
  connection.close()
  await broker.close()
  await expect(dial(at, { reason: 'poll' })).rejects.toThrow()
  const [first, second] = told.messages
  const endpoint = formatEndpoint(at)
  expect(first).toMatchObject({ endpoint, nodeId: 1, reason: 'moved', failure: undefined })
  expect(first?.steps.map(({ step }) => step)).toEqual(['settings', 'connect', 'answer'])
  // who asked for the dial hears of its steps as before
  expect([...new Set(steps)]).toEqual(['settings', 'connect', 'answer'])
  const sum = first?.steps.reduce((all, { tookMs }) => all + tookMs, 0) ?? 0
  expect(sum).toBeGreaterThan(0)
  expect(sum).toBeLessThanOrEqual(first?.tookMs ?? 0)
  expect(second).toMatchObject({ endpoint, nodeId: undefined, reason: 'poll', failure: { code: 'ECONNREFUSED' } })
  expect(told.messages).toHaveLength(2)
})

test('a connection that is taken over from the poller has no steps', async () => {
  using told = heard<DialMessage>('relisten:dial')
  const broker = await FakeBroker.listen()
  const polled = await dial(broker.endpoint, { reason: 'poll' })
  const taken = await dial(broker.endpoint, { reason: 'first', ready: async () => polled })
  expect(taken).toBe(polled)
  expect(told.messages.map(({ reason, steps }) => [reason, steps.length])).toEqual([
    ['poll', 3],
    ['first', 0],
  ])
  taken.close()
  await broker.close()
})
