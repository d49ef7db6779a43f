// The status of what is followed, as it folds from records.
import { expect, test } from 'vitest'
import type { FactData, FactType } from '../../../machines/fact.ts'
import { emptyFollowStatus, type FollowFold, reduceFollowStatus } from '../../../src/follow/follow-status.ts'
import type { JournalRecord } from '../../../src/journal/journal.ts'
import { failure } from '../../machines/stories.ts'

/** Folds these records, one a second from second 1 on, beginning with the start of a following. */
function folded(...records: readonly Partial<JournalRecord>[]): FollowFold {
  const start = { type: 'actor.started', from: null, to: 'resting', data: {} }
  return [start, ...records].reduce<FollowFold>(
    (fold, record, index) =>
      reduceFollowStatus(fold, { actor: 'following', at: 1000 * (index + 1), ...record } as JournalRecord),
    emptyFollowStatus,
  )
}

const fact = <Type extends FactType>(type: Type, data: FactData[Type], from: string, to = from) =>
  ({ type, data, from, to }) as Partial<JournalRecord>

const opened = fact('wires.opened', {}, 'resting', 'reaching')
const reached = fact('cluster.reached', { clusterId: 'ours', brokers: { 1: 'a:1' } }, 'reaching', 'following')
const moved = fact('cluster.moved', { moves: [], reason: 'moved' }, 'following', 'catching-up')
const unreachable = (from: string, sinceMs = 1000) =>
  fact('cluster.unreachable', { failure: failure('unreachable'), sinceMs }, from, 'reaching')

test('it has a state, and the moment when that was entered', () => {
  expect(folded()).toMatchObject({ state: 'resting', since: 1000, clusterId: null })
  expect(folded(opened)).toMatchObject({ state: 'reaching', since: 2000 })
  expect(folded(opened, reached)).toMatchObject({ state: 'following', since: 3000, clusterId: 'ours' })
  const noted = fact('source.recovered', {}, 'following')
  expect(folded(opened, reached, noted)).toMatchObject({ state: 'following', since: 3000 })
})

test('moves are counted, and how long the last one took is known', () => {
  const caughtUp = fact('wires.caught-up', { tookMs: 42, forced: false }, 'catching-up', 'following')
  expect(folded(opened, reached, moved)).toMatchObject({ lastMove: null, counts: { moves: 1 } })
  expect(folded(opened, reached, moved, caughtUp).lastMove).toEqual({ at: 5000, tookMs: 42, forced: false })
})

test('an outage counts once, however often its reason changes, and ends with a response', () => {
  const away = folded(opened, reached, unreachable('following', 1500), unreachable('reaching', 9000))
  expect(away).toMatchObject({ unreachableSince: 2500, counts: { outages: 1 }, lastFailure: { at: 5000 } })
  const back = folded(opened, reached, unreachable('following'), reached)
  expect(back).toMatchObject({ unreachableSince: null, lastFailure: { kind: 'unreachable', at: 4000 } })
  expect(folded(opened, unreachable('reaching'), reached, unreachable('following')).counts.outages).toBe(2)
})

test('without a client nobody is asked, so nobody is out of reach', () => {
  const closed = fact('wires.closed', {}, 'reaching', 'resting')
  expect(folded(opened, unreachable('reaching'), closed)).toMatchObject({ state: 'resting', unreachableSince: null })
})

test('reconnections and lost responses are counted', () => {
  const link = { nodeId: 1, endpoint: 'a:2', tookMs: 3, soft: false }
  const lost = { request: 'CreateTopics', failure: failure('unreachable') }
  const status = folded(
    ...[opened, reached, fact('link.reconnected', link, 'following')],
    fact('response.lost', lost, 'following'),
  )
  expect(status.counts).toEqual({ moves: 0, reconnects: 1, outages: 0, lostResponses: 1 })
  expect(status.lastFailure).toEqual({ ...failure('unreachable'), at: 5000 })
})

test('a journal that fails is told: with `degrade` it goes on, with `stop-intake` it is closed', () => {
  const failed = (policy: 'degrade' | 'stop-intake') => {
    const data = { failure: failure('journal-failed'), policy }
    return { actor: 'journal', type: 'journal.failed', data, from: null, to: null }
  }
  expect(folded(opened, failed('degrade'))).toMatchObject({ state: 'reaching', journal: 'degraded' })
  const ended = { state: 'closed', since: 3000, journal: 'failed', lastFailure: { kind: 'journal-failed', at: 3000 } }
  expect(folded(opened, failed('stop-intake'))).toMatchObject(ended)
})

test('an actor that threw is its last failure', () => {
  const data = { child: 'catchUp', message: 'no such link' }
  const thrown = { type: 'actor.failed', data, from: 'catching-up', to: 'closing' }
  expect(folded(opened, reached, moved, thrown)).toMatchObject({
    state: 'closing',
    lastFailure: { kind: 'bug', message: 'no such link', at: 5000 },
  })
})

test('a following that starts again begins from nothing', () => {
  const again = { type: 'actor.started', from: null, to: 'resting', data: {} }
  expect(folded(opened, reached, moved, again)).toEqual({ ...emptyFollowStatus, state: 'resting', since: 5000 })
})

test('what other machines do is no state of it', () => {
  const joined = { actor: 'consumer', type: 'session.joined', data: {}, from: 'connecting', to: 'consuming' }
  expect(folded(opened, joined)).toMatchObject({ state: 'reaching', since: 2000 })
})
