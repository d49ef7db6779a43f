// Each oracle is shown to see what it is there for: a history that breaks its invariant.
import { expect, test } from 'vitest'
import {
  assigned,
  commitSent,
  committed,
  confirmed,
  cut,
  dark,
  darkWhileHeld,
  dialFailed,
  dialled,
  ended,
  excused,
  expired,
  failed,
  first,
  goesOn,
  handedOut,
  handled,
  joined,
  joinSent,
  judged,
  life,
  loginRefused,
  lookedUp,
  lost,
  type Moment,
  over,
  paused,
  placed,
  read,
  readAnew,
  ready,
  record,
  refusedLogin,
  released,
  removed,
  sent,
  sought,
  stopAsked,
  threw,
  tick,
  times,
  told,
  written,
  wrote,
} from './histories.ts'

test.each<[string, string, Moment[]]>([
  ['S1', 'a message that nobody handled', [...written(1), over(1, 1)]],
  ['S1', 'a message with another content', [assigned(0), handedOut(0, life, 0, false)]],
  ['S2', 'a commit beyond what was handled', [...written(2), handedOut(0), handled(0), committed(2)]],
  ['S2', 'a commit behind the end', [...written(1), handedOut(0), handled(0), committed(2)]],
  [
    'S2',
    'a commit of before the log was cut, long after it was read again',
    [
      ...([joined(1), assigned(0), ...written(3), handedOut(0), handled(0), handedOut(1), handled(1)] as Moment[]),
      ...([removed(0, 3, 'cut'), ...written(3), readAnew(), 6000] as Moment[]),
      committed(2, life, 6000),
    ],
  ],
  ['S3', 'a message that is stepped over', [...written(3), assigned(0), handedOut(0), handled(0), handedOut(2)]],
  [
    'S3',
    'a message again without a reason',
    [...written(1), assigned(0), handedOut(0), handled(0), committed(1, 'b1'), handedOut(0)],
  ],
  [
    'S3',
    'a log that was cut below a sought place that was read and left behind, and is not read from there',
    [
      ...written(4),
      assigned(0),
      sought(2),
      handedOut(2),
      handled(2),
      committed(3),
      removed(0, 4, 'cut'),
      ...written(3),
      handedOut(2),
    ],
  ],
  [
    'S3',
    'a batch handler that goes on elsewhere than in what it was handed before a seek',
    [...written(4), assigned(0), handedOut(0), sought(0), handled(0), goesOn(2, 0)],
  ],
  [
    'S3',
    'a batch behind the sought place, although the one before went on to there',
    [
      ...[...written(4), assigned(0), handedOut(0), sought(0), handled(0), goesOn(1, 0), handled(1)],
      ...[handedOut(0), handled(0), handedOut(2)],
    ],
  ],
  ['S4', 'a message below the committed offset', [...written(1), handled(0, 'b1'), placed(1), handedOut(0)]],
  [
    'S4',
    'a message below what was committed since the log was cut',
    [
      ...[...written(2), removed(0, 2, 'cut'), ...written(2), readAnew('b1'), handled(0, 'b1'), committed(1, 'b1')],
      ...([6000, placed(1), handedOut(0)] as Moment[]),
    ],
  ],
  [
    'S4',
    'a message again in the same process',
    [...written(1), assigned(0), handedOut(0), handled(0), assigned(0), handedOut(0)],
  ],
  [
    'S4',
    'a message again that was handled after a seek',
    [
      ...[...written(2), assigned(0), handedOut(0), sought(0), handled(0), goesOn(1, 0), handled(1)],
      ...[handedOut(0), handled(0), assigned(0), handedOut(0)],
    ],
  ],
  ['S5', 'a partition of somebody else', [assigned(1), handedOut(0)]],
  ['S5', 'a message during a join', [assigned(0), joinSent('one'), handedOut(0)]],
  ['S5', 'two messages of a partition at once', [assigned(0), handedOut(0), handled(0, 'b1'), handedOut(1)]],
  [
    'S6',
    'a commit that goes back once more than the user sought',
    [
      ...[...written(4), excused(0, 4), committed(4, life, 0), sought(2)],
      ...([20, committed(3, life, 20), 30, committed(2, life, 30)] as Moment[]),
    ],
  ],
  ['S6', 'a commit that goes back', [...written(2), handled(0), handled(1), committed(2), committed(1)]],
  ['S6', 'a commit that was overtaken by a confirmed one and goes out again', [joined(1), confirmed(5), commitSent(4)]],
  [
    'S6',
    'a commit that goes back, long after the log that was cut was read again',
    [joined(1), removed(0, 3, 'cut'), readAnew(), 6000, confirmed(5), commitSent(4)],
  ],
  ['S6', 'a commit of an old generation', [joined(1), joined(2), 3000, commitSent(1, 1)]],
  [
    'S6',
    'a commit of a member that is none',
    [joined(1), { type: 'disowned', life, memberId: 'one' }, 3000, commitSent(1, 1)],
  ],
  ['S7', 'bytes that leave before the record is durable', [wrote({ isSynced: false })]],
  [
    'S7',
    'a state that the journal does not know',
    [told(1, '"idle"'), { type: 'live', life, actor: 'consumer', value: '"consuming"' }],
  ],
  [
    'S7',
    'a state of a membership that the journal does not know',
    [told(1, '"stable"', 'membership'), { type: 'live', life, actor: 'membership', value: '"joining"' }],
  ],
  ['S7', 'a record that was told and is gone', [told(2, '"idle"'), read([first])]],
  [
    'S7',
    'a record that does not follow from those before it',
    [
      {
        ...{ type: 'journal-read', life, isTorn: false, isSpoilt: false, isFinal: true },
        lines: [
          JSON.stringify({ seq: 1, actor: 'consumer', type: 'actor.started', data: { input: {} }, to: 'idle' }),
          JSON.stringify({ seq: 2, actor: 'consumer', type: 'stop.requested', data: {}, to: 'consuming' }),
        ],
      },
    ],
  ],
  ['S8', 'a record that was changed', [read([first.replace('test', 'best')])]],
  ['S8', 'a record that is missing', [read([first, record(3, 'x', 'x')])]],
  ['S9', 'a dial of a forbidden address', [dialled(false)]],
  ['S9', 'bytes for a forbidden address', [wrote({ isAllowed: false })]],
  ['S9', 'a fetch from another cluster', [wrote({ isForeign: true })]],
  ['S10', 'a secret in a log', [{ type: 'artefact', life, what: 'log', text: 'it says secret-word' }]],
  ['L1', 'partitions that stay behind', [handled(0), over(1, 0)]],
  [
    'L1',
    'a commit that takes the group back and was sent last',
    [committed(3, life, 1), committed(1, life, 2), over(3, 1)],
  ],
  ['L2', 'sessions without an end', [{ type: 'calm' }, ...['one', 'two', 'three', 'four'].map(joinSent)]],
  ['L3', 'a stop that does not end', [stopAsked, 4200, tick(false)]],
  ['L3', 'a handler without a signal', [assigned(0), handedOut(0), stopAsked, 1200, tick(false)]],
  [
    'L3',
    'a handler without a signal after the event loop stood still',
    [assigned(0), handedOut(0), stopAsked, { type: 'stands-still', life, forMs: 500 }, 1700, tick(false)],
  ],
  ['L4', 'dials without a pause', Array.from({ length: 26 }, () => dialled(true))],
  ['L4', 'dials that go on and on', Array.from({ length: 121 }, (_, index) => [index * 400, dialled(true)]).flat()],
  ['L4', 'look-ups that go on and on', Array.from({ length: 186 }, (_, i) => [i * 300, wrote({ apiKey: 10 })]).flat()],
  [
    'L4',
    'metadata that is asked for on and on',
    Array.from({ length: 361 }, (_, i) => [i * 150, wrote({ apiKey: 3 })]).flat(),
  ],
  ['L4', 'logins that go on and on', Array.from({ length: 121 }, (_, i) => [i * 400, wrote({ apiKey: 36 })]).flat()],
  [
    'L4',
    'a refused login that is tried again at once',
    [wrote({ apiKey: 36 }), refusedLogin, 4900, wrote({ apiKey: 36 })],
  ],
  ['L5', 'a silence that nobody notices', [dark, 7100, tick(false)]],
  ['L5', 'a held request on a dead connection that is waited for too long', [darkWhileHeld, 77_100, tick(false)]],
  [
    'L5',
    'a silence beside a held request that nobody notices',
    [darkWhileHeld, 1000, wrote({ apiKey: 12 }), 8100, tick(false)],
  ],
  ['L6', 'a healthy member that expires', [tick(true), 10_000, expired]],
  ['R', 'a timer that is left', [released(1)]],
  ['M13', 'an error that nobody caught', [{ type: 'escaped', life, message: 'oh' }]],
  ['K1', 'another message than the sought one', [...written(3), assigned(0), sought(1), handedOut(2)]],
  [
    'K1',
    'another batch than the sought one, after the one at work',
    [...written(4), assigned(0), handedOut(0), sought(0), handled(0), goesOn(1, 0), handled(1), handedOut(2)],
  ],
  [
    'K1',
    'another message than the sought one after a rebalance',
    [...written(3), assigned(0), sought(1), joinSent('one'), assigned(0), handedOut(0)],
  ],
  ['K2', 'a message of a paused partition', [...written(1), assigned(0), paused, handedOut(0)]],
  [
    'K3',
    'a handler that has failed and is not called again',
    [...written(1), assigned(0), handedOut(0), threw, 2300, ready],
  ],
  ['T1', 'a consumer that is ready and rests', [...written(1), assigned(0), ready, 15_100, ready]],
  [
    'T1',
    'a consumer that rests after its batch handler returned',
    [
      ...[...written(2), assigned(0), { type: 'called', life, partition: 0 } as const, handedOut(0), handled(0)],
      ...[{ type: 'returned', life, partition: 0 } as const, 15_100, ready],
    ],
  ],
  ['T2', 'a loss that nobody is told of', [...written(2), committed(0), removed(0, 1, 'trimmed'), over(2, 2)]],
  ['T2', 'a loss of what is there', [...written(2), removed(0, 1, 'trimmed'), lost(0, 2)]],
  ['T3', 'a storm of facts', times(70, lost(0, 0))],
  ['T3', 'a failure told for calls that did not throw', times(70, failed)],
  ['C21', 'a drain that ends when nothing is drained', [ended('drain.completed', 'consuming')]],
  ['C21', 'a proof that comes while the next move is drained', [ended('rebuild.proven', { draining: 'inPlace' })]],
  ['C21', 'a task that speaks although its state was left', [sent(false)]],
  ['N1', 'dials of an endpoint that is down', times(31, dialFailed)],
  ['N1', 'logins that are refused', times(7, loginRefused)],
  ['N1', 'look-ups of one name', times(21, lookedUp)],
  ['N2', 'a held join that is cut', [10_000, cut]],
  [
    'N2',
    'a held join that is cut after another member has left',
    [10_000, { type: 'left', life, memberId: 'two' }, cut],
  ],
  [
    'N2',
    'a fetch that is cut in the instant of an assignment',
    [10_000, assigned(0), Object.assign({}, cut, { apiKey: 1 })],
  ],
  ['N2', 'a dial that is given up after it', [10_000, assigned(0), 10_001, Object.assign({}, cut, { apiKey: 3 })]],
])('%s sees %s', (id, _what, history) => {
  expect(judged(history)).toContain(id)
})

