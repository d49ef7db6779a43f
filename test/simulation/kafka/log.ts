// A partition's log, in batches as they were written: it grows, is trimmed at its start and cut at its end, and has stretches without messages.

import { type BatchMarks, recordBatch } from './bytes.ts'

export interface Message {
  readonly key: string
  readonly value: string
}

interface Stretch extends BatchMarks {
  readonly first: number
  readonly end: number
  readonly bytes: Buffer
}

/** A transaction that was taken back. */
interface Aborted {
  readonly producerId: number
  readonly first: number
  /** Its control record. */
  readonly last: number
}

const controlKeys = { abort: Buffer.from([0, 0, 0, 0]), commit: Buffer.from([0, 0, 0, 1]) } as const

/** One partition's log. */
export class Log {
  start = 0
  end = 0
  /** Something else was there before at some of its offsets. */
  isAnother = false
  /** The lowest place it was ever cut at, 0 where its topic was made again; undefined while neither was. */
  cutTo: number | undefined
  private stretches: Stretch[] = []
  private aborted: Aborted[] = []
  /** Where each transaction begins that is not over. */
  private readonly open = new Map<number, number>()
  private readonly messages = new Map<number, Message>()
  /** What every offset ever held: a log that was cut may hold something else there now. */
  private readonly former = new Map<number, Message[]>()

  /** The end of what readers of committed records may see. */
  get stableEnd(): number {
    return Math.min(this.end, ...this.open.values())
  }

  /** `isDoomed`: of a transaction that will be taken back, so nobody is to read it. */
  append(messages: readonly Message[], marks: BatchMarks & { isDoomed?: boolean } = { leaderEpoch: 0 }): void {
    const first = this.end
    const records = messages.map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) }))
    this.write(records, marks)
    if (!marks.isDoomed) for (const [index, message] of messages.entries()) this.messages.set(first + index, message)
    if (marks.producerId !== undefined && !this.open.has(marks.producerId)) this.open.set(marks.producerId, first)
  }

  /** Whether a transaction has been neither ended nor cut off. */
  isOpen(producerId: number): boolean {
    return this.open.has(producerId)
  }

  /** Ends a transaction with its control record. */
  endTransaction(producerId: number, isCommitted: boolean, leaderEpoch: number): void {
    const first = this.open.get(producerId)
    this.open.delete(producerId)
    const last = this.end
    const key = isCommitted ? controlKeys.commit : controlKeys.abort
    this.write([{ key, value: Buffer.alloc(6) }], { leaderEpoch, producerId, isControl: true })
    if (isCommitted || first === undefined) return
    this.aborted.push({ producerId, first, last })
  }

  /** The log of the same partition when its topic is made again: empty, but what was once there is known as such. */
  renewed(): Log {
    const log = new Log()
    log.isAnother = true
    log.cutTo = 0
    for (const [offset, messages] of this.former) log.former.set(offset, [...messages])
    for (const [offset, message] of this.messages) log.former.set(offset, [...(log.former.get(offset) ?? []), message])
    return log
  }

  message(offset: number): Message | undefined {
    return this.messages.get(offset)
  }

  /** Whether a message was ever there with this content; `current`: and is. */
  held(offset: number, content: string): 'current' | 'former' | undefined {
    const isIt = (message: Message | undefined) => message && `${message.key}=${message.value}` === content
    if (isIt(this.messages.get(offset))) return 'current'
    return this.former.get(offset)?.some(isIt) ? 'former' : undefined
  }

  /** Everything below `to` is gone. */
  trim(to: number): void {
    this.forget(this.start, to)
    this.start = to
    this.stretches = this.stretches.filter(({ end }) => end > to)
  }

  /** The batch that holds `offset` and all behind it are gone. Returns where the log ends now, and whose aborted transactions are open again without their marker. */
  cut(offset: number): { end: number; reopened: readonly number[] } {
    const kept = this.stretches.filter(({ end }) => end <= offset)
    const end = Math.max(this.start, kept.at(-1)?.end ?? this.start)
    this.forget(end, this.end)
    this.isAnother = true
    this.cutTo = Math.min(end, this.cutTo ?? end)
    this.stretches = kept
    const unmarked = this.aborted.filter(({ first, last }) => first < end && last >= end)
    this.aborted = this.aborted.filter(({ last }) => last < end)
    for (const { producerId, first } of unmarked) this.open.set(producerId, first)
    for (const [producerId, first] of this.open) if (first >= end) this.open.delete(producerId)
    this.end = end
    return { end, reopened: unmarked.map(({ producerId }) => producerId) }
  }

  /** Where the newest epoch up to `epoch` ends, as Kafka answers it. */
  endOfEpoch(epoch: number): { epoch: number; end: number } {
    const newest = this.stretches.findLast(({ leaderEpoch }) => leaderEpoch <= epoch)
    const next = this.stretches.find(({ leaderEpoch }) => leaderEpoch > epoch)
    // Nothing is left of it: Kafka answers where the first later one begins. A leader notes its own at the end it was elected with.
    if (!newest) return { epoch, end: next?.first ?? this.end }
    return { epoch: newest.leaderEpoch, end: next?.first ?? this.end }
  }

  /** Whole batches from the one that holds `offset`, up to `most` bytes but at least one, that begin below `end`. */
  read(offset: number, most: number, end = this.end): { bytes: Buffer; aborted: readonly Aborted[] } {
    let low = 0
    let high = this.stretches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.stretches[middle]?.end ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    const found: Buffer[] = []
    let bytes = 0
    let until = offset
    for (const stretch of this.stretches.slice(low)) {
      if (stretch.first >= end) break
      if (found.length > 0 && bytes + stretch.bytes.length > most) break
      found.push(stretch.bytes)
      bytes += stretch.bytes.length
      until = stretch.end
    }
    const aborted = this.aborted
      .filter(({ first, last }) => last >= offset && first < until)
      .sort((one, other) => one.first - other.first)
    return { bytes: Buffer.concat(found), aborted }
  }

  private write(records: Parameters<typeof recordBatch>[1], marks: BatchMarks): void {
    const first = this.end
    this.end += records.length
    this.stretches.push({ ...marks, first, end: this.end, bytes: recordBatch(first, records, marks) })
  }

  private forget(from: number, to: number): void {
    for (let offset = from; offset < to; offset++) {
      const message = this.messages.get(offset)
      if (!message) continue
      this.former.set(offset, [...(this.former.get(offset) ?? []), message])
      this.messages.delete(offset)
    }
  }
}
