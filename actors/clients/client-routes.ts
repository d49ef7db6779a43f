/**
 * The routes of one connection of a KafkaJS client: where each request goes, and what of the answer the client sees.
 *
 * | request | goes to | the client sees |
 * |---|---|---|
 * | ApiVersions | nobody | what all brokers speak |
 * | Metadata | the node, and after a moment any broker | nodes under constant names, no vanished nodes |
 * | FindCoordinator | any broker, until there is one | the same |
 * | group requests | the coordinator of that group, wherever it is | the answer; errors about the coordinator are waited out |
 * | Fetch | the node | passing errors and a node out of reach as "nothing new", and who leads now |
 * | CreateTopics, DeleteTopics, CreatePartitions | the controller | what became of it, also where an answer was lost |
 * | configurations of topics, rights, reassignments | the node, or where it is gone any other | the answer |
 * | Produce | the leader of each partition | one answer, without an error that KafkaJS would repeat; none where it wants none |
 * | anything else | the node | the answer |
 */

import { setMaxListeners } from 'node:events'
import type { Fact } from '../../machines/fact.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import { bounds, Streak } from '../connection/retry-pace.ts'
import { isAnswered, isOfBroker, producerOf, timeoutOf } from '../protocol/client-requests.ts'
import { answerHeaderBytes, apiKeyOf, apiKeys, apiVersionOf, passingErrors } from '../protocol/frames.ts'
import { isRead } from '../protocol/produce.ts'
import { requestName } from '../protocol/versions.ts'
import { sleep } from '../time/sleep.ts'
import { LinkPool, type LinkPoolOptions } from '../wire/link-pool.ts'
import type { AnnouncedNodes } from './announced-nodes.ts'
import { ClientFetches } from './client-fetches.ts'
import type { ClientSequences } from './client-sequences.ts'
import { GroupRequests } from './group-requests.ts'
import type { Leaders } from './leaders.ts'
import { ProduceRequests } from './produce-requests.ts'
import type { ProducedOrder } from './produced-order.ts'
import type { ProducerIds } from './producer-ids.ts'
import { TopicChanges } from './topic-changes.ts'
import { UnansweredProduces } from './unanswered-produces.ts'

export interface ClientRoutesOptions extends LinkPoolOptions {
  readonly cluster: Cluster
  readonly clientId: string
  readonly nodes: AnnouncedNodes
  readonly leaders: Leaders
  readonly order: ProducedOrder
  readonly producerIds: ProducerIds
  readonly sequences: ClientSequences
  /** How long a request may take, in milliseconds. */
  readonly requestTimeoutMs: number
  readonly emit: (fact: Fact) => void
  /** Groups that a client has joined, over whichever connection. */
  readonly joined: Set<string>
  /** Answers ApiVersions. */
  readonly versions: () => Promise<Buffer>
}

/** Requests that any broker answers, or hands on to the controller. */
const ofAnyBroker: ReadonlySet<number> = new Set([
  ...[apiKeys.describeAcls, apiKeys.createAcls, apiKeys.deleteAcls, apiKeys.describeConfigs, apiKeys.alterConfigs],
  ...[apiKeys.alterPartitionReassignments, apiKeys.listPartitionReassignments],
])
/** Their answer tells what they did, so they can't be sent a second time. */
const notAgain: ReadonlySet<number> = new Set([apiKeys.deleteAcls])
/** How long a node may be silent where it answers at once, in milliseconds. */
const silenceMs = 1000
/** Other brokers are asked for what a node that knows it does not say within this time, in milliseconds. */
const othersAfterMs = 250
/** The node is not there to be asked. */
const absences: ReadonlySet<string | undefined> = new Set(['NODE_LEFT', 'ETIMEDOUT'])

export class ClientRoutes {
  readonly links: LinkPool
  private readonly options: ClientRoutesOptions
  private readonly fetches: ClientFetches
  private readonly groups: GroupRequests
  private readonly topics: TopicChanges
  private readonly produces: ProduceRequests
  private readonly unanswered: UnansweredProduces
  private readonly stop = new AbortController()

  constructor(options: ClientRoutesOptions) {
    this.options = options
    const { signal } = this.stop
    // Each request may wait with it.
    setMaxListeners(0, signal)
    this.links = new LinkPool(options, () => {})
    const linkTo = (nodeId: number, mayBeHeld = false) => this.links.controlLink(nodeId, mayBeHeld)
    const shared = { ...options, signal, linkTo }
    const told = new Set(options.nodes.ids)
    this.fetches = new ClientFetches({ ...shared, told, linkTo: (nodeId) => this.links.openFetchLink(nodeId) })
    this.groups = new GroupRequests(shared)
    this.topics = new TopicChanges(shared)
    this.produces = new ProduceRequests(shared)
    this.unanswered = new UnansweredProduces(shared)
  }

