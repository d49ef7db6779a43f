/** What each key of the hand-driven cluster does, over a front or by real restarts. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Front } from './front.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { HIGHEST_SET } from './loopback.ts'

export interface KeyAction {
  readonly label: string
  /** Resolves with what is so afterwards. */
  run(): Promise<string>
}

export type Keys = ReadonlyMap<string, KeyAction>

export function frontKeys(cluster: KafkaCluster, front: Front, group?: string): Keys {
  const sets = walk()
  const moved = (how: () => Promise<unknown>) => async () => {
    await how()
    return `Advertised now: ${front.endpoints().join(',')}`
  }
  const nodeByNode = async (set: number) => {
    for (const nodeId of cluster.nodeIds) {
      if (nodeId !== cluster.nodeIds[0]) await pause(4000)
      await front.move(set, { nodes: [nodeId] })
    }
  }
  const overlap = async (set: number) => {
    // after "one broker" the addresses in force are of two sets: each ends where its node was
    const left = cluster.nodeIds.map((nodeId) => [Number(front.address(nodeId).split('.')[2]), nodeId] as const)
    await front.open(set)
    front.advertise(set)
    await pause(10_000)
    await Promise.all(left.map(([old, nodeId]) => front.close(old, 'fin', [nodeId])))
  }
  const one = async () => {
    const nodeId = group === undefined ? 1 : await cluster.coordinatorOf(group)
    await front.move(sets.next(), { nodes: [nodeId] })
  }
  return new Map<string, KeyAction>([
    ['m', { label: 'move all, old ones close (FIN)', run: moved(() => front.move(sets.next())) }],
    ['r', { label: 'move all, old ones reset (RST)', run: moved(() => front.move(sets.next(), { close: 'rst' })) }],
    ['b', { label: 'move all, old ones go silent', run: moved(() => front.move(sets.next(), { close: 'silent' })) }],
    ['o', { label: 'move all, 10 s of overlap', run: moved(() => overlap(sets.next())) }],
    ['n', { label: 'move node by node, 4 s apart', run: moved(() => nodeByNode(sets.next())) }],
    ['c', { label: `move ${group === undefined ? 'broker 1' : `the coordinator of ${group}`} only`, run: moved(one) }],
    ['s', { label: 'swap the addresses of brokers 1 and 2', run: moved(() => front.swap(1, 2)) }],
    ['a', { label: 'back to the addresses before', run: moved(() => front.move(sets.back())) }],
  ])
}

export function restartKeys(cluster: KafkaCluster): Keys {
  const sets = walk()
  const moved = (how: () => Promise<unknown>) => async () => {
    await how()
    return `Bootstrap now: ${cluster.endpoints().join(',')}`
  }
  return new Map<string, KeyAction>([
    ['m', { label: 'restart one by one on new addresses', run: moved(() => cluster.rolling(sets.next())) }],
    ['a', { label: 'stop all, start all on new addresses', run: moved(() => cluster.restartAll(sets.next())) }],
  ])
}

/** Address sets one after the other, round and round, and the way back. */
function walk() {
  let [before, now] = [HIGHEST_SET, 1]
  return {
    next(): number {
      ;[before, now] = [now, (now % HIGHEST_SET) + 1]
      return now
    },
    back(): number {
      ;[before, now] = [now, before]
      return now
    },
  }
}
