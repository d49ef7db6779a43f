/** The history: what the records up to one of them say of the machines, the brokers, and the moves. */

import type { Decision } from '../machines/balancer/decision.ts'
import { partitionKey } from '../machines/topic-partition.ts'
import type { AnyRecord, JournalRecord } from '../src/journal/journal.ts'
import { type Chart, edgeOf, litState } from './chart.ts'

/** Where one machine is, and how it came there. */
export interface Lit {
  readonly state: string
  readonly since: number
  /** The edge that led there; undefined where nothing has yet. */
  readonly edge: string | undefined
  readonly event: string
}

export interface Broker {
  readonly nodeId: number
  readonly endpoint: string
  readonly before: string | undefined
  /** Why it is refused; undefined while it is not. */
  readonly refused: string | undefined
}

/** A hand-over, from what began it to its end. Times in milliseconds. */
export interface Handover {
  readonly seq: number
  readonly at: number
  readonly reason: string
  readonly kind: string
  readonly moves: readonly string[]
  /** How long after it began each of these was so. */
  readonly steps: readonly { readonly name: string; readonly afterMs: number }[]
  readonly tookMs: number | undefined
  readonly gapMs: number | undefined
}

export interface Retry {
  readonly seq: number
  readonly at: number
  readonly attempt: number
  readonly waitMs: number
  readonly because: string
}

export interface History {
  readonly newest: JournalRecord | undefined
  readonly lifecycle: Lit | undefined
  readonly membership: Lit | undefined
  /** Of a journal of `follow`. */
  readonly following: Lit | undefined
  /** Of a balancer. */
  readonly balancing: Lit | undefined
  readonly decision: Decision | undefined
  /** The steps of the newest round, by partition; the result is undefined while one is under way. */
  readonly steps: readonly TakenStep[]
  readonly brokers: ReadonlyMap<number, Broker>
  readonly assignment: Readonly<Record<string, readonly number[]>>
  readonly handovers: readonly Handover[]
  readonly retries: readonly Retry[]
}

export interface TakenStep {
  readonly seq: number
  readonly at: number
  readonly what: string
  readonly from: number
  readonly to: number
  readonly result: string | undefined
}

type Draft = { -readonly [Name in keyof History]: History[Name] }

const most = 50

/** Folds `count` records; `known` are brokers that earlier ones have named. */
export function historyOf(
  records: readonly JournalRecord[],
  count: number,
  known: Readonly<Record<number, string>>,
  charts: Readonly<Record<'lifecycle' | 'membership' | 'following' | 'balancing', Chart>>,
): History {
  const brokers = new Map<number, Broker>()
  const draft: Draft = {
    ...{ newest: undefined, lifecycle: undefined, membership: undefined, following: undefined },
    ...{ balancing: undefined, decision: undefined, steps: [] },
    ...{ brokers, assignment: {} },
    ...{ handovers: [], retries: [] },
  }
  for (const [nodeId, endpoint] of Object.entries(known)) place(brokers, Number(nodeId), endpoint)
  let failure = ''
  for (const record of records.slice(0, count)) {
    draft.newest = record
    if (record.actor === 'consumer') draft.lifecycle = lit(draft.lifecycle, record, charts.lifecycle)
    if (record.actor === 'membership') draft.membership = lit(draft.membership, record, charts.membership)
    if (record.actor === 'following') draft.following = lit(draft.following, record, charts.following)
    if (record.actor === 'balancing') draft.balancing = lit(draft.balancing, record, charts.balancing)
    draft.handovers = handoversAfter(draft.handovers, record)
    const told = record.data.failure as { readonly message?: string } | undefined
    if (told?.message !== undefined) failure = told.message
    take(draft, brokers, record as AnyRecord, failure)
  }
  return draft
}

function lit(before: Lit | undefined, { type, from, to, plan, at }: JournalRecord, chart: Chart): Lit | undefined {
  if (to === null) return before
  const state = litState(chart, to, plan?.kind)
  if (from === null) return { state, since: at, edge: undefined, event: type }
  if (before?.state === state) return before
  const edge = before && edgeOf(chart, before.state, state, type)
  return { state, since: at, edge: edge?.id, event: type }
}

