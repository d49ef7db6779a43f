/**
 * Relocations: brokers of a front move on and never come back to their first addresses, so a list of those stays obsolete. Who has
 * only that list has to hear of each relocation from a broker that still answers where it was.
 */
import type { Front } from '../../cluster/front.ts'
import { HIGHEST_SET } from '../../cluster/loopback.ts'

export interface Relocation {
  /** New addresses beside the old ones for all brokers; the old ones close when `learned` resolves. */
  besides(learned: () => Promise<void>): Promise<void>
  /** All brokers but one are elsewhere in an instant; all of them without one. */
  allBut(stay: number | undefined): Promise<void>
}

export function relocation(front: Front, nodeIds: readonly number[]): Relocation {
  let drawn = 0
  const setOf = (nodeId: number) => Number(front.address(nodeId).split('.')[2])
  const freeSet = (): number => {
    for (;;) {
      drawn += 1
      const set = 2 + (drawn % (HIGHEST_SET - 1))
      if (!nodeIds.map(setOf).includes(set)) return set
    }
  }

  return {
    async besides(learned) {
      const set = freeSet()
      const left = nodeIds.map((nodeId) => [nodeId, setOf(nodeId)] as const)
      await front.open(set)
      front.advertise(set)
      await learned()
      await Promise.all(left.map(([nodeId, old]) => front.close(old, 'fin', [nodeId])))
    },
    async allBut(stay) {
      await front.move(freeSet(), { nodes: nodeIds.filter((nodeId) => nodeId !== stay) })
    },
  }
}
