/**
 * The spans of hand-overs: one trace for each of a consumer, from the first report of a broker elsewhere, or what was lost, to the proof that messages
 * flow again. Its steps are spans below it. They are known when they are over, so all times are given afterwards.
 */

import { type Attributes, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { ClaimMessage, DialMessage } from '../../actors/diagnostics/channels.ts'
import { isLifecycleState, meaningOf } from '../../machines/lifecycle-state.ts'
import type { AnyRecord } from '../journal/journal.ts'
import { ofGroup, system } from './attributes.ts'

/** What was seen so long before a move was confirmed has nothing to do with it; in milliseconds. */
const belongsForMs = 60_000
/** Dials that are remembered. */
const mostDials = 100

/** What was seen of moves before they were confirmed: who was reported elsewhere, and which endpoints were dialled. Times in milliseconds since 1970. */
export class Signs {
  private readonly reportedAt = new Map<string, number>()
  private readonly dials: { readonly message: DialMessage; readonly endedAt: number }[] = []

  reported({ nodeId, to }: ClaimMessage): void {
    const now = Date.now()
    for (const [key, at] of this.reportedAt) if (now - at > belongsForMs) this.reportedAt.delete(key)
    const key = `${nodeId} ${to}`
    if (!this.reportedAt.has(key)) this.reportedAt.set(key, now)
  }

  dialled(message: DialMessage): void {
    this.dials.push({ message, endedAt: Date.now() })
    if (this.dials.length > mostDials) this.dials.shift()
  }

  /** When the first of these nodes was reported there; undefined where none was. */
  reportOf(moves: readonly { readonly nodeId: number; readonly to: string }[]): number | undefined {
    const found = moves.flatMap(({ nodeId, to }) => this.reportedAt.get(`${nodeId} ${to}`) ?? [])
    return found.length > 0 ? Math.min(...found) : undefined
  }

  /** The dials of this endpoint, that ended after `since`. */
  dialsOf(endpoint: string, since: number): typeof this.dials {
    return this.dials.filter(({ message, endedAt }) => message.endpoint === endpoint && endedAt >= since)
  }
}

export class HandOverSpans {
  private readonly tracer: Tracer
  private readonly groupId: string
  private readonly signs: Signs
  private span: Span | undefined
  /** When it began, in milliseconds since 1970. */
  private beganAt = 0
  /** Where nodes have moved to, as `host:port`. */
  private readonly targets = new Set<string>()

  constructor(tracer: Tracer, groupId: string, signs: Signs) {
    this.tracer = tracer
    this.groupId = groupId
    this.signs = signs
  }

  follow(record: AnyRecord): void {
    const { to, at, plan } = record
    const isHandingOver =
      to !== null && isLifecycleState(to) ? meaningOf(to, plan).tags.has('handing-over') : this.span !== undefined
    if (isHandingOver && !this.span) this.begin(record)
    if (!this.span) return
    this.step(record)
    if (!isHandingOver) this.end(at, to === 'failed')
  }

  /** A dial that belongs to the hand-over under way: to where a node has moved. */
  dialled(message: DialMessage): void {
    if (this.targets.has(message.endpoint)) this.dial(message, Date.now())
  }

  /** Ends the span that is open; a consumer that ends has no more facts. */
  close(): void {
    this.end(Date.now(), false)
  }

  private dial({ endpoint, nodeId, reason, tookMs, steps, failure }: DialMessage, endedAt: number): void {
    const of = this.child('dial', endedAt - tookMs, {
      'server.address': endpoint,
      ...(nodeId === undefined ? {} : { 'relisten.node.id': nodeId }),
      ...(reason ? { 'relisten.reason': reason } : {}),
    })
    if (!of) return
    let at = endedAt - steps.reduce((sum, step) => sum + step.tookMs, 0)
    for (const { step, tookMs: took } of steps) {
      this.child(step, at, {}, of)?.end(at + took)
      at += took
    }
    if (failure) {
      of.setAttribute('error.type', failure.kind)
      of.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
    }
    of.end(endedAt)
  }

  private begin(record: AnyRecord): void {
    const { at, plan } = record
    const moves = record.type === 'cluster.moved' ? record.data.moves : []
    const noticedAt = this.signs.reportOf(moves) ?? at
    this.beganAt = noticedAt
    const attributes = {
      ...ofGroup(this.groupId),
      'relisten.kind': plan?.kind ?? 'in-place',
      'relisten.cause': plan?.reason ?? 'unknown',
    }
    this.span = this.tracer.startSpan('relisten hand-over', { attributes, startTime: noticedAt, root: true })
    this.child('noticed', noticedAt, {})?.end(at)
  }

  private step(record: AnyRecord): void {
    const { at, type, data } = record
    if (type === 'cluster.moved') {
      for (const { nodeId, from, to } of data.moves) {
        this.targets.add(to)
        for (const { message, endedAt } of this.signs.dialsOf(to, this.beganAt)) this.dial(message, endedAt)
        this.child('accepted', at, { 'relisten.node.id': nodeId, 'relisten.from': from, 'relisten.to': to })?.end(at)
      }
    }
    if (type === 'link.reconnected') {
      const { nodeId, endpoint, tookMs } = data
      this.child('connected', at - tookMs, { 'relisten.node.id': nodeId, 'server.address': endpoint })?.end(at)
    }
    if (type === 'drain.completed') this.child('drained', at - data.tookMs, { 'relisten.forced': data.forced })?.end(at)
    if (type === 'session.joined')
      this.child('joined', at, { 'relisten.epoch': data.epoch, 'relisten.generation': data.generation })?.end(at)
    if (type === 'rebuild.proven') {
      this.child('proven', at, {})?.end(at)
      this.span?.setAttribute('relisten.gap', data.gapMs / 1000)
    }
  }

  private end(at: number, hasFailed: boolean): void {
    if (hasFailed) this.span?.setStatus({ code: SpanStatusCode.ERROR })
    this.span?.end(at)
    this.span = undefined
    this.targets.clear()
  }

  private child(name: string, startTime: number, attributes: Attributes, of = this.span): Span | undefined {
    const parent = of && trace.setSpan(ROOT_CONTEXT, of)
    return parent && this.tracer.startSpan(name, { attributes: { ...system, ...attributes }, startTime }, parent)
  }
}
