// Each oracle is shown to see what it is there for: a history that breaks its invariant, next to one that does not.
import { expect, test } from 'vitest'
import { allOracles } from './oracles/all.ts'
import type { Sighting } from './sighting.ts'

const life = 'a1'
const handedOut = (offset: number, by = life, partition = 0, isGenuine = true, from = offset): Sighting => ({
  ...{ type: 'started', life: by, partition, offset, from, isGenuine, isCurrent: isGenuine },
})
const handled = (offset: number, by = life): Sighting => ({
  ...{ type: 'handled', life: by, partition: 0, offset, isCurrent: true },
})
/** So many messages are in the log. */
const written = (count: number, from = 0): Sighting[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ type: 'appended', partition: 0, offset: from + index, isMessage: true },
  }))
const removed = (from: number, to: number, how: 'trimmed' | 'cut' | 'deleted'): Sighting => ({
  ...{ type: 'removed', partition: 0, from, to, how },
})
const assigned = (...partitions: number[]): Sighting => ({ type: 'assigned', life, partitions })
const placed = (offset: number): Sighting => ({ type: 'placed', life, partition: 0, offset })
const sought = (offset: number): Sighting => ({ type: 'sought', life, partition: 0, offset })
const excused = (from: number, to: number): Sighting => ({ type: 'excused', partition: 0, from, to })
const committed = (offset: number, by = life, sentAt = 1_000_000): Sighting => ({
  ...{ type: 'committed', life: by, partition: 0, offset, memberId: 'one', generation: 1, sentAt },
})
const joined = (generation: number): Sighting => ({ type: 'joined', life, memberId: 'one', generation })
const commitSent = (offset: number, generation = 1): Sighting => ({
  ...{ type: 'commit-sent', life, memberId: 'one', generation, offsets: [{ partition: 0, offset }] },
})
const confirmed = (offset: number): Sighting => ({
  ...{ type: 'commit-confirmed', life, offsets: [{ partition: 0, offset }] },
})
const wrote = (what: Partial<Extract<Sighting, { type: 'wrote' }>>): Sighting => ({
  ...{ type: 'wrote', life, place: '10.0.0.1:9092', connection: 1, apiKey: 1 },
  ...{ isAllowed: true, isForeign: false, isSynced: true },
  ...what,
})
const read = (lines: string[], isTorn = false): Sighting => ({
  ...{ type: 'journal-read', life, lines, isTorn, isSpoilt: false, isFinal: false },
})
const told = (seq: number, to: string): Sighting => ({ type: 'told', life, seq, to })
const over = (end: number, reached: number): Sighting => ({
  ...{ type: 'over', partitions: [{ partition: 0, end, committed: reached }] },
})
const tick = (isTroubled: boolean): Sighting => ({ type: 'tick', isTroubled })
const expired: Sighting = { type: 'expired', life, memberId: 'one', silentMs: 2000 }
const released = (timers: number): Sighting => ({
  ...{ type: 'released', life, timers, sockets: 0, descriptors: 0, listeners: 0 },
})
const stopAsked: Sighting = { type: 'stop-asked', life, withinMs: 4000, drainWithinMs: 1000 }
const dialled = (isAllowed: boolean): Sighting => ({ type: 'dialled', life, place: '10.0.0.1:9092', isAllowed })
const joinSent = (memberId: string): Sighting => ({ type: 'join-sent', life, memberId })
const refusedLogin: Sighting = { type: 'refusal-heard', life, place: '10.0.0.1:9092' }
const dark: Sighting = { type: 'went-dark', life, connection: 1, waits: true }

const paused: Sighting = { type: 'paused', life, partition: 0 }
const ready: Sighting = { type: 'ready', life, isReady: true }
const lost = (from: number, to: number): Sighting => ({
  ...{ type: 'fact', life, fact: 'offsets.lost', partition: 0, data: { from: `${from}`, to: `${to}` } },
})
const timedOut: Sighting = { type: 'fact', life, fact: 'handler.timed-out', data: {} }
const threw: Sighting = { type: 'threw', life, partition: 0, offset: 0, from: 0 }
const times = (count: number, ...sightings: Sighting[]): Sighting[] =>
  Array.from({ length: count }, () => sightings).flat()
const place = '10.0.0.1:9092'
const dialFailed: Sighting = { type: 'dial-failed', life, place }
const loginRefused: Sighting = { type: 'login-refused', life, place }
const lookedUp: Sighting = { type: 'looked-up', life, name: 'one.example' }
const cut: Sighting = { type: 'cut', life, place, apiKey: 11, waitedMs: 3000 }

/** A sighting, or the time in milliseconds of those that follow. */
type Moment = Sighting | number

/** Which oracles speak, in the order in which they do. */
function judged(history: readonly Moment[]): string[] {
  const oracles = allOracles(['secret-word'])
  const found = new Set<string>()
  let at = 0
  for (const moment of history) {
    if (typeof moment === 'number') at = moment
    else for (const oracle of oracles) if (oracle.see(moment, at) !== undefined) found.add(oracle.id)
  }
  return [...found]
}

const record = (seq: number, previous: string, checksum: string): string =>
  JSON.stringify({ seq, type: 'test', previous, checksum })
const first = record(1, '', '6184ad624d4335e8')

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
      ...([removed(0, 3, 'cut'), ...written(3), { type: 'read', life, partition: 0 }, 6000] as Moment[]),
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
  ['S4', 'a message below the committed offset', [...written(1), handled(0, 'b1'), placed(1), handedOut(0)]],
  [
    'S4',
    'a message below what was committed since the log was cut',
    [
      ...[...written(2), removed(0, 2, 'cut'), ...written(2), handled(0, 'b1'), committed(1, 'b1')],
      ...([6000, placed(1), handedOut(0)] as Moment[]),
    ],
  ],
  [
    'S4',
    'a message again in the same process',
    [...written(1), assigned(0), handedOut(0), handled(0), assigned(0), handedOut(0)],
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
  ['S6', 'a commit of an old generation', [joined(1), joined(2), 3000, commitSent(1, 1)]],
  [
    'S6',
    'a commit of a member that is none',
    [joined(1), { type: 'disowned', life, memberId: 'one' }, 3000, commitSent(1, 1)],
  ],
  ['S7', 'bytes that leave before the record is durable', [wrote({ isSynced: false })]],
  ['S7', 'a state that the journal does not know', [told(1, '"idle"'), { type: 'live', life, value: '"consuming"' }]],
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
  ['L6', 'a healthy member that expires', [tick(true), 10_000, expired]],
  ['R', 'a timer that is left', [released(1)]],
  ['M13', 'an error that nobody caught', [{ type: 'escaped', life, message: 'oh' }]],
  ['K1', 'another message than the sought one', [...written(3), assigned(0), sought(1), handedOut(2)]],
  [
    'K1',
    'another message than the sought one after a rebalance',
    [...written(3), assigned(0), sought(1), joinSent('one'), assigned(0), handedOut(0)],
  ],
  ['K2', 'a message of a paused partition', [...written(1), assigned(0), paused, handedOut(0)]],
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
  ['N1', 'dials of an endpoint that is down', times(31, dialFailed)],
  ['N1', 'logins that are refused', times(7, loginRefused)],
  ['N1', 'look-ups of one name', times(21, lookedUp)],
  ['N2', 'a held join that is cut', [10_000, cut]],
])('%s sees %s', (id, _what, history) => {
  expect(judged(history)).toContain(id)
})

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
  ['a connection that is left in trouble', [10_000, tick(true), 12_000, cut]],
])('%s is nobody’s business', (_what, history) => {
  expect(judged(history)).toEqual([])
})