const named = (type: 'named' | 'acknowledged', offset: number): Moment => ({ type, life, partition: 0, offset })

test('K4 sees a commit that nobody has named, where users commit, and one that they are told of and never was', () => {
  const users = { autoCommit: false }
  expect(judged([joined(1), named('named', 1), commitSent(1)], users)).not.toContain('K4')
  expect(judged([joined(1), { type: 'commit-asked', life }, 1000, commitSent(1)], users)).not.toContain('K4')
  expect(judged([joined(1), named('named', 2), commitSent(1)], users)).toContain('K4')
  expect(judged([joined(1), { type: 'commit-asked', life }, 5000, commitSent(1)], users)).toContain('K4')
  const sent: Moment[] = [...written(1), handedOut(0), handled(0), named('named', 1), commitSent(1)]
  expect(judged([...sent, committed(1), named('acknowledged', 1)], users)).not.toContain('K4')
  expect(judged([...sent, named('acknowledged', 1)], users)).toContain('K4')
})

test('where users commit, S4 lets a process begin at the commit again with each assignment, and only there', () => {
  const again: Moment[] = [...written(2), assigned(0), placed(0), handedOut(0), handled(0), assigned(0), placed(0)]
  expect(judged([...again, handedOut(0)])).toContain('S4')
  expect(judged([...again, handedOut(0)], { autoCommit: false })).not.toContain('S4')
  expect(judged([...again, handedOut(0), handled(0), handedOut(0)], { autoCommit: false })).toContain('S4')
  // The commit is beyond where the log was cut: there it begins again.
  const cut: Moment[] = [...written(3), assigned(0), placed(0), committed(2), removed(1, 3, 'cut'), ...written(2, 1)]
  const anew: Moment[] = [...cut, handedOut(1), handled(1), assigned(0), placed(2)]
  expect(judged([...anew, handedOut(1)], { autoCommit: false })).not.toContain('S4')
  expect(judged([...anew, handedOut(1), handled(1), handedOut(1)], { autoCommit: false })).toContain('S4')
})

test('where users commit, K1 ends a seek with the assignment, and not before', () => {
  const back: Moment[] = [...written(3), assigned(0), handedOut(0), handled(0), handedOut(1), handled(1), sought(0)]
  expect(judged([...back, handedOut(2)], { autoCommit: false })).toContain('K1')
  expect(judged([...back, assigned(0), handedOut(2)], { autoCommit: false })).not.toContain('K1')
})

test('N3 sees a static member that is made to leave', () => {
  const left: Moment = { type: 'left', life, memberId: 'pod-0-1' }
  expect(judged([left], { isStatic: true })).toContain('N3')
  expect(judged([left])).not.toContain('N3')
})
