/**
 * The nodes as KafkaJS's clients know them: each keeps the name, port and rack under which it was first announced. A client that saw one of them
 * change would replace its object of the broker, close its connections and look for another coordinator.
 */

import type { Endpoint } from '../../machines/endpoint.ts'
import { formatEndpoint } from '../../machines/endpoint.ts'
import { FrameReader, FrameWriter } from '../protocol/frames.ts'
import { nodeName } from '../protocol/node-names.ts'

/** The broker in the list of a client: a name that is never looked up, as all its connections are wires. */
export const bootstrap: Endpoint = { host: 'relisten', port: 9092 }

interface AnnouncedNode extends Endpoint {
  readonly rack: string | null
}

export class AnnouncedNodes {
  private readonly nodes = new Map<number, AnnouncedNode>()
  private readonly byName = new Map<string, number>()

  /** The node behind a name; undefined for the name in the list, and for a name nobody was told. */
  nodeAt(endpoint: Endpoint): number | undefined {
    return this.byName.get(formatEndpoint(endpoint))
  }

  get ids(): number[] {
    return [...this.nodes.keys()]
  }

  /** What clients are told of a node that is announced like this. Two nodes never have one name. */
  announce(nodeId: number, announced: AnnouncedNode): AnnouncedNode {
    const known = this.nodes.get(nodeId)
    if (known) return known
    const isTaken = this.nodeAt(announced) !== undefined || formatEndpoint(announced) === formatEndpoint(bootstrap)
    const node = isTaken ? { ...announced, host: nodeName(nodeId) } : announced
    this.nodes.set(nodeId, node)
    this.byName.set(formatEndpoint(node), nodeId)
    return node
  }

  /** An answer to Metadata (version 5 or 6) with the nodes as clients know them. Vanished ones stay: a client closes what is no longer listed. */
  inMetadata(frame: Buffer): Buffer {
    const reader = new FrameReader(frame)
    const throttleMs = reader.int32()
    reader.array(() => {
      const nodeId = reader.int32()
      this.announce(nodeId, { host: reader.string() ?? '', port: reader.int32(), rack: reader.string() })
    })
    const answer = new FrameWriter().int32(throttleMs).int32(this.nodes.size)
    for (const [nodeId, { host, port, rack }] of this.nodes) answer.int32(nodeId).string(host).int32(port).string(rack)
    return answer.bytes(frame.subarray(reader.at)).answer()
  }

  /** The same of an answer to FindCoordinator (version 1 or 2). */
  inCoordinator(frame: Buffer): Buffer {
    const reader = new FrameReader(frame)
    const answer = new FrameWriter().int32(reader.int32()).int16(reader.int16()).string(reader.string())
    const nodeId = reader.int32()
    const { host, port } = this.announce(nodeId, { host: reader.string() ?? '', port: reader.int32(), rack: null })
    return answer.int32(nodeId).string(host).int32(port).answer()
  }
}
