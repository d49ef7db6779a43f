// A consumer group on fake brokers: whoever is its coordinator answers its requests, and any broker says who that is.

import { createDial } from '../../actors/connection/dial.ts'
import { Coordinator } from '../../actors/group/coordinator.ts'
import { apiKeys } from '../../actors/protocol/frames.ts'
import { Link } from '../../actors/wire/link.ts'
import { answerFrame, int16, int32, list, offsetFetchBody, text } from './bytes.ts'
import { FakeBroker } from './fake-broker.ts'
import { FakeCluster } from './fake-cluster.ts'

export class FakeGroup {
  readonly cluster = new FakeCluster()
  readonly brokers = new Map<number, FakeBroker>()
  readonly coordinator: Coordinator
  /** Who it is at the moment. */
  coordinatorId = 1
  lookups = 0
  /** What look-ups are answered with. */
  lookupError = 0
  private readonly links = new Map<number, Link>()
  private readonly stop = new AbortController()

  private constructor() {
    const { cluster } = this
    cluster.answering = async () => {
      this.lookups++
      const place = this.brokers.get(this.coordinatorId)?.endpoint ?? { host: 'nowhere', port: 1 }
      const found = [int32(this.coordinatorId), text(place.host), int32(place.port)]
      return answerFrame(0, int32(0), int16(this.lookupError), text(null), ...found)
    }
    this.coordinator = new Coordinator({
      groupId: 'orders',
      clientId: 'orders-service',
      cluster,
      linkTo: (nodeId) => this.link(nodeId),
      signal: this.stop.signal,
    })
  }

  /** A group with these nodes; the first is its coordinator. */
  static async start(...nodeIds: number[]): Promise<FakeGroup> {
    const group = new FakeGroup()
    for (const nodeId of nodeIds) {
      const broker = await FakeBroker.listen({ nodeId })
      group.brokers.set(nodeId, broker)
      group.cluster.book.put(nodeId, broker.endpoint)
    }
    group.coordinatorId = nodeIds[0] ?? 1
    return group
  }

  broker(nodeId: number = this.coordinatorId): FakeBroker {
    const broker = this.brokers.get(nodeId)
    if (!broker) throw new Error(`There is no node ${nodeId}`)
    return broker
  }

  async end(): Promise<void> {
    this.stop.abort()
    for (const link of this.links.values()) link.close()
    await Promise.all([...this.brokers.values()].map((broker) => broker.close()))
  }

  private link(nodeId: number): Link {
    const dial = createDial({ security: () => ({}), dialTimeoutMs: 300, clusterId: () => 'ours' })
    const link = this.links.get(nodeId) ?? new Link({ nodeId, cluster: this.cluster, dial, holdMs: 5000 })
    this.links.set(nodeId, link)
    return link
  }
}

/** Bodies of a coordinator's answers. */
export const groupAnswers = {
  heartbeat: (error: number): Buffer => Buffer.concat([int32(0), int16(error)]),
  join: (error: number, generation: number, memberId: string): Buffer =>
    Buffer.concat([int32(0), int16(error), int32(generation), text('plan'), text(memberId), text(memberId), list([])]),
  sync: (error: number): Buffer => Buffer.concat([int32(0), int16(error), int32(0)]),
  leave: (memberId: string, error: number): Buffer =>
    Buffer.concat([int32(0), int16(0), list([Buffer.concat([text(memberId), text(null), int16(error)])])]),
  commit: (topic: string, errors: Readonly<Record<number, number>>): Buffer => {
    const partitions = Object.entries(errors).map(([id, error]) => Buffer.concat([int32(Number(id)), int16(error)]))
    return Buffer.concat([int32(0), list([Buffer.concat([text(topic), list(partitions)])])])
  },
  offsets: offsetFetchBody,
}

/** A coordinator that says yes to everything. */
export function agreeable(broker: FakeBroker, memberId = 'member-1'): void {
  broker.answering.set(apiKeys.joinGroup, () => groupAnswers.join(0, 4, memberId))
  broker.answering.set(apiKeys.syncGroup, () => groupAnswers.sync(0))
  broker.answering.set(apiKeys.heartbeat, () => groupAnswers.heartbeat(0))
  broker.answering.set(apiKeys.leaveGroup, () => groupAnswers.leave(memberId, 0))
}
