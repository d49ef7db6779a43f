// A balancer on parts that a test plays: samples, the cluster, the plan, and who carries it out.
import { vi } from 'vitest'
import type { ClusterModel } from '../../machines/balancer/cluster-model.ts'
import type { Topology } from '../../machines/balancer/model.ts'
import type { Plan } from '../../machines/balancer/plan.ts'
import type { Figure } from '../../machines/balancer/sample.ts'
import type { Fact } from '../../machines/fact.ts'
import { balancerOn } from '../../src/balancer/balancer.ts'
import type { BalancerOptions, BalancerParts, LoadSource } from '../../src/balancer/balancer-options.ts'
import { even, stillPlan } from './decisions.ts'

const figure = (value: number): Figure => ({ value, trust: 1, origin: 'reported' })

/** Two brokers, one of which leads both partitions. */
const topology: Topology = {
  brokers: [1, 2].map((id) => ({ id, rack: null })),
  partitions: [0, 1].map((partition) => {
    return { topic: 'orders', partition, replicas: [1, 2], isr: [1, 2], leader: 1, isInternal: false }
  }),
  underWay: [],
}

/** One of them is to be led by the other. */
export const plan: Plan = {
  ...stillPlan('balanced'),
  ...{ before: { ...even, networkOut: 1 }, total: { before: 1, after: 0 }, stillness: null },
  steps: [
    {
      topic: 'orders',
      partition: 1,
      kind: 'leader',
      from: 1,
      to: 2,
      replicas: [2, 1],
      bytes: 0,
      why: 'networkOut',
      wins: 1,
    },
  ],
}

/** Carries out what it is given, at once. */
export const playedExecution = (): NonNullable<BalancerParts['execution']> => ({
  takeUp: async () => ({ moved: 0, failed: 0, reason: 'restarted' }),
  carryOut: async (steps, { round, emit }) => {
    for (const { topic, partition, kind, from, to, replicas, bytes } of steps) {
      emit({ type: 'step.begun', round, topic, partition, kind, from, to, replicas, bytes })
      emit({ type: 'step.ended', round, topic, partition, kind, from, to, result: 'done', bytes, reason: null })
    }
    return { moved: steps.length, failed: 0 }
  },
  progress: () => undefined,
})

/** A source of loads whose samples come when the test says so. */
function playedLoad() {
  const played = {
    newestAt: null as number | null,
    isStopped: false,
    emit: (_: Fact) => {},
    start: async () => {},
    stop: async () => {},
  }
  const source: LoadSource = {
    start: (emit) => {
      played.emit = emit
      return played.start()
    },
    stop: () => {
      played.isStopped = true
      return played.stop()
    },
    loads: () => ({
      partitions: new Map(
        [0, 1].map((partition) => [
          `orders/${partition}`,
          { bytesIn: figure(2 ** 20), bytesOut: figure(2 ** 20), size: figure(2 ** 20) },
        ]),
      ),
      slow: new Set(),
    }),
    newestAt: () => played.newestAt,
  }
  return { played, source }
}

/** What a balancer stands on, and the source of loads as the test plays it. */
export function playedParts(parts: Partial<BalancerParts> = {}) {
  const { played, source } = playedLoad()
  const given: BalancerParts = {
    ...{ load: source, topology: async () => topology, plan: () => stillPlan('balanced') },
    ...parts,
  }
  return { played, given }
}

/** Time is the test's: `vi.useFakeTimers()` comes first. */
export function stagedBalancer(parts: Partial<BalancerParts> = {}, options: BalancerOptions = {}) {
  const { played, given } = playedParts(parts)
  const models: ClusterModel[] = []
  const counted: BalancerParts = {
    ...given,
    plan: (model, settings) => {
      models.push(model)
      return given.plan(model, settings)
    },
  }
  const balancer = balancerOn(counted, options)
  const facts = () => [...balancer.journal.read()].map(({ type }) => type).filter((type) => !type.startsWith('actor.'))
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  /** Starts it, with samples that are as old as the moment from then on until `played.newestAt` is set. */
  const begin = async () => {
    played.newestAt = Date.now()
    balancer.start()
    await pass(1)
  }
  return { balancer, played, models, facts, pass, begin }
}
