/** The address sets of a front, one after the other. */
import type { Front } from '../../cluster/front.ts'
import { HIGHEST_SET } from '../../cluster/loopback.ts'

/** The set after that of the first broker now; after the highest comes the first. */
export function setAfter(front: Front): number {
  const now = Number(front.address(1).split('.')[2])
  return (now % HIGHEST_SET) + 1
}
