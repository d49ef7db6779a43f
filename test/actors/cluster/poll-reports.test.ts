// What diagnostics channels are told of polls and of reported moves.
import { expect, test } from 'vitest'
import type { ClaimMessage, PollMessage } from '../../../actors/diagnostics/channels.ts'
import { heard } from '../diagnostics/heard.ts'
import { elsewhere, endpoints, old, ours, watch } from './cluster-stage.ts'

test('each round is told with why it began, whom it asked, and whether somebody responded', async () => {
  using told = heard<PollMessage>('relisten:poll')
  const { network } = ours()
  const { cluster, fact } = watch(network, endpoints(old), { pollIntervalMs: 60 })
  await cluster.ready()
  const has = (wanted: Partial<Record<keyof PollMessage, unknown>>) =>
    expect.poll(() => told.messages).toContainEqual(expect.objectContaining(wanted))
  await has({ reason: 'start', clusterId: 'ours', failure: undefined })
  await has({ reason: 'interval', failure: undefined })
  cluster.requestUpdate('unknown-node')
  await has({ reason: 'unknown-node', failure: undefined })
  network.silence(...endpoints(old))
  await fact('cluster.unreachable')
  await has({ failure: expect.objectContaining({ kind: expect.any(String) }) })
  await has({ reason: 'unanswered' })
  const silent = told.messages.find(({ failure }) => failure)
  expect(endpoints(old)).toEqual(expect.arrayContaining([...(silent?.asked ?? ['none'])]))
  expect(silent?.tookMs).toBeGreaterThan(0)
})

test('a reported move is told once, before it is confirmed', async () => {
  using told = heard<ClaimMessage>('relisten:claim')
  const { network, view } = ours()
  const { cluster, fact } = watch(network, endpoints(old), { pollIntervalMs: 60 })
  await cluster.ready()
  // one broker has moved, and the others name it elsewhere
  view.places = `1@a:9 ${old.split(' ').slice(1).join(' ')}`
  await fact('cluster.moved')
  expect(told.messages).toEqual([{ clusterId: 'ours', nodeId: 1, from: 'a:1', to: 'a:9' }])
  view.places = elsewhere
})