  /** Answers one request, written into a connection to this node; to whichever, where it is undefined. Nothing where the client awaits no answer. */
  async answer(nodeId: number | undefined, request: Buffer): Promise<Buffer | undefined> {
    const apiKey = apiKeyOf(request)
    if (apiKey === apiKeys.apiVersions) return this.options.versions()
    if (apiKey === apiKeys.metadata) return this.metadata(nodeId, request)
    if (apiKey === apiKeys.findCoordinator) return this.coordinator(request)
    if (apiKey === apiKeys.endTxn) this.options.sequences.endTransaction(producerOf(request))
    if (GroupRequests.isOne(request)) return this.groups.answer(request)
    if (TopicChanges.isOne(request)) return this.topics.answer(request, nodeId)
    if (apiKey === apiKeys.fetch) return this.fetches.fetch(nodeId ?? this.anyNode(), request)
    if (ofAnyBroker.has(apiKey) && !isOfBroker(request)) return this.toAny(nodeId, request)
    if (apiKey === apiKeys.produce && isRead(request)) return this.produced(request)
    const silence = timeoutOf(request) ?? silenceMs
    if (isAnswered(request)) return this.links.controlLink(nodeId ?? this.anyNode()).send(request, silence)
    await this.links.controlLink(nodeId ?? this.anyNode()).send(request, silence, { delivery: 'unanswered' })
    return undefined
  }

  private async produced(request: Buffer): Promise<Buffer | undefined> {
    if (isAnswered(request)) return this.produces.answer(request)
    await this.unanswered.post(request)
    return undefined
  }

  /** Closes every link, and ends what waits. */
  close(): void {
    this.stop.abort(closedError('This connection'))
    this.links.close()
  }

  /** Asked of the node itself first: brokers learn of a change one after the other, and this one may have told the client of it. */
  private async metadata(nodeId: number | undefined, request: Buffer): Promise<Buffer> {
    const { nodes, leaders } = this.options
    const given = new AbortController()
    const others = async () => {
      if (nodeId !== undefined && !(await sleep(othersAfterMs, given.signal))) throw closedError('This question')
      return this.asked(request)
    }
    const itself = nodeId === undefined ? [] : [this.ofNode(nodeId, request, given.signal)]
    const answer = await Promise.any([...itself, others()]).catch((error: AggregateError) => {
      throw error.errors.at(-1)
    })
    given.abort('settled')
    leaders.note(answer)
    return nodes.inMetadata(answer)
  }

  private ofNode(nodeId: number, request: Buffer, signal: AbortSignal): Promise<Buffer> {
    return this.links.controlLink(nodeId).send(Buffer.from(request), silenceMs, { signal })
  }

  /** A coordinator that is being chosen or loads is waited for. */
  private async coordinator(request: Buffer): Promise<Buffer> {
    const answer = await this.asked(request, (frame) => passingErrors.has(frame.readInt16BE(answerHeaderBytes + 4)))
    return this.options.nodes.inCoordinator(answer)
  }

  /** Asks any broker, until one answers what does not pass by itself, or the time is up. */
  private async asked(request: Buffer, passes: (frame: Buffer) => boolean = () => false): Promise<Buffer> {
    const { cluster, requestTimeoutMs } = this.options
    const { signal } = this.stop
    const end = performance.now() + requestTimeoutMs
    const unanswered = new Streak()
    for (;;) {
      const isLate = performance.now() > end
      try {
        const answer = await cluster.ask(Buffer.from(request), signal)
        if (isLate || !passes(answer)) return answer
      } catch (error) {
        if (!(error instanceof ConnectionError) || isLate || signal.aborted) throw error
      }
      unanswered.failed(bounds.lookUp)
      await sleep(unanswered.waitMs, signal)
    }
  }

  private async toAny(nodeId: number | undefined, request: Buffer): Promise<Buffer> {
    const delivery = notAgain.has(apiKeyOf(request)) ? 'once' : 'again'
    const end = performance.now() + this.options.requestTimeoutMs
    for (let node = nodeId ?? this.anyNode(); ; node = this.anyNode(node)) {
      try {
        return await this.links.controlLink(node).send(Buffer.from(request), silenceMs, { delivery })
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        const { code } = error.failure
        if (code === 'ANSWER_LOST') throw this.lost(request, error)
        if (!absences.has(code) || performance.now() > end) throw error
      }
    }
  }

  private lost(request: Buffer, { failure }: ConnectionError): ConnectionError {
    const name = requestName(apiKeyOf(request), apiVersionOf(request))
    this.options.emit({ type: 'response.lost', request: name, failure })
    const message = `${failure.message}. Whether ${name} took effect can't be known: look, and repeat it if it did not`
    return new ConnectionError({ ...failure, message })
  }

  /** A node that the newest answer names, and not this one where there is another. */
  private anyNode(not?: number): number {
    const present = this.options.cluster.book.entries().filter((entry) => entry.present)
    const node = present.find(({ nodeId }) => nodeId !== not) ?? present[0]
    if (node) return node.nodeId
    throw new ConnectionError({ kind: 'unreachable', message: 'No broker is known', code: 'NO_BROKER' })
  }
}
