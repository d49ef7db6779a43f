/**
 * A front moves all advertised addresses of a real cluster in an instant. The brokers advertise reserved addresses
 * (127.0.9.N) for ever and are never restarted; the front listens at 127.0.S.N for each open address set S, forwards to
 * broker N, and rewrites the host texts in what brokers answer. So Metadata and FindCoordinator change in the same
 * moment for everybody, while brokers, coordinator and logs stay real. Up to three fronts stand before one cluster at a time;
 * the second has broker N at 127.0.S.(N+3), the third at 127.0.S.(N+6). Two of them are two live listeners of the brokers: as with
 * Kafka's own, who comes in by one hears of its addresses only.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Road } from './distance.ts'
import type { Replacements } from './frame-rewriter.ts'
import { type AddressOptions, type Cut, createFrontAddress, type Ending, type FrontAddress } from './front-address.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { assertSet, loopback, parseEndpoint } from './loopback.ts'

export interface Move {
  /** How the addresses that were advertised before end. Default `fin`. */
  readonly close?: Ending
  /** Default: all nodes. */
  readonly nodes?: readonly number[]
}

/** The instant of a change, as `Date.now()`. */
export interface Moved {
  readonly at: number
}

export interface Front extends AsyncDisposable {
  /** Endpoints the brokers advertise now; with `names` on these are host names. */
  endpoints(): string[]
  endpoint(nodeId: number): string
  /** IP address of a node now, for a test's resolver. */
  address(nodeId: number): string
  /** Moves so far, of every kind. */
  readonly moveCount: number
  /** Live connections of clients, silent ones included. */
  connections(): number
  /** Starts to listen on 127.0.SET.N and to forward to broker N. */
  open(set: number, nodes?: readonly number[]): Promise<void>
  /** Which set the brokers claim from now on. */
  advertise(set: number, nodes?: readonly number[]): void
  /** `fin`: end, destroyed 20 ms later. `rst`: reset. `silent`: connections stay and new ones are accepted, nothing passes. */
  close(set: number, how: Ending, nodes?: readonly number[]): Promise<void>
  /** Opens and advertises the set and closes what was advertised before, in one instant. */
  move(set: number, move?: Move): Promise<Moved>
  /** Two brokers exchange their addresses; connections there end by FIN. */
  swap(one: number, other: number): Promise<Moved>
  /** Advertises `node<N>.lan` (or these texts of nine characters) instead of addresses; `address` says where they lead. */
  names(on: boolean | Readonly<Record<number, string>>): void
  /** The addresses of this set lead to another cluster (started with `strangerTo`) from now on; `null` closes them. */
  foreign(set: number, other: Pick<Behind, 'nodeIds' | 'endpoint'> | null): Promise<void>
  /** Requests with these API keys are swallowed from now on; an empty list ends that. */
  drop(apiKeys: readonly number[]): void
  /**
   * The next so many requests with this API key to these nodes end their connection by a reset: with `request` before the broker sees them, with
   * `answer` when it has answered. 0 ends that. Returns how many are left, as a function.
   */
  cut(kind: Cut, apiKey: number, times: number, nodes?: readonly number[]): () => number
  /** Requests with this API key reach these nodes so many milliseconds later, and all behind them on the same connection; 0 ends that. */
  hold(apiKey: number, heldMs: number, nodes?: readonly number[]): void
  /** Connections to these nodes that are made from now on come over this road; `null` for none. */
  distance(road: Road | null, nodes?: readonly number[]): void
  /** The packets of the connections that these nodes have now vanish both ways, new connections work; see `FrontAddress`. */
  forget(nodes?: readonly number[], carried?: number): number
  /** In requests to these nodes a text arrives as another one of the same length; `null` ends that. A wrong user name is a refused login. */
  misread(texts: Replacements | null, nodes?: readonly number[]): void
}

/** What a front needs to know of the cluster behind it. */
export type Behind = Pick<KafkaCluster, 'bindFixed' | 'nodeIds' | 'port' | 'endpoint'>

/** Places of fronts before a cluster, by its port. */
const taken = new Map<number, Set<number>>()

/** `tap` is called for what passes; with `tls` its addresses take TLS, and what is inside goes to the broker as it is. */
export type FrontOptions = Pick<AddressOptions, 'tap' | 'tls'>

