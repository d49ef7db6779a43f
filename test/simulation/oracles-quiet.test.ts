// No oracle speaks where all is well: histories beside those that break an invariant.
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
  lost,
  type Moment,
  over,
  paused,
  placed,
  read,
  readAnew,
  ready,
  refusedLogin,
  released,
  removed,
  sent,
  sought,
  stopAsked,
  threw,
  tick,
  timedOut,
  times,
  written,
  wrote,
} from './histories.ts'
import type { Sighting } from './sighting.ts'

test.each<[string, Moment[]]>([
  [
    'messages in order, committed',
    [...written(1), assigned(0), placed(-1), handedOut(0), handled(0), committed(1), over(1, 1)],
  ],
  [
    'a message that threw and comes again',
    [assigned(0), handedOut(0), { type: 'threw', life, partition: 0, offset: 0, from: 0 }, handedOut(0), handled(0)],
  ],
  [
    'a batch handler that goes on in its batch after its signal',
    [
      ...[...written(3), assigned(0), placed(-1), handedOut(0), stopAsked, 1000],
      ...[
        { type: 'signalled', life, partition: 0, offset: 0 } as const,
        200,
        handled(0),
        goesOn(1, 0),
        100,
        tick(false),
      ],
    ],
  ],
  [
    'what another process handled and did not commit',
    [
      { type: 'assigned', life: 'b1', partitions: [0] },
      handedOut(0, 'b1'),
      handled(0, 'b1'),
      assigned(0),
      handedOut(0),
    ],
  ],
  [
    'a commit that the network has held, and that takes the group back after the last one',
    [
      ...[...written(1), assigned(0), handedOut(0), handled(0), 10],
      ...[committed(1, life, 9), 10, committed(0, life, 5), over(1, 0)],
    ],
  ],
  [
    'a seek back',
    [...written(1), assigned(0), handedOut(0), handled(0), committed(1), sought(0), committed(0), handedOut(0)],
  ],
  [
    'two seeks back, the second while the commit of the first is under way',
    [
      ...([joined(1), assigned(0), ...written(4), excused(0, 4), committed(4, life, 0), 10, sought(3)] as Moment[]),
      ...([20, commitSent(3), 21, sought(2), 22, committed(3, life, 20), confirmed(3)] as Moment[]),
      ...([30, commitSent(2), committed(2, life, 30)] as Moment[]),
    ],
  ],
  [
    'a commit that was overtaken on its way',
    [...written(2), handled(0), handled(1), 10, committed(2), 20, committed(1, life, 5)],
  ],
  [
    'a log that is trimmed above what was handled',
    [
      ...written(3),
      assigned(0),
      handedOut(0),
      handled(0),
      removed(0, 2, 'trimmed'),
      handedOut(2),
      handled(2),
      over(3, 3),
    ],
  ],
  [
    'a log that is cut and written anew',
    [
      ...[...written(2), assigned(0), placed(-1), handedOut(0), handled(0), handedOut(1), handled(1), committed(2)],
      ...[removed(1, 2, 'cut'), ...written(1, 1), handedOut(1), handled(1), committed(2), over(2, 2)],
    ],
  ],
  [
    'a commit of before the log was cut, also where what came anew was handled and never committed',
    [
      ...[
        ...written(2),
        handled(0, 'b1'),
        handled(1, 'b1'),
        committed(2, 'b1'),
        removed(1, 2, 'cut'),
        ...written(1, 1),
      ],
      ...([handled(1, 'b1'), 6000, assigned(0), placed(2), handedOut(1), handled(1), committed(2)] as Moment[]),
    ],
  ],
  [
    'a commit that somebody sent who could not know that the log was cut, and whoever begins there',
    [
      ...([...written(3), handled(0, 'b1'), handled(1, 'b1'), handled(2, 'b1'), removed(1, 3, 'cut')] as Moment[]),
      ...([10, committed(3, 'b1', 10), ...written(2, 1), handled(1, 'b1'), 6000] as Moment[]),
      ...([assigned(0), placed(3), handedOut(1), handled(1)] as Moment[]),
    ],
  ],
  [
    'a commit that goes back to where the log was cut, once its leader is in reach',
    [
      ...([joined(1), assigned(0), ...written(3), removed(0, 3, 'cut'), ...written(1)] as Moment[]),
      ...([9000, committed(2, life, 9000), confirmed(2), readAnew(), 9100, commitSent(0)] as Moment[]),
      committed(0, life, 9100),
    ],
  ],
  [
    'a commit of a topic that is no more, and one of the topic as it was made again',
    [
      ...([joined(1), assigned(0), ...written(4), removed(0, 4, 'deleted'), ...written(1), 1000] as Moment[]),
      confirmed(4),
      ...([2000, handedOut(0), handled(0), commitSent(1)] as Moment[]),
    ],
  ],
  [
    'a batch whose handler goes on by itself',
    [...written(2), assigned(0), handedOut(0), joinSent('one'), handled(0), handedOut(1, life, 0, true, 0), handled(1)],
  ],
  [
    'a batch whose handler goes on by itself although its user sought back',
    [
      ...[...written(3), assigned(0), handedOut(0), sought(0), handled(0), goesOn(1, 0), handled(1)],
      ...[handedOut(0), handled(0), goesOn(1, 0), handled(1), handedOut(2), handled(2)],
    ],
  ],
  ['a whole record', [read([first])]],
  ['a torn last line', [read(['{"seq":'], true)]],
  ['a question to another cluster', [wrote({ isForeign: true, apiKey: 3 })]],
  ['a stop in time', [stopAsked, 3000, { type: 'stopped', life }, 9000, tick(false), released(0)]],
  [
    'a stop that waits for an event loop that stands still',
    [
      ...[assigned(0), handedOut(0), stopAsked, { type: 'stands-still', life, forMs: 500 } as const, 1500, tick(false)],
      ...[handled(0), 4500, { type: 'stopped', life } as const],
    ],
  ],
  ['a silence that is noticed', [dark, 3000, { type: 'closed', life, connection: 1 }, 9000, tick(false)]],
  [
    'a held request that dies with its connection, until its time is over',
    [darkWhileHeld, 76_900, tick(false), { type: 'closed', life, connection: 1 }, 90_000, tick(false)],
  ],
  [
    'a commit of before the log was cut, by whom its leader is out of reach',
    [
      ...([joined(1), assigned(0), ...written(3), handedOut(0), handled(0), handedOut(1), handled(1)] as Moment[]),
      ...([removed(0, 3, 'cut'), ...written(3), 9000, committed(2, life, 9000)] as Moment[]),
    ],
  ],
  ['a login that goes out before the refusal is heard', [loginRefused, wrote({ apiKey: 36 }), refusedLogin]],
  ['a refused login that waits', [wrote({ apiKey: 36 }), refusedLogin, 5100, wrote({ apiKey: 36 })]],
  [
    'dials at the pace of one that fails',
    Array.from({ length: 120 }, (_, index) => [index * 1000, dialled(true)]).flat(),
  ],
  [
    'a handler that waits for its next call, and is called in time',
    [...written(1), assigned(0), ...times(8, handedOut(0), threw), 29_000, ready, handedOut(0), handled(0), ready],
  ],
  ['a failure told for each call that throws', [assigned(0), ...times(200, handedOut(0), threw, failed)]],
  ['handlers that are all past their deadline', [assigned(0), ...times(200, handedOut(0), threw, timedOut)]],
  ['a member that expires in trouble', [9000, tick(true), 10_000, expired]],
  [
    'a seek, and the first message that is there behind it',
    [...written(3), assigned(0), removed(0, 2, 'trimmed'), sought(1), handedOut(2), handled(2)],
  ],
  [
    'a log that was cut below a sought place ahead before that was read',
    [
      ...written(4),
      assigned(0),
      excused(0, 2),
      sought(2),
      removed(0, 4, 'cut'),
      ...written(3),
      handedOut(2),
      handled(2),
      over(3, 3),
    ],
  ],
  [
    'a seek past what came anew where the log was cut below the group’s place',
    [
      ...[...written(2), handled(0, 'b1'), handled(1, 'b1'), committed(2, 'b1'), removed(1, 2, 'cut')],
      ...[...written(2, 1), assigned(0), placed(2), excused(1, 2), sought(2), handedOut(2), handled(2), over(3, 3)],
    ],
  ],
  [
    'a message that was at work at a seek back and comes in its turn, behind offsets that hold none',
    [
      ...[...written(2), ...written(2, 4), excused(0, 4), assigned(0), handedOut(4), sought(1)],
      ...[{ ...threw, offset: 4, from: 4 } as Sighting],
      ...[handedOut(1), handled(1), handedOut(4), handled(4), handedOut(5), handled(5)],
    ],
  ],
  [
    'a message that is tried again although the user sought or paused',
    [...written(2), assigned(0), handedOut(0), paused, sought(0), threw, handedOut(0)],
  ],
  [
    'a seek of who has lost the partition to another member and does not ask for it yet',
    [
      ...[...written(4), assigned(0), { type: 'assigned', life: 'b1', partitions: [0] } as const],
      ...[handedOut(0, 'b1'), handled(0, 'b1'), handedOut(1, 'b1'), handled(1, 'b1'), committed(2, 'b1'), sought(1)],
      ...[joinSent('one'), assigned(0), placed(2), handedOut(2)],
    ],
  ],
  ['a loss that is told', [...written(2), committed(0), removed(0, 1, 'trimmed'), lost(0, 1), handled(1), over(2, 2)]],
  [
    'a ready consumer whose batch handler commits for as long as it likes',
    [
      ...[...written(2), assigned(0), { type: 'called', life, partition: 0 } as const, handedOut(0), handled(0), ready],
      ...[15_100, ready, { type: 'returned', life, partition: 0 } as const, 30_000, ready],
    ],
  ],
  ['a paused partition of a ready consumer', [...written(1), assigned(0), paused, ready, 15_100, ready]],
  ['a dial now and then', Array.from({ length: 60 }, (_, index) => [index * 1000, dialFailed]).flat()],
  [
    'a task that ends in its state, also where that has states inside it',
    [sent(true), ended('drain.completed', 'draining'), ended('rebuild.proven', { rebuilding: 'inPlace' })],
  ],
  ['a connection that is left in trouble', [10_000, tick(true), 12_000, cut]],
  ['a held join that is cut once its member has left', [10_000, { type: 'left', life, memberId: 'one' }, cut]],
])('%s is nobody’s business', (_what, history) => {
  expect(judged(history)).toEqual([])
})

test('a consumer whose brokers hold its fetches for more is given as much longer before it has to move', () => {
  const rests = (ms: number) => [...written(1), assigned(0), ready, ms, ready]
  const options = { maxWaitTimeInMs: 5000, minBytes: 10_000 }
  expect(judged(rests(20_000), options)).toEqual([])
  expect(judged(rests(20_100), options)).toEqual(['T1'])
  expect(judged(rests(15_100), { ...options, minBytes: 1 })).toEqual(['T1'])
})

test('a consumer whose brokers hold its fetches for as long as that has the time of the next fetch', () => {
  const rests = (ms: number) => [...written(1), assigned(0), ready, ms, ready]
  expect(judged(rests(20_000), { maxWaitTimeInMs: 15_000 })).toEqual([])
  expect(judged(rests(20_100), { maxWaitTimeInMs: 15_000 })).toEqual(['T1'])
})
