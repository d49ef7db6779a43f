/** The metrics of the balancers of this process. */

import type { Attributes, BatchObservableResult } from '@opentelemetry/api'
import { balancingMachine } from '../../machines/balancer/balancing.ts'
import type { BalancerFactMessage } from '../balancer/balancer-channel.ts'
import type { BalancerStatus } from '../balancer/balancer-status.ts'
import type { FactRecord } from '../journal/journal.ts'
import { bounded, system } from './attributes.ts'
import type { Instruments } from './instruments.ts'
import type { MetricKey } from './metrics.ts'

const states = Object.keys(balancingMachine.states)

export class BalancerMetrics {
  private readonly instruments: Instruments
  /** By name; undefined where it has ended: an SDK goes on exporting what it was last told. */
  private readonly statuses = new Map<string, (() => BalancerStatus) | undefined>()
  private readonly goals = new Set<string>()

  constructor(instruments: Instruments) {
    this.instruments = instruments
  }

  /** Measures a fact. */
  note({ name, record, status }: BalancerFactMessage): void {
    const { type, data } = record as FactRecord
    const { write } = this.instruments
    const about = ofBalancer(name)
    this.statuses.set(name, type === 'stop.completed' ? undefined : status)
    if (type === 'round.closed') write('rounds', 1, { ...about, 'relisten.result': data.result })
    if (type !== 'step.ended') return
    write('moves', 1, { ...about, 'relisten.kind': data.kind, 'relisten.result': data.result })
    write('copied', data.bytes, about)
  }

  readonly observe = (result: BatchObservableResult): void => {
    const tell = (key: MetricKey, value: number, attributes: Attributes): void => {
      const instrument = this.instruments.observed.get(key)
      if (instrument) result.observe(instrument, value, attributes)
    }
    for (const [name, statusOf] of this.statuses) {
      const about = ofBalancer(name)
      const status = statusOf?.()
      for (const state of states)
        tell('balancers', status?.state === state ? 1 : 0, { ...about, 'relisten.state': state })
      const imbalance = new Map(Object.entries(status?.decision?.before ?? {}))
      for (const goal of imbalance.keys()) this.goals.add(goal)
      for (const goal of this.goals) tell('imbalance', imbalance.get(goal) ?? 0, { ...about, 'relisten.goal': goal })
      const newestAt = status?.newestSampleAt ?? null
      tell('sampleAge', newestAt === null ? 0 : (Date.now() - newestAt) / 1000, about)
      tell('throttles', status?.throttles.length ?? 0, about)
    }
  }
}

const ofBalancer = (name: string): Attributes => ({
  ...system,
  'messaging.client.id': bounded('messaging.client.id', name),
})
