/** The history of a watch: where nodes are, since when and where they were, as its table shows it. */

import type { Cluster } from '../../actors/cluster/cluster.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import type { Fact } from '../../machines/fact.ts'
import { verdict } from '../../machines/verdict.ts'

/** Where a node is taken to be. */
export interface NodeView {
  readonly nodeId: number
  readonly endpoint: string
  /** Where it was before it moved while it was watched. */
  readonly before: string | undefined
  /** Since when it is there, in milliseconds since 1970. */
  readonly since: number
  /** What else there is to say: it is gone, it is refused, or it was reported elsewhere and by how many. */
  readonly remark: string | undefined
}

export interface View {
  readonly clusterId: string | undefined
  /** Why no broker answers; undefined while one does. */
  readonly silence: string | undefined
  /** The newest answer: who gave it, when, how many brokers it names, and what it means against where nodes are taken to be. */
  readonly newest:
    | { readonly from: string; readonly at: number; readonly brokers: number; readonly verdict: string }
    | undefined
  readonly nodes: readonly NodeView[]
}

/** What was seen of each node. */
export class History {
  private readonly before = new Map<number, string>()
  private readonly since = new Map<number, number>()
  private readonly refused = new Map<number, string>()
  private silence: string | undefined

  note(fact: Fact, at: number): void {
    if (fact.type === 'cluster.reached') this.silence = undefined
    if (fact.type === 'cluster.unreachable') this.silence = fact.failure.message
    if (fact.type === 'endpoint.refused') this.refused.set(fact.nodeId, fact.failure.message)
    if (fact.type === 'endpoint.healed') this.refused.delete(fact.nodeId)
    if (fact.type !== 'cluster.moved') return
    for (const { nodeId, from } of fact.moves) {
      this.before.set(nodeId, from)
      this.since.set(nodeId, at)
    }
  }

  view({ book, clusterId, newest }: Cluster): View {
    const snapshot = newest()
    const entries = book.entries()
    const { kind } = snapshot ? verdict({ clusterId, entries }, snapshot) : { kind: 'unknown' }
    const nodes = entries.map(({ nodeId, present, ...endpoint }): NodeView => {
      if (!this.since.has(nodeId)) this.since.set(nodeId, Date.now())
      const claims = book.claims.filter((claim) => claim.nodeId === nodeId)
      const [claim] = claims
      const reported = claim && `reported at ${formatEndpoint(claim.to)} by ${claim.witnesses.length}`
      const remark = this.refused.get(nodeId) ?? reported ?? (present ? undefined : 'not named any more')
      const since = this.since.get(nodeId) ?? 0
      return { nodeId, endpoint: formatEndpoint(endpoint), before: this.before.get(nodeId), since, remark }
    })
    const { answeredBy, at = 0, brokers = [] } = snapshot ?? {}
    return {
      ...{ clusterId, silence: this.silence, nodes: nodes.toSorted((one, other) => one.nodeId - other.nodeId) },
      newest: answeredBy && { from: formatEndpoint(answeredBy), at, brokers: brokers.length, verdict: kind },
    }
  }
}