function take(draft: Draft, brokers: Map<number, Broker>, record: AnyRecord, failure: string): void {
  switch (record.type) {
    case 'cluster.reached':
      for (const [nodeId, endpoint] of Object.entries(record.data.brokers)) place(brokers, Number(nodeId), endpoint)
      return
    case 'cluster.moved':
      for (const { nodeId, to } of record.data.moves) place(brokers, nodeId, to)
      return
    case 'link.reconnected':
      place(brokers, record.data.nodeId, record.data.endpoint)
      return
    case 'endpoint.refused':
      refuse(brokers, record.data.nodeId, record.data.failure.message)
      return
    case 'endpoint.healed':
      refuse(brokers, record.data.nodeId, undefined)
      return
    case 'partitions.assigned':
      draft.assignment = record.data.partitions
      return
    case 'partitions.revoked':
    case 'partitions.lost':
      draft.assignment = {}
      return
    case 'retry.scheduled': {
      const { attempt, waitMs } = record.data
      const retry = { seq: record.seq, at: record.at, attempt, waitMs, because: failure }
      draft.retries = [...draft.retries, retry].slice(-most)
      return
    }
    case 'plan.proposed':
      draft.decision = record.data.decision as Decision
      return
    case 'round.closed':
      if (record.data.decision) draft.decision = record.data.decision as Decision
      return
    case 'execution.begun':
      draft.steps = []
      return
    case 'step.begun': {
      const { kind, from, to } = record.data
      const what = `${kind === 'leader' ? 'leader of' : 'replica of'} ${partitionKey(record.data)}`
      draft.steps = [...draft.steps, { seq: record.seq, at: record.at, what, from, to, result: undefined }]
      return
    }
    case 'step.ended': {
      const { result, reason, to } = record.data
      const own = (each: TakenStep) =>
        each.result === undefined && each.to === to && each.what.endsWith(` ${partitionKey(record.data)}`)
      const text = reason === null ? result : `${result}: ${reason}`
      draft.steps = draft.steps.map((each) => (own(each) ? { ...each, result: text } : each))
      return
    }
    case 'stop.completed':
      draft.assignment = {}
  }
}

function place(brokers: Map<number, Broker>, nodeId: number, endpoint: string): void {
  const known = brokers.get(nodeId)
  const before = known && known.endpoint !== endpoint ? known.endpoint : known?.before
  brokers.set(nodeId, { nodeId, endpoint, before, refused: undefined })
}

function refuse(brokers: Map<number, Broker>, nodeId: number, refused: string | undefined): void {
  const known = brokers.get(nodeId)
  if (known) brokers.set(nodeId, { ...known, refused })
}

/** A hand-over begins with its plan and ends where there is none any more. */
function handoversAfter(handovers: readonly Handover[], record: JournalRecord): readonly Handover[] {
  if (record.actor !== 'consumer' || record.type.startsWith('actor.')) return handovers
  const { seq, at, plan, type, from, to, data } = record
  const running = handovers.at(-1)
  const isRunning = running !== undefined && running.tookMs === undefined
  if (plan && !isRunning) {
    if (from !== 'consuming') return handovers
    const moves = ((data.moves ?? []) as { nodeId: number; from: string; to: string }[]).map(
      (move) => `${move.nodeId}: ${move.from} → ${move.to}`,
    )
    const begun = {
      seq,
      at,
      reason: plan.reason,
      kind: plan.kind,
      moves,
      steps: [],
      tookMs: undefined,
      gapMs: undefined,
    }
    return [...handovers, begun].slice(-most)
  }
  if (!isRunning) return handovers
  const afterMs = at - running.at
  const name = stepName(type, data)
  const steps = name === undefined ? running.steps : [...running.steps, { name, afterMs }]
  const kind = plan?.kind ?? running.kind
  const isOver = to !== 'draining' && to !== 'rebuilding'
  const gapMs = type === 'rebuild.proven' ? Number(data.gapMs) : undefined
  const after = { ...running, kind, steps, tookMs: isOver ? afterMs : undefined, gapMs }
  return [...handovers.slice(0, -1), after]
}

function stepName(type: string, data: JournalRecord['data']): string | undefined {
  if (type === 'link.reconnected') return `node ${data.nodeId} connected`
  if (type === 'drain.completed') return 'safe point'
  if (type === 'rebuild.proven') return 'proven'
  if (type === 'rebuild.unproven') return 'unproven'
  if (type === 'session.joined') return 'joined'
  return undefined
}
