// The name server of a simulated world: brokers have names there, and it may be slow, hang, or give addresses in another order each time.

import type { LookupFunction } from 'node:net'
import type { Clock } from './clock.ts'
import type { Life } from './life.ts'

const usualMs = 5

export class NameServer {
  /** How long it takes for names that begin so, in milliseconds; Infinity: it never answers. */
  readonly troubles = new Set<{ readonly prefix: string; readonly delayMs: number }>()
  /** Names have two addresses, and the first of them is another one each time. */
  isRotating = false
  private turns = 0
  private readonly clock: Clock
  private readonly asked: (life: Life, name: string) => void

  constructor(clock: Clock, asked: (life: Life, name: string) => void) {
    this.clock = clock
    this.asked = asked
  }

  /** In the form of `dns.lookup`. */
  readonly lookup: LookupFunction = (name, options, done) => {
    const { clock } = this
    const life = clock.current as Life | undefined
    if (life) this.asked(life, name)
    const troubles = [...this.troubles].filter(({ prefix }) => name.startsWith(prefix))
    const delayMs = Math.max(usualMs, ...troubles.map((trouble) => trouble.delayMs))
    if (delayMs === Infinity) return
    clock.plan(
      delayMs,
      () => {
        const addresses = this.addressesOf(name)
        if (options.all)
          done(
            null,
            addresses.map((address) => ({ address, family: 4 })),
          )
        else done(null, addresses[0] ?? '', 4)
      },
      life,
    )
  }

  /** `n2-17.example` is always the same, whoever asks. */
  private addressesOf(name: string): string[] {
    const [, node = '0', generation = '0'] = /^n(\d+)-(\d+)\./.exec(name) ?? []
    const last = Number(generation)
    const found = [1, 2].map((net) => `10.${net}${Math.floor(last / 200)}.${last % 200}.${node}`)
    if (!this.isRotating) return found.slice(0, 1)
    return ++this.turns % 2 === 0 ? found : found.reverse()
  }
}
