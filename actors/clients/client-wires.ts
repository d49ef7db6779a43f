/**
 * The wires of KafkaJS's clients: each connection they open is one. With the first the cluster is looked for, which this process shares
 * among all who have the same; with the last it is let go.
 */

import { setMaxListeners } from 'node:events'
import { Subject } from 'rxjs'
import type { Endpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ConnectionError, closedError } from '../connection/connection.ts'
import type { Dial } from '../connection/dial.ts'
import { calls, encodeCall, kafkaJsVersions } from '../kafkajs/calls.ts'
import { answerHeaderBytes, apiKeyOf, apiKeys, errorCodes } from '../protocol/frames.ts'
import { commonVersions, type SpokenVersions, spokenAnswer } from '../protocol/versions.ts'
import { Condition } from '../time/condition.ts'
import { Wire } from '../wire/wire.ts'
import { AnnouncedNodes } from './announced-nodes.ts'
import { ClientRoutes } from './client-routes.ts'
import { ClientSequences } from './client-sequences.ts'
import { Leaders } from './leaders.ts'
import { ProducedOrder } from './produced-order.ts'
import { ProducerIds } from './producer-ids.ts'

export interface ClientWiresOptions {
  /** The cluster, held until it is released. */
  readonly acquire: () => Cluster
  readonly dial: Dial
  readonly clientId: string
  /** How long a request waits for a node that is out of reach, in milliseconds. */
  readonly holdMs: number
  /** How long a request of a client may take, in milliseconds. */
  readonly requestTimeoutMs: number
  /** Bytes of producers' requests that are under way at once. */
  readonly maxInFlightBytes: number
  readonly emit: (fact: Fact) => void
}

interface OpenWire {
  readonly wire: Wire
  readonly routes: ClientRoutes
}

export class ClientWires {
  /** The facts of the cluster, while it is held. */
  readonly facts$ = new Subject<Fact>()
  private readonly options: ClientWiresOptions
  private readonly nodes = new AnnouncedNodes()
  private readonly order: ProducedOrder
  private readonly producerIds = new ProducerIds(() => this.newProducerId())
  private readonly sequences = new ClientSequences()
  private readonly wires = new Set<OpenWire>()
  private readonly refused = new Set<number>()
  /** Groups that a client has joined. */
  private readonly joined = new Set<string>()
  private held: { readonly cluster: Cluster; readonly leaders: Leaders } | undefined
  private spoken: SpokenVersions | undefined
  private failure: Failure | undefined
  private readonly failed$ = new Subject<Failure>()
  private isClosed = false
  private readonly answered = new Condition()
  /** Requests that wait for their answer, beside fetches. */
  waiting = 0

  constructor(options: ClientWiresOptions) {
    this.options = options
    this.order = new ProducedOrder(options.maxInFlightBytes)
  }

  /** What clients were told that all brokers speak; undefined before the first asked. */
  get promised(): SpokenVersions | undefined {
    return this.spoken
  }

  get cluster(): Cluster | undefined {
    return this.held?.cluster
  }

  /** Batches of plain producers that were sent again and may be in the log twice. */
  get repeated(): number {
    return this.order.repeated
  }

  /** Batches for which no answer is awaited and that were not sent. */
  get dropped(): number {
    return this.order.dropped
  }

  /** The number of connections that are open. */
  get size(): number {
    return this.wires.size
  }

  /** Opens a wire to whatever node this name stands for. */
  open(endpoint: Endpoint, onConnect: () => void): Wire {
    if (this.isClosed) return refusing()
    const { cluster, leaders } = this.hold()
    const { nodes, order, producerIds, sequences } = this
    const routes = new ClientRoutes({
      ...this.options,
      joined: this.joined,
      cluster,
      leaders,
      nodes,
      order,
      producerIds,
      sequences,
      versions: () => this.versions(),
    })
    const wire = new Wire({
      onConnect,
      answer: async (request) => {
        // A long poll is nothing that anybody waits for.
        const counts = apiKeyOf(request) === apiKeys.fetch ? 0 : 1
        this.waiting += counts
        try {
          return await routes.answer(nodes.nodeAt(endpoint), request)
        } finally {
          this.waiting -= counts
          this.answered.wakeup()
        }
      },
      onEnd: () => {
        routes.close()
        this.wires.delete(opened)
        if (this.wires.size === 0) this.letGo()
      },
    })
    const opened = { wire, routes }
    this.wires.add(opened)
    return wire
  }

