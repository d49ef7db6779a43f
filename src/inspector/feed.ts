/**
 * The feed: the logs of all consumers, and the viewers that look at them. While nobody looks, a fact is put into a list, and that is all. While somebody does,
 * what is new is encoded ten times a second, once for all viewers; statuses are asked for once a second.
 */

import type { ServerResponse } from 'node:http'
import type { JournalRecord } from '../journal/journal.ts'
import type { Watched, WatchedBalancer } from '../views/inspection.ts'
import { FactLog } from './fact-log.ts'
import { message, recordsMessage, Viewer } from './viewer.ts'

const flushMs = 100
const lookMs = 1000
/** Logs of consumers that have ended, beside those that work. */
const mostEnded = 20
/** Viewers at a time. */
const mostViewers = 32

/** What a page is told first. */
export interface Greeting {
  readonly pid: number
  /** When this process began to watch, in milliseconds since 1970: a page that connects again knows by it whether the process is another one. */
  readonly since: number
}

export class Feed {
  private readonly greeting: Greeting = { pid: process.pid, since: Date.now() }
  private readonly logs = new Map<number, FactLog>()
  private readonly viewers = new Set<Viewer>()
  private readonly looks = new Map<FactLog, string>()
  private flushing: NodeJS.Timeout | undefined
  private looking: NodeJS.Timeout | undefined
  private count = 0

  /** Watches a consumer or a balancer from now on. */
  watch(watched: Watched | WatchedBalancer): void {
    const subject = 'consumer' in watched ? watched.consumer : watched.balancer
    const name = 'consumer' in watched ? watched.consumer.groupId : watched.balancer.name
    const log = this.add(new FactLog(++this.count, name, { watched }))
    subject.on('*', (record) => log.push(record))
    const end = () => this.end(log)
    subject.ended.then(end, end)
  }

  /** Shows a journal. */
  show(name: string, records: Iterable<JournalRecord>, stateAt: (seq: number) => unknown): void {
    const log = this.add(new FactLog(++this.count, name, { stateAt }))
    for (const record of records) log.push(record)
  }

  /** The log of this number. */
  log(id: number): FactLog | undefined {
    return this.logs.get(id)
  }

  /** A page is open: it is sent everything, and what happens from then on, until it leaves or is too slow. */
  async join(response: ServerResponse): Promise<void> {
    const viewer = new Viewer(response)
    if (this.viewers.size >= mostViewers) return viewer.close()
    this.begin()
    this.viewers.add(viewer)
    response.once('close', () => this.leave(viewer))
    viewer.send(message('hello', this.greeting))
    viewer.send(this.listed())
    for (const text of this.looks.values()) viewer.send(text)
    await viewer.catchUp(() => this.logs.values())
    viewer.send(message('live', {}))
  }

  close(): void {
    for (const viewer of this.viewers) viewer.close()
  }

  private add(log: FactLog): FactLog {
    this.logs.set(log.id, log)
    this.toAll(this.listed())
    return log
  }

  private end(log: FactLog): void {
    if (this.viewers.size > 0) this.toAll(this.look(log))
    log.isOpen = false
    const ended = [...this.logs.values()].filter(({ isOpen }) => !isOpen)
    for (const oldest of ended.slice(0, -mostEnded)) {
      this.logs.delete(oldest.id)
      this.looks.delete(oldest)
    }
    this.toAll(this.listed())
  }

  private leave(viewer: Viewer): void {
    this.viewers.delete(viewer)
    if (this.viewers.size > 0) return
    clearInterval(this.flushing)
    clearInterval(this.looking)
    this.flushing = undefined
    this.looking = undefined
  }

  /** Somebody looks: what happened before now, each viewer is sent by itself. */
  private begin(): void {
    if (this.flushing) return
    for (const log of this.logs.values()) {
      log.sent = log.end
      this.look(log)
    }
    this.flushing = setInterval(() => this.flush(), flushMs).unref()
    this.looking = setInterval(() => {
      const open = [...this.logs.values()].filter(({ isOpen }) => isOpen)
      this.toAll(open.map((log) => this.look(log)).join(''))
    }, lookMs).unref()
  }

  /** Each viewer is sent what is new as one text: to write costs more than to encode. */
  private flush(): void {
    const live = [...this.viewers].filter(({ isLive }) => isLive)
    const fresh = [...this.logs.values()].filter(({ sent, end }) => end > sent)
    if (fresh.length === 0) return
    const shared = fresh.map((log) => {
      const { sent: from, end: to } = log
      log.sent = to
      return { log, to, from, text: live.length > 0 ? recordsMessage(log, from, to) : '' }
    })
    for (const viewer of live) viewer.send(shared.map((each) => viewer.recordsUpTo(each.log, each.to, each)).join(''))
  }

  /** How a consumer or a balancer looks now, as a message; empty where that is what was sent last. */
  private look(log: FactLog): string {
    const { watched, id } = log
    if (!watched) return ''
    const text = message('look', { log: id, ...lookOf(watched) })
    if (this.looks.get(log) === text) return ''
    this.looks.set(log, text)
    return text
  }

  private listed(): string {
    const logs = [...this.logs.values()].map(({ id, name, isOpen, watched, remembered, dropped }) => {
      return { id, name, isOpen, isJournal: watched === undefined, remembered, dropped }
    })
    return message('logs', logs)
  }

  private toAll(text: string): void {
    if (text === '') return
    for (const viewer of this.viewers) viewer.send(text)
  }
}

function lookOf(watched: Watched | WatchedBalancer): object {
  if ('balancer' in watched) return { balancer: watched.balancer.status(), partitions: [], brokers: [] }
  const { consumer } = watched
  return { status: consumer.status(), partitions: consumer.partitions(), brokers: watched.brokers() }
}
