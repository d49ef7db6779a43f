/** The address sets of a front, one after the other. */
import type { Front } from '../../cluster/front.ts'
import { HIGHEST_SET } from '../../cluster/loopback.ts'

/** The set of the first broker now. */
export const setNow = (front: Front): number => Number(front.address(1).split('.')[2])

/** The set after that; after the highest comes the first. */
export const setAfter = (front: Front): number => (setNow(front) % HIGHEST_SET) + 1