  /** Resolves with true when all links in use are where their nodes are, and with false after `withinMs` milliseconds or with the signal. */
  async caughtUp(withinMs: number, signal: AbortSignal): Promise<boolean> {
    const isLeftOut = (nodeId: number) => this.refused.has(nodeId) || !this.cluster?.book.names(nodeId)
    // Each wire may wait with it.
    setMaxListeners(0, signal)
    const each = [...this.wires].map(({ routes }) => routes.links.caughtUp(isLeftOut, withinMs, signal))
    return (await Promise.all(each)).every(Boolean)
  }

  /** Resolves with true when no request waits for its answer, and with false after `withinMs` milliseconds. */
  async settled(withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs
    while (this.waiting > 0) if (!(await this.answered.wait(until - performance.now()))) return this.waiting === 0
    return true
  }

  /** Fails every wire, and those that are opened later. */
  close(): void {
    this.isClosed = true
    for (const { wire } of [...this.wires]) wire.fail(closedError('What this client follows'))
  }

  private hold() {
    if (this.held) return this.held
    this.options.emit({ type: 'wires.opened' })
    const cluster = this.options.acquire()
    this.held = { cluster, leaders: new Leaders(cluster, this.options.clientId) }
    cluster.facts$.subscribe({
      next: (fact) => {
        this.notice(fact)
        this.facts$.next(fact)
      },
      error: (error) => this.facts$.error(error),
    })
    return this.held
  }

  private async newProducerId() {
    const call = calls.initProducerId()
    // The last wire may have gone while its requests were being numbered.
    if (!this.held) throw closedError('This connection')
    const answer = await this.held.cluster.ask(await encodeCall(call, this.options.clientId))
    const { errorCode, producerId, producerEpoch } = await call.decode(answer.subarray(answerHeaderBytes))
    if (errorCode === errorCodes.none) return { id: BigInt(producerId), epoch: producerEpoch }
    throw new ConnectionError({ kind: 'unreachable', message: `No producer id was given: error ${errorCode}` })
  }

  private letGo(): void {
    const { cluster } = this.held ?? {}
    this.held = undefined
    this.failure = undefined
    cluster?.release()
    this.options.emit({ type: 'wires.closed' })
  }

  private notice(fact: Fact): void {
    if (fact.type === 'endpoint.refused') {
      this.refused.add(fact.nodeId)
      for (const { routes } of this.wires) routes.links.recheck()
    }
    if (fact.type === 'endpoint.healed') this.refused.delete(fact.nodeId)
    if (fact.type === 'cluster.reached') this.failure = undefined
    if (fact.type !== 'cluster.unreachable') return
    this.failure = fact.failure
    this.failed$.next(fact.failure)
  }

  /** The answer to ApiVersions. It is asked of one broker and believed of all, so it holds for all of them, and for as long as there are clients. */
  private async versions(): Promise<Buffer> {
    const { cluster } = this.hold()
    if (!this.spoken) {
      const failure = await this.reached(cluster)
      // Of KafkaJS's errors the one that it does not try again.
      if (failure?.kind === 'login-refused')
        return spokenAnswer(new Map(), errorCodes.saslAuthenticationFailed).answer()
      if (failure) throw new ConnectionError(failure)
      this.spoken ??= commonVersions(kafkaJsVersions, await cluster.versions())
    }
    return spokenAnswer(this.spoken).answer()
  }

  /** Resolves when a broker has answered, or with why none does. */
  private async reached(cluster: Cluster): Promise<Failure | undefined> {
    if (this.failure) return this.failure
    return new Promise((resolve) => {
      const failed = this.failed$.subscribe(resolve)
      cluster
        .ready()
        .then(
          () => resolve(undefined),
          (error) => resolve(error instanceof ConnectionError ? error.failure : undefined),
        )
        .finally(() => failed.unsubscribe())
    })
  }
}

/** A wire of a client that came too late. */
function refusing(): Wire {
  const wire = new Wire({ onConnect: () => {}, answer: () => Promise.reject(closedError('It')), onEnd: () => {} })
  setImmediate(() => wire.fail(closedError('What this client follows')))
  return wire
}
