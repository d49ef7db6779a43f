/**
 * The longest delay of the event loop, by the lateness of a timer. Reading it changes nothing: who scrapes twice sees the same, and a request
 * that came while the loop stood still, and that nobody waits for any more, takes nothing away.
 */

const beatMs = 20
const windowMs = 60_000

export class LoopDelay {
  /** Each is longer than those after it. */
  private readonly delays: { readonly at: number; readonly ms: number }[] = []
  private beatAt = performance.now()
  private readonly timer = setInterval(() => {
    this.note()
    this.beatAt = performance.now()
  }, beatMs).unref()

  /** The longest of the last minute, in milliseconds. */
  longest(): number {
    this.note()
    return this.delays[0]?.ms ?? 0
  }

  close(): void {
    clearInterval(this.timer)
  }

  private note(): void {
    const at = performance.now()
    const ms = Math.max(0, at - this.beatAt - beatMs)
    while ((this.delays.at(-1)?.ms ?? Number.POSITIVE_INFINITY) <= ms) this.delays.pop()
    this.delays.push({ at, ms })
    while ((this.delays[0]?.at ?? at) < at - windowMs) this.delays.shift()
  }
}