/** The front starts on set 1, all nodes open and advertised. */
export async function startFront(cluster: Behind, { tap, tls }: FrontOptions = {}): Promise<Front> {
  if (!cluster.bindFixed) throw new Error('A front needs a cluster started with `bindFixed: true`')
  const { nodeIds, port } = cluster
  const places = taken.get(port) ?? new Set()
  taken.set(port, places)
  const place = [0, 1, 2].find((free) => !places.has(free))
  if (place === undefined) throw new Error('Three fronts stand before this cluster already')
  places.add(place)
  const hostAt = (set: number, nodeId: number) => loopback(set, nodeId + place * nodeIds.length)
  const addresses = new Map<string, FrontAddress>()
  /** Node id → address it has now. */
  const current = new Map<number, string>()
  let named: Readonly<Record<number, string>> = {}
  let dropped: ReadonlySet<number> = new Set()
  const cuts = new Map<string, { left: number }>()
  const held = new Map<string, number>()
  const misread = new Map<number, Replacements>()
  const roads = new Map<number, Road>()
  const exits = new Map(nodeIds.map((nodeId) => [nodeId, { freeAt: 0 }]))
  const asItIs: Replacements = new Map()
  let moveCount = 0

  const at = (set: number, nodeId: number): FrontAddress => {
    assertSet(set)
    const host = hostAt(set, nodeId)
    const known = addresses.get(host)
    if (known !== undefined) return known
    const passage = (apiKey: number) => ({
      dropped: dropped.has(apiKey),
      heldMs: held.get(`${nodeId} ${apiKey}`) ?? 0,
      misread: misread.get(nodeId) ?? asItIs,
    })
    const cut = (kind: Cut, apiKey: number) => {
      const count = cuts.get(`${kind} ${nodeId} ${apiKey}`)
      if (count === undefined || count.left === 0) return false
      count.left -= 1
      return true
    }
    const exit = exits.get(nodeId) ?? { freeAt: 0 }
    const added = createFrontAddress(host, port, own(nodeId), {
      ...{ passage, cut, road: () => roads.get(nodeId), exit, tap, tls },
    })
    addresses.set(host, added)
    return added
  }
  const own = (nodeId: number) => ({ ...parseEndpoint(cluster.endpoint(nodeId)), replacements: claims })
  const address = (nodeId: number): string => {
    const host = current.get(nodeId)
    if (host === undefined)
      throw new RangeError(`Expected the node id to be one of ${nodeIds.join(', ')}, got ${nodeId}`)
    return host
  }
  const advertised = (nodeId: number): string => named[nodeId] ?? address(nodeId)

  // the answers of every broker go through here, so all of them change their minds together
  const claims = (): Replacements =>
    new Map(nodeIds.map((nodeId) => [parseEndpoint(cluster.endpoint(nodeId)).host, advertised(nodeId)]))

  const open: Front['open'] = async (set, nodes = nodeIds) => {
    for (const nodeId of nodes) {
      const owner = nodeIds.find((id) => current.get(id) === at(set, nodeId).host && id !== nodeId)
      if (owner === undefined || nodes.includes(owner)) continue
      throw new Error(`${hostAt(set, nodeId)} is the address of broker ${owner} after a swap: swap back or move both`)
    }
    await Promise.all(nodes.map((nodeId) => at(set, nodeId).listen()))
    for (const nodeId of nodes) at(set, nodeId).lead(own(nodeId))
  }

  const advertise: Front['advertise'] = (set, nodes = nodeIds) => {
    assertSet(set)
    for (const nodeId of nodes) current.set(nodeId, hostAt(set, nodeId))
  }

  await open(1)
  advertise(1)

  return {
    endpoints: () => nodeIds.map((nodeId) => `${advertised(nodeId)}:${port}`),
    endpoint: (nodeId) => `${advertised(nodeId)}:${port}`,
    address,
    get moveCount() {
      return moveCount
    },
    connections: () => [...addresses.values()].reduce((sum, one) => sum + one.connections, 0),
    open,
    advertise,

    async close(set, how, nodes = nodeIds) {
      for (const nodeId of nodes) at(set, nodeId).end(how)
      if (how === 'fin') await pause(20)
    },

    async move(set, { close = 'fin', nodes = nodeIds } = {}) {
      await open(set, nodes)
      // from here to the return nothing else can run
      const left = nodes.map(address)
      advertise(set, nodes)
      const kept = new Set(nodeIds.map(address))
      for (const host of left) if (!kept.has(host)) addresses.get(host)?.end(close)
      moveCount += 1
      return { at: Date.now() }
    },

    async swap(one, other) {
      const [first, second] = [address(one), address(other)]
      current.set(one, second)
      current.set(other, first)
      for (const nodeId of [one, other]) {
        addresses.get(address(nodeId))?.lead(own(nodeId))
      }
      moveCount += 1
      return { at: Date.now() }
    },

    names(on) {
      const texts = on === true ? Object.fromEntries(nodeIds.map((nodeId) => [nodeId, `node${nodeId}.lan`])) : on || {}
      for (const nodeId of nodeIds) {
        const text = texts[nodeId]
        if (text !== undefined && text.length !== address(nodeId).length) {
          throw new RangeError(`Expected a name of ${address(nodeId).length} characters, got ${text}`)
        }
      }
      named = texts
    },

    async foreign(set, other) {
      for (const nodeId of nodeIds) {
        const lent = at(set, nodeId)
        if (other === null) {
          lent.end('fin')
          lent.lead(own(nodeId))
          continue
        }
        const theirs = new Map(other.nodeIds.map((id) => [parseEndpoint(other.endpoint(id)).host, hostAt(set, id)]))
        lent.lead({ ...parseEndpoint(other.endpoint(nodeId)), replacements: () => theirs })
        await lent.listen()
      }
    },

    drop(apiKeys) {
      dropped = new Set(apiKeys)
    },

    cut(kind, apiKey, times, nodes = nodeIds) {
      const count = { left: times }
      for (const nodeId of nodes) cuts.set(`${kind} ${nodeId} ${apiKey}`, count)
      return () => count.left
    },

    hold(apiKey, heldMs, nodes = nodeIds) {
      for (const nodeId of nodes) held.set(`${nodeId} ${apiKey}`, heldMs)
    },

    distance(road, nodes = nodeIds) {
      for (const nodeId of nodes) {
        if (road === null) roads.delete(nodeId)
        else roads.set(nodeId, road)
      }
    },

    forget: (nodes = nodeIds, carried) =>
      nodes.reduce((sum, nodeId) => sum + (addresses.get(address(nodeId))?.forget(carried) ?? 0), 0),

    misread(texts, nodes = nodeIds) {
      for (const [from, to] of texts ?? asItIs) {
        if (from.length !== to.length) throw new RangeError(`Expected a text as long as ${from}, got ${to}`)
      }
      for (const nodeId of nodes) misread.set(nodeId, texts ?? asItIs)
    },

    async [Symbol.asyncDispose]() {
      for (const one of addresses.values()) one.end('rst')
      places.delete(place)
    },
  }
}
