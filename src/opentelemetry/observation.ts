/** The metrics that are read when they are collected: what consumers are and have at that moment. */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { Attributes, BatchObservableResult } from '@opentelemetry/api'
import { noTraffic, type Traffic } from '../../actors/delivery/traffic.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import type { Consumer } from '../consumer.ts'
import { bounded, ofGroup, ofTopic, system } from './attributes.ts'
import type { Observed } from './instruments.ts'
import type { MetricKey } from './metrics.ts'

export interface ObservationOptions {
  readonly observed: Observed
  /** Whether the lag is told of each partition; undefined: while no more are assigned than `fewPartitions`. */
  readonly partitions: boolean | undefined
}

/** So many partitions are told apart unless it is asked for more. */
const fewPartitions = 200

const states = Object.keys(lifecycleMachine.states)

export class Observation {
  private readonly options: ObservationOptions
  private readonly consumers = new Set<Consumer>()
  /** What consumers of each group had done when they ended: a counter does not go back. */
  private readonly ended = new Map<string, Traffic>()
  /** When a poll was last answered, by cluster, on the clock of `performance.now()`. */
  private readonly polledAt = new Map<string, number>()
  private readonly loop: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 })

  constructor(options: ObservationOptions) {
    this.options = options
    this.loop.enable()
  }

  /** A consumer is there, until it has ended. */
  follow(consumer: Consumer): void {
    if (this.consumers.has(consumer)) return
    this.consumers.add(consumer)
    const end = () => {
      this.consumers.delete(consumer)
      const { groupId } = consumer
      this.ended.set(groupId, sum(this.ended.get(groupId) ?? noTraffic, consumer.status().traffic))
    }
    consumer.ended.then(end, end)
  }

  polled(clusterId: string): void {
    this.polledAt.set(clusterId, performance.now())
  }

  readonly observe = (result: BatchObservableResult): void => {
    const tell = (key: MetricKey, value: number, attributes: Attributes): void => {
      const instrument = this.options.observed.get(key)
      if (instrument) result.observe(instrument, value, attributes)
    }
    const groups = new Set([...[...this.consumers].map(({ groupId }) => groupId), ...this.ended.keys()])
    for (const groupId of groups) this.observeGroup(groupId, tell)
    const now = performance.now()
    for (const [clusterId, at] of this.polledAt)
      tell('pollAge', (now - at) / 1000, {
        ...system,
        'relisten.cluster.id': bounded('relisten.cluster.id', clusterId),
      })
    tell('loopDelay', this.loop.max / 1e9, {})
    this.loop.reset()
  }

  close(): void {
    this.loop.disable()
    this.consumers.clear()
  }

  private observeGroup(groupId: string, tell: (key: MetricKey, value: number, attributes: Attributes) => void): void {
    const consumers = [...this.consumers].filter((each) => each.groupId === groupId)
    const statuses = consumers.map((each) => each.status())
    const about = ofGroup(groupId)
    for (const state of states) {
      const count = statuses.filter((each) => each.state === state).length
      tell('consumers', count, { ...about, 'relisten.state': state })
    }
    const how = (key: 'live' | 'ready' | 'degraded') => tell(key, statuses.filter((each) => each[key]).length, about)
    how('live')
    how('ready')
    how('degraded')
    const total = (count: (status: (typeof statuses)[number]) => number) =>
      statuses.reduce((all, each) => all + count(each), 0)
    tell(
      'refused',
      total(({ refusedEndpoints }) => refusedEndpoints.length),
      about,
    )
    tell(
      'failing',
      total(({ failing }) => failing.length),
      about,
    )
    tell(
      'stalled',
      total(({ stalled }) => stalled.length),
      about,
    )
    const traffic = statuses.reduce((all, each) => sum(all, each.traffic), this.ended.get(groupId) ?? noTraffic)
    tell('suppressed', traffic.suppressedMessages, about)
    tell('fetched', traffic.fetchedMessages, about)
    tell('fetchedBytes', traffic.fetchedBytes, about)
    tell('handled', traffic.handledMessages, about)
    tell('handledBytes', traffic.handledBytes, about)
    tell(
      'buffered',
      total(({ traffic }) => traffic.bufferedBytes),
      about,
    )
    const partitions = consumers.flatMap((each) => each.partitions())
    tell('assigned', partitions.length, about)
    tell('paused', partitions.filter(({ paused }) => paused).length, about)
    const lags = new Map<string, number>()
    const isEach = this.options.partitions ?? partitions.length <= fewPartitions
    for (const { topic, partition, lag } of partitions) {
      if (lag === null) continue
      const where = { ...about, ...ofTopic(topic) }
      const name = String(where['messaging.destination.name'])
      lags.set(name, (lags.get(name) ?? 0) + lag)
      if (isEach) tell('partitionLag', lag, { ...where, 'messaging.destination.partition.id': String(partition) })
    }
    for (const [name, lag] of lags) tell('lag', lag, { ...about, 'messaging.destination.name': name })
  }
}

const sum = (one: Traffic, other: Traffic): Traffic => ({
  fetchedMessages: one.fetchedMessages + other.fetchedMessages,
  fetchedBytes: one.fetchedBytes + other.fetchedBytes,
  handledMessages: one.handledMessages + other.handledMessages,
  handledBytes: one.handledBytes + other.handledBytes,
  suppressedMessages: one.suppressedMessages + other.suppressedMessages,
  bufferedBytes: one.bufferedBytes + other.bufferedBytes,
})
