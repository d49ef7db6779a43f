// What the facts and the status of balancers measure.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { instrument } from '../../../src/opentelemetry/instrument.ts'
import { plan, playedExecution, stagedBalancer } from '../../balancer/balancer-stage.ts'
import { stillPlan } from '../../balancer/decisions.ts'
import { collecting } from './collected.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('rounds, moves, bytes, imbalance, the age of samples and throttles of a balancer are measured, and end with it', async () => {
  const { meterProvider, points } = collecting()
  const end = instrument({ meterProvider })
  try {
    const execution = playedExecution()
    const { balancer, played, pass, begin } = stagedBalancer(
      { plan: (model) => (model.partitions[1]?.pinnedBy ? stillPlan('no-gain') : plan), execution },
      { clientId: 'metered' },
    )
    const of = async (name: string) =>
      ((await points()).get(name) ?? []).map(({ attributes, value }) => {
        const { 'messaging.system': _, 'messaging.client.id': client, ...others } = attributes
        expect(client).toBe('metered')
        return [...Object.values(others), value]
      })
    await begin()
    played.newestAt = Date.now() + 1
    await pass(2000)
    expect(await of('relisten.balancer.rounds')).toEqual([['executed', 1]])
    expect(await of('relisten.balancer.moves')).toEqual([['leader', 'done', 1]])
    expect(await of('relisten.balancer.copied.size')).toEqual([[0]])
    expect(await of('relisten.balancer.imbalance')).toContainEqual(['networkOut', 1])
    expect(await of('relisten.balancer.throttles')).toEqual([[0]])
    expect(await of('relisten.balancer.sample.age')).toEqual([[(Date.now() - (played.newestAt ?? 0)) / 1000]])
    expect((await of('relisten.balancers')).filter(([, value]) => value === 1)).toEqual([['cooling', 1]])
    await balancer.stop()
    expect((await of('relisten.balancers')).filter(([, value]) => value === 1)).toEqual([])
    expect(await of('relisten.balancer.imbalance')).toContainEqual(['networkOut', 0])
    expect(await of('relisten.balancer.sample.age')).toEqual([[0]])
  } finally {
    end()
  }
})
