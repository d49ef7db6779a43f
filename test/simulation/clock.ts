// The clock of a simulation: time stands still while anything runs and jumps from one event to the next. Between two events all
// promises settle, so that whatever runs belongs to the owner of the event.

/** Whoever events are done for: a life of a process. What a dead one had planned never happens. */
export interface Owner {
  readonly alive: boolean
  /** Events it still waits for. */
  pending: number
  /** None of its events happens before. */
  readonly blockedUntil?: number
}

/** A planned event; in the form of a timer of Node's. */
export class Timer {
  readonly owner: Owner | undefined
  readonly delayMs: number
  at: number
  /** When it was to come, however often it is put off. */
  due: number
  order: number
  isDone = false
  readonly every: boolean
  readonly work: () => void
  private readonly clock: Clock

  constructor(clock: Clock, owner: Owner | undefined, delayMs: number, every: boolean, work: () => void) {
    this.clock = clock
    this.owner = owner
    this.delayMs = delayMs
    this.every = every
    this.work = work
    this.at = 0
    this.due = 0
    this.order = 0
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return !this.isDone
  }

  refresh(): this {
    this.clock.cancel(this)
    this.isDone = false
    this.clock.place(this)
    return this
  }

  close(): this {
    this.clock.cancel(this)
    return this
  }

  [Symbol.dispose](): void {
    this.clock.cancel(this)
  }
}

const realImmediate = setImmediate

export class Clock {
  /** Milliseconds since the simulation began. */
  now = 0
  /** On whose behalf code runs now; undefined: the world's. */
  current: Owner | undefined
  events = 0
  private readonly heap: Timer[] = []
  private order = 0

  /** Plans an event; for an owner that is dead nothing is planned. */
  plan(delayMs: number, work: () => void, owner?: Owner, every = false): Timer {
    const delay = Number.isFinite(delayMs) && delayMs > 0 ? Math.min(delayMs, 2 ** 31) : 0
    const timer = new Timer(this, owner, delay, every, work)
    if (owner && !owner.alive) timer.isDone = true
    else this.place(timer)
    return timer
  }

  /** Puts a timer in line. */
  place(timer: Timer): void {
    timer.at = this.now + Math.max(timer.delayMs, timer.every ? 1 : 0)
    timer.due = timer.at
    timer.order = ++this.order
    if (timer.owner) timer.owner.pending++
    this.heap.push(timer)
    this.rise(this.heap.length - 1)
  }

  /** Puts it off: what is put off to one instant comes in the order in which it was due. */
  private postpone(timer: Timer, at: number): void {
    timer.at = at
    this.heap.push(timer)
    this.rise(this.heap.length - 1)
  }

  cancel(timer: Timer): void {
    if (timer.isDone) return
    timer.isDone = true
    if (timer.owner) timer.owner.pending--
  }

  /** Runs events until `isOver`, which is asked after each one; rejects with what it throws, and when nothing is planned any more. */
  run(isOver: () => boolean, onThrow: (error: unknown) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = () => {
        try {
          if (isOver()) return resolve()
        } catch (error) {
          return reject(error)
        }
        const timer = this.next()
        if (!timer) return reject(new Error('Nothing is planned any more'))
        const blockedUntil = timer.owner?.blockedUntil ?? 0
        if (blockedUntil > Math.max(this.now, timer.at)) {
          this.postpone(timer, blockedUntil)
          return realImmediate(turn)
        }
        this.events++
        this.now = Math.max(this.now, timer.at)
        this.current = timer.owner
        if (timer.owner) timer.owner.pending--
        if (timer.every) this.place(timer)
        else timer.isDone = true
        try {
          timer.work()
        } catch (error) {
          onThrow(error)
        }
        realImmediate(turn)
      }
      realImmediate(turn)
    })
  }

  /** Does `work` on behalf of `owner`, now. */
  as(owner: Owner | undefined, work: () => void): void {
    const before = this.current
    this.current = owner
    try {
      work()
    } finally {
      this.current = before
    }
  }

  private next(): Timer | undefined {
    for (;;) {
      const first = this.heap[0]
      if (!first) return undefined
      const last = this.heap.pop() as Timer
      if (this.heap.length > 0) {
        this.heap[0] = last
        this.sink()
      }
      if (first.isDone) continue
      if (first.owner && !first.owner.alive) continue
      return first
    }
  }

  private rise(from: number): void {
    let at = from
    const timer = this.heap[at] as Timer
    while (at > 0) {
      const above = (at - 1) >> 1
      const other = this.heap[above] as Timer
      if (!isBefore(timer, other)) break
      this.heap[at] = other
      at = above
    }
    this.heap[at] = timer
  }

  private sink(): void {
    let at = 0
    const timer = this.heap[0] as Timer
    for (;;) {
      let below = 2 * at + 1
      if (below >= this.heap.length) break
      const right = below + 1
      if (right < this.heap.length && isBefore(this.heap[right] as Timer, this.heap[below] as Timer)) below = right
      const other = this.heap[below] as Timer
      if (!isBefore(other, timer)) break
      this.heap[at] = other
      at = below
    }
    this.heap[at] = timer
  }
}

const isBefore = (one: Timer, other: Timer): boolean =>
  one.at < other.at || (one.at === other.at && (one.due - other.due || one.order - other.order) < 0)
