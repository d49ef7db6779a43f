/** The metrics that are read when they are collected: what consumers are and have at that moment. */

import type { Attributes, BatchObservableResult } from '@opentelemetry/api'
import { noTraffic, type Traffic } from '../../actors/delivery/traffic.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import type { Consumer } from '../consumer.ts'
import { bounded, ofGroup, ofTopic, system } from './attributes.ts'
import { LoopDelay } from './event-loop.ts'
import type { Observed } from './instruments.ts'
import type { MetricKey } from './metrics.ts'

export interface ObservationOptions {
  readonly observed: Observed
  /** Whether the lag is told of each partition; undefined: while no more are assigned than `fewPartitions`. */
  readonly partitions: boolean | undefined
}

/** So many partitions are told apart unless it is asked for more. */
const fewPartitions = 200

/** Metrics whose attributes come and go: of partitions, topics and clusters. */
const passing: ReadonlySet<MetricKey> = new Set<MetricKey>(['lag', 'partitionLag', 'pollAge'])

const states = Object.keys(lifecycleMachine.states)

export class Observation {
  private readonly options: ObservationOptions
  private readonly consumers = new Set<Consumer>()
  /** What consumers of each group had done when they ended: a counter does not go back. */
  private readonly ended = new Map<string, Traffic>()
  /** Consumers of each group that ended in a failure, and in whose place no other has come. */
  private readonly failed = new Map<string, number>()
  /** Messages that were handled, by their attributes: counted for each batch, and told when it is asked for. */
  private readonly handled = new Map<string, { readonly attributes: Attributes; messages: number }>()
  /** When a poll was last answered, by cluster, on the clock of `performance.now()`. */
  private readonly polledAt = new Map<string, number>()
  /** What was told of passing metrics: an SDK goes on exporting the last value of what is told no more, so that is told as 0. */
  private readonly told = new Map<string, { readonly key: MetricKey; readonly attributes: Attributes }>()
  private readonly loop = new LoopDelay()

  constructor(options: ObservationOptions) {
    this.options = options
  }

  /** A consumer is there, until it has ended. */
  follow(consumer: Consumer): void {
    if (this.consumers.has(consumer)) return
    this.consumers.add(consumer)
    const { groupId } = consumer
    const failed = (change: number) => this.failed.set(groupId, Math.max(0, (this.failed.get(groupId) ?? 0) + change))
    failed(-1)
    const end = () => {
      this.consumers.delete(consumer)
      this.ended.set(groupId, sum(this.ended.get(groupId) ?? noTraffic, consumer.status().traffic))
    }
    consumer.ended.then(end, () => {
      end()
      failed(1)
    })
  }

  consumed(attributes: Attributes, messages: number): void {
    if (messages === 0) return
    const key = Object.values(attributes).join(' ')
    const known = this.handled.get(key)
    if (known) known.messages += messages
    else this.handled.set(key, { attributes, messages })
  }

  polled(clusterId: string): void {
    this.polledAt.set(clusterId, performance.now())
  }

  readonly observe = (result: BatchObservableResult): void => {
    const over = new Map(this.told)
    const tell = (key: MetricKey, value: number, attributes: Attributes): void => {
      const instrument = this.options.observed.get(key)
      if (instrument) result.observe(instrument, value, attributes)
      if (!passing.has(key)) return
      const series = `${key} ${JSON.stringify(attributes)}`
      over.delete(series)
      this.told.set(series, { key, attributes })
    }
    const groups = new Set([...[...this.consumers].map(({ groupId }) => groupId), ...this.ended.keys()])
    for (const groupId of groups) this.observeGroup(groupId, tell)
    for (const { attributes, messages } of this.handled.values()) tell('consumed', messages, attributes)
    const now = performance.now()
    // Without a consumer nobody polls.
    if (this.consumers.size === 0) this.polledAt.clear()
    for (const [clusterId, at] of this.polledAt)
      tell('pollAge', (now - at) / 1000, {
        ...system,
        'relisten.cluster.id': bounded('relisten.cluster.id', clusterId),
      })
    for (const { key, attributes } of over.values()) tell(key, 0, attributes)
    tell('loopDelay', this.loop.longest() / 1000, {})
  }

  close(): void {
    this.loop.close()
    this.consumers.clear()
  }

  private observeGroup(groupId: string, tell: (key: MetricKey, value: number, attributes: Attributes) => void): void {
    const consumers = [...this.consumers].filter((each) => each.groupId === groupId)
    const statuses = consumers.map((each) => each.status())
    const about = ofGroup(groupId)
    for (const state of states) {
      const count =
        statuses.filter((each) => each.state === state).length +
        (state === 'failed' ? (this.failed.get(groupId) ?? 0) : 0)
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
