/** The constant names under which KafkaJS knows nodes. It never sees an address. */

/** The virtual node that stands for "the group coordinator, wherever it is". */
export const coordinatorNodeId = 2147483647

/** The port of every node for KafkaJS. */
export const anyPort = 9092

export const nodeName = (nodeId: number): string => `node-${nodeId}`
/** The node behind a constant name; undefined for any other host. */
export const nodeOfName = (host: string): number | undefined => {
  const match = /^node-(\d+)$/.exec(host)
  return match ? Number(match[1]) : undefined
}
/** `host:port` of a node for KafkaJS. */
export const nodeAddress = (nodeId: number): string => `${nodeName(nodeId)}:${anyPort}`
