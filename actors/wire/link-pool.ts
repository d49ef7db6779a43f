/**
 * The link pool: the links to each node.
 *
 * A broker reads one request per connection until it has answered it. So fetches, which it may hold for long, have a link of their own, and all
 * other requests share the control link. While a join or a sync is held on that one, what must not wait goes past it over a bypass link, which is
 * closed when nothing is held any more.
 */

import type { Fact } from '../../machines/fact.ts'
import { Condition } from '../time/condition.ts'
import { Link, type LinkOptions } from './link.ts'

export interface LinkPoolOptions extends Pick<LinkOptions, 'cluster' | 'dial' | 'holdMs' | 'requestTimeoutMs'> {
  readonly emit: (fact: Fact) => void
}

export class LinkPool {
  private readonly options: LinkPoolOptions
  private readonly fetchLinks = new Map<number, Link>()
  private readonly controlLinks = new Map<number, Link>()
  private readonly bypassLinks = new Map<number, Link>()
  /** A link is where the book says, or a node no longer counts. */
  private readonly changed = new Condition()
  private readonly onFetchOutage: (nodeId: number) => void
  private closed = false

  /** `onFetchOutage`: the link for a node's fetches is back after the node was out of reach. */
  constructor(options: LinkPoolOptions, onFetchOutage: (nodeId: number) => void) {
    this.options = options
    this.onFetchOutage = onFetchOutage
  }

  /** The number of nodes that something was fetched from. */
  get fetchNodes(): number {
    return this.fetchLinks.size
  }

  /** The link a node's fetches use; undefined before the first. */
  fetchLink(nodeId: number): Link | undefined {
    return this.fetchLinks.get(nodeId)
  }

  openFetchLink(nodeId: number): Link {
    return this.open(this.fetchLinks, nodeId)
  }

  /** The link for all requests but fetches. `mayBeHeld`: the broker may hold this one, and whatever comes meanwhile goes past it. */
  controlLink(nodeId: number, mayBeHeld = false): Link {
    const link = this.open(this.controlLinks, nodeId)
    return mayBeHeld || !link.holding ? link : this.open(this.bypassLinks, nodeId)
  }

  /**
   * Resolves with true when every link in use is connected to where the book says its node is, and with false after `withinMs` milliseconds, or as
   * soon as the signal aborts. `isLeftOut` names nodes that do not count.
   */
  async caughtUp(isLeftOut: (nodeId: number) => boolean, withinMs: number, signal?: AbortSignal): Promise<boolean> {
    const until = performance.now() + withinMs
    const isBehind = (link: Link) => link.used && !link.current && !isLeftOut(link.nodeId)
    for (let isOver = false; this.links().some(isBehind); ) {
      if (isOver) return false
      isOver = !(await this.changed.wait(until - performance.now(), signal))
    }
    return true
  }

  /** A node no longer counts: whoever waits for links looks again. */
  recheck(): void {
    this.changed.wakeup()
  }

  /** Closes every link, and those that are opened later at once. */
  close(): void {
    this.closed = true
    for (const link of this.links()) link.close()
  }

  private links(): Link[] {
    return [this.fetchLinks, this.controlLinks, this.bypassLinks].flatMap((links) => [...links.values()])
  }

  private open(links: Map<number, Link>, nodeId: number): Link {
    const known = links.get(nodeId)
    if (known) return known
    const { cluster, dial, holdMs, requestTimeoutMs, emit } = this.options
    const link = new Link({
      nodeId,
      cluster,
      dial,
      holdMs,
      requestTimeoutMs,
      urgent: links === this.fetchLinks,
      onRedial: (redial) => {
        emit({ type: 'link.reconnected', ...redial })
        if (links === this.fetchLinks && !redial.soft) this.onFetchOutage(nodeId)
      },
      onCurrent: () => this.recheck(),
      onIdle: () => this.closeBypass(nodeId),
    })
    if (this.closed) link.close()
    links.set(nodeId, link)
    return link
  }

  /** A bypass link ends with the held request it goes past, and not before what it was sent is answered. */
  private closeBypass(nodeId: number): void {
    const bypass = this.bypassLinks.get(nodeId)
    if (!bypass?.idle || this.controlLinks.get(nodeId)?.holding) return
    this.bypassLinks.delete(nodeId)
    bypass.close()
  }
}
