/**
 * The spans of hand-overs: one trace for each of a consumer, from the first report of a broker elsewhere, or what was lost, to the proof that messages
 * flow again. Its steps are spans below it. It is written when it is over: what it began with may be told later than what followed from it.
 */

import { type Attributes, type Context, ROOT_CONTEXT, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { ClaimMessage, DialMessage } from '../../actors/diagnostics/channels.ts'
import type { Plan } from '../../machines/fact.ts'
import type { Failure } from '../../machines/failure.ts'
import { isLifecycleState, meaningOf } from '../../machines/lifecycle-state.ts'
import type { AnyRecord, RecordOf } from '../journal/journal.ts'
import { ofGroup, system } from './attributes.ts'

/** What was seen so long before a move was confirmed has nothing to do with it; in milliseconds. */
const belongsForMs = 60_000
/** Dials and connections that are remembered. */
const mostRemembered = 100
/** Steps of one hand-over that are kept: where brokers are away for long there are many dials. */
const mostSteps = 1000

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
    if (this.dials.length > mostRemembered) this.dials.shift()
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

/** A span that is not written yet; times in milliseconds since 1970. */
interface Step {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly attributes?: Attributes
  readonly failure?: Pick<Failure, 'message'> | undefined
  readonly steps?: readonly Step[]
}

/** A hand-over under way. */
interface HandOver {
  readonly plan: Plan | null
  readonly steps: Step[]
  /** Where nodes have moved to, as `host:port`. */
  readonly targets: Set<string>
  gapMs: number | undefined
}

export class HandOverSpans {
  private readonly tracer: Tracer
  private readonly groupId: string
  private readonly signs: Signs
  private underWay: HandOver | undefined
  /** Connections that were made again before the move was told. */
  private readonly reconnected: RecordOf<'link.reconnected'>[] = []

  constructor(tracer: Tracer, groupId: string, signs: Signs) {
    this.tracer = tracer
    this.groupId = groupId
    this.signs = signs
  }

  follow(record: AnyRecord): void {
    const { to, at, plan } = record
    const isHandingOver =
      to !== null && isLifecycleState(to) ? meaningOf(to, plan).tags.has('handing-over') : this.underWay !== undefined
    if (isHandingOver) this.underWay ??= { plan, steps: [], targets: new Set(), gapMs: undefined }
    if (this.underWay) this.note(record, this.underWay)
    else if (record.type === 'link.reconnected') this.remember(record)
    if (this.underWay && !isHandingOver) this.end(this.underWay, at, to === 'failed')
  }

  /** A dial, which belongs to the hand-over under way if it is to where a node has moved. */
  dialled(message: DialMessage): void {
    const { underWay } = this
    if (underWay?.targets.has(message.endpoint)) add(underWay, dialStep(message, Date.now()))
  }

  /** The consumer has ended, and has no more facts. */
  close(): void {
    if (this.underWay) this.end(this.underWay, Date.now(), false)
  }

  private remember(record: RecordOf<'link.reconnected'>): void {
    this.reconnected.push(record)
    if (this.reconnected.length > mostRemembered) this.reconnected.shift()
  }

  private note(record: AnyRecord, handOver: HandOver): void {
    const { at, type, data } = record
    // Without a report it is noticed when it is told.
    if (handOver.steps.length === 0) {
      const reportedAt = type === 'cluster.moved' ? this.signs.reportOf(data.moves) : undefined
      add(handOver, { name: 'noticed', from: reportedAt ?? at, to: at })
    }
    const since = handOver.steps[0]?.from ?? at
    switch (type) {
      case 'cluster.moved':
        for (const { nodeId, from, to } of data.moves) {
          handOver.targets.add(to)
          const earlier = this.signs.dialsOf(to, since)
          for (const { message, endedAt } of earlier) add(handOver, dialStep(message, endedAt))
          const before = this.reconnected.filter((each) => each.data.endpoint === to && each.at >= since)
          for (const each of before) add(handOver, connectedStep(each))
          const attributes = { 'relisten.node.id': nodeId, 'relisten.from': from, 'relisten.to': to }
          add(handOver, { name: 'accepted', from: at, to: at, attributes })
        }
        break
      case 'link.reconnected':
        add(handOver, connectedStep(record))
        break
      case 'drain.completed':
        add(handOver, {
          name: 'drained',
          from: at - data.tookMs,
          to: at,
          attributes: { 'relisten.forced': data.forced },
        })
        break
      case 'session.joined': {
        const attributes = { 'relisten.epoch': data.epoch, 'relisten.generation': data.generation }
        add(handOver, { name: 'joined', from: at, to: at, attributes })
        break
      }
      case 'rebuild.proven':
        add(handOver, { name: 'proven', from: at, to: at })
        handOver.gapMs = data.gapMs
        break
      default:
    }
  }

  private end({ plan, steps, gapMs }: HandOver, at: number, hasFailed: boolean): void {
    this.underWay = undefined
    this.reconnected.length = 0
    const attributes = {
      ...ofGroup(this.groupId),
      'relisten.kind': plan?.kind ?? 'in-place',
      'relisten.cause': plan?.reason ?? 'unknown',
      ...(gapMs === undefined ? {} : { 'relisten.gap': gapMs / 1000 }),
    }
    const failure = hasFailed ? { message: 'The consumer has failed' } : undefined
    const from = Math.min(at, ...steps.map((step) => step.from))
    this.write({ name: 'relisten hand-over', from, to: at, attributes, failure, steps }, ROOT_CONTEXT)
  }

  private write({ name, from, to, attributes, failure, steps = [] }: Step, parent: Context): void {
    const options = { attributes: { ...system, ...attributes }, startTime: instant(from) }
    const span = this.tracer.startSpan(name, options, parent)
    if (failure) span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
    for (const step of steps) this.write(step, trace.setSpan(parent, span))
    span.end(instant(to))
  }
}

function add({ steps }: HandOver, step: Step): void {
  if (steps.length < mostSteps) steps.push(step)
}

const connectedStep = ({ at, data: { nodeId, endpoint, tookMs } }: RecordOf<'link.reconnected'>): Step => {
  return {
    name: 'connected',
    from: at - tookMs,
    to: at,
    attributes: { 'relisten.node.id': nodeId, 'server.address': endpoint },
  }
}

function dialStep({ endpoint, nodeId, reason, tookMs, steps, failure }: DialMessage, endedAt: number): Step {
  let at = endedAt - steps.reduce((sum, step) => sum + step.tookMs, 0)
  return {
    ...{ name: 'dial', from: endedAt - tookMs, to: endedAt, failure },
    attributes: {
      'server.address': endpoint,
      ...(nodeId === undefined ? {} : { 'relisten.node.id': nodeId }),
      ...(reason ? { 'relisten.reason': reason } : {}),
      ...(failure ? { 'error.type': failure.kind } : {}),
    },
    steps: steps.map(({ step, tookMs }) => {
      const from = at
      at += tookMs
      return { name: step, from, to: at }
    }),
  }
}

/** Seconds and nanoseconds: an SDK may take a number for one on another clock. */
const instant = (ms: number): [number, number] => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)]
