/** Draws: choices that a seed decides, so that a run can be made again with the same actions in the same order. */

export interface Draw {
  /** A whole number, both ends included. */
  whole(least: number, most: number): number
  /** True in this share of all cases, 0 to 1. */
  chance(share: number): boolean
  one<Item>(items: readonly Item[]): Item
  shuffled<Item>(items: readonly Item[]): Item[]
}

/** `seed` is a whole number from 0 to 2³² − 1. */
export function createDraw(seed: number): Draw {
  let state = seed >>> 0
  // mulberry32: 32 bits of state are enough for choices among a few dozen things
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const whole: Draw['whole'] = (least, most) => least + Math.floor(next() * (most - least + 1))

  return {
    whole,
    chance: (share) => next() < share,
    one(items) {
      if (items.length === 0) throw new RangeError('Nothing to draw from')
      return items[whole(0, items.length - 1)] as (typeof items)[number]
    },
    shuffled(items) {
      const mixed = [...items]
      for (let last = mixed.length - 1; last > 0; last -= 1) {
        const other = whole(0, last)
        const [one, two] = [mixed[last], mixed[other]] as [(typeof mixed)[number], (typeof mixed)[number]]
        mixed[last] = two
        mixed[other] = one
      }
      return mixed
    },
  }
}
