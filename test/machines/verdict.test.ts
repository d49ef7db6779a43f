import { expect, test } from 'vitest'
import type { Book } from '../../machines/book.ts'
import type { Snapshot } from '../../machines/snapshot.ts'
import { maxBrokers, verdict } from '../../machines/verdict.ts'

type Place = readonly [nodeId: number, host: string, port: number, addresses?: readonly string[]]

const brokerOf = ([nodeId, host, port, addresses = [host]]: Place) => ({ nodeId, host, port, addresses })

const one: Place = [1, '10.0.0.1', 9092]
const two: Place = [2, '10.0.0.2', 9092]
const three: Place = [3, '10.0.0.3', 9092]

function bookOf(places: readonly Place[], absent: readonly number[] = []): Book {
  const entries = places.map((place) => ({ ...brokerOf(place), present: !absent.includes(place[0]) }))
  return { clusterId: 'ours', entries }
}

function snapshotOf(places: readonly Place[], clusterId = 'ours'): Snapshot {
  const answeredBy = { host: '10.0.0.1', port: 9092, address: '10.0.0.1' }
  return { clusterId, controllerId: 1, brokers: places.map(brokerOf), answeredBy, at: 1000 }
}

const whole = bookOf([one, two, three])
const named = bookOf([[1, 'b1', 9092, ['10.0.0.1', '10.0.0.2']]])

/** The name of node 1 had another address lately. */
const seenLately: Book = {
  clusterId: 'ours',
  entries: [{ ...brokerOf([1, 'b1', 9092, ['10.0.0.1']]), seen: { '10.0.0.1': 0, '10.0.0.9': 0 }, present: true }],
}

const unknown = (why: string) => ({ kind: 'unknown', why })

const empty: Book = { clusterId: undefined, entries: [] }

type Row = readonly [title: string, book: Book, snapshot: Snapshot, expected: object]

const changes = (kind: string, moves: readonly string[] = [], joined: number[] = [], left: number[] = []) => ({
  kind,
  moves,
  joined,
  left,
})

test.each<Row>([
  ['the brokers that are known', whole, snapshotOf([one, two, three]), changes('same')],
  ['the same brokers in another order', whole, snapshotOf([three, one, two]), changes('same')],
  ['nothing in the book yet', empty, snapshotOf([one, two]), changes('membership', [], [1, 2])],
  [
    'no entry, only a cluster id',
    { clusterId: 'ours', entries: [] },
    snapshotOf([one]),
    changes('membership', [], [1]),
  ],
  ['a node on another port', whole, snapshotOf([[1, '10.0.0.1', 9093], two, three]), changes('moved', ['1 moved'])],
  ['a node on another host', whole, snapshotOf([[1, '10.0.9.1', 9092], two, three]), changes('moved', ['1 moved'])],
  [
    'two nodes that swap their endpoints',
    whole,
    snapshotOf([[1, '10.0.0.2', 9092], [2, '10.0.0.1', 9092], three]),
    changes('moved', ['1 moved', '2 moved']),
  ],
  ['fewer brokers', whole, snapshotOf([one, three]), changes('membership', [], [], [2])],
  ['a new broker', bookOf([one, two]), snapshotOf([one, two, three]), changes('membership', [], [3])],
  ['an absent broker still absent', bookOf([one, two], [2]), snapshotOf([one]), changes('same')],
  ['an absent broker back', bookOf([one, two], [2]), snapshotOf([one, two]), changes('membership', [], [2])],
  [
    'an absent broker back elsewhere',
    bookOf([one, two], [2]),
    snapshotOf([one, [2, '10.0.9.2', 9092]]),
    changes('moved', ['2 moved'], [2]),
  ],
  [
    'a move, a new and a missing broker at once',
    bookOf([one, two]),
    snapshotOf([[1, '10.0.9.1', 9092], three]),
    changes('moved', ['1 moved'], [3], [2]),
  ],
  [
    'a name that resolves to others',
    named,
    snapshotOf([[1, 'b1', 9092, ['10.0.9.1']]]),
    changes('moved', ['1 resolved-anew']),
  ],
  [
    'a name that keeps one of its addresses',
    named,
    snapshotOf([[1, 'b1', 9092, ['10.0.0.2', '10.0.9.1']]]),
    changes('same'),
  ],
  ['a name that does not resolve now', named, snapshotOf([[1, 'b1', 9092, []]]), changes('same')],
  [
    'a name that did not resolve before',
    bookOf([[1, 'b1', 9092, []]]),
    snapshotOf([[1, 'b1', 9092, ['10.0.0.1']]]),
    changes('same'),
  ],
  ['another cluster', whole, snapshotOf([one], 'theirs'), { kind: 'foreign', expected: 'ours', got: 'theirs' }],
  [
    'any cluster while none is known',
    { clusterId: undefined, entries: [] },
    snapshotOf([one], 'theirs'),
    changes('membership', [], [1]),
  ],
  ['no broker', whole, snapshotOf([]), unknown('the answer names no broker')],
  ['no cluster id', whole, snapshotOf([one], ''), unknown('the answer has no cluster id')],
  ['a node id twice', whole, snapshotOf([one, [1, '10.0.0.2', 9092]]), unknown('the answer names a node id twice')],
  ['port 0', whole, snapshotOf([[1, '10.0.0.1', 0]]), unknown('the answer places node 1 at "10.0.0.1" port 0')],
  [
    'port 65536',
    whole,
    snapshotOf([one, [2, '10.0.0.2', 65_536]]),
    unknown('the answer places node 2 at "10.0.0.2" port 65536'),
  ],
  ['the last port', bookOf([[1, 'b1', 65_535]]), snapshotOf([[1, 'b1', 65_535]]), changes('same')],
  ['an empty host', whole, snapshotOf([[1, '', 9092]]), unknown('the answer places node 1 at "" port 9092')],
  [
    'a negative node id',
    whole,
    snapshotOf([[-1, '10.0.0.1', 9092]]),
    unknown('the answer places node -1 at "10.0.0.1" port 9092'),
  ],
  ['node id 0', bookOf([[0, 'b0', 9092]]), snapshotOf([[0, 'b0', 9092]]), changes('same')],
  [
    'a name that has an address again that it had lately, beside a new one',
    seenLately,
    snapshotOf([[1, 'b1', 9092, ['10.0.9.9', '10.0.0.9']]]),
    changes('same'),
  ],
  [
    'a name that has only addresses that it did not have lately',
    seenLately,
    snapshotOf([[1, 'b1', 9092, ['10.0.9.9', '10.0.9.8']]]),
    changes('moved', ['1 resolved-anew']),
  ],
  [
    'another port at an address that the name had lately',
    seenLately,
    snapshotOf([[1, 'b1', 9093, ['10.0.0.9']]]),
    changes('moved', ['1 moved']),
  ],
  ['an IPv6 host', bookOf([[1, 'fd00::1', 9092]]), snapshotOf([[1, 'fd00::2', 9092]]), changes('moved', ['1 moved'])],
])('an answer with %s is judged', (_, book, snapshot, expected) => {
  const found = verdict(book, snapshot)
  const told =
    'moves' in found ? { ...found, moves: found.moves.map(({ nodeId, reason }) => `${nodeId} ${reason}`) } : found
  expect(told).toMatchObject(expected)
})

test('a relocation says from where to where', () => {
  const found = verdict(whole, snapshotOf([[1, '10.0.9.1', 9093], two, three]))
  expect(found).toMatchObject({
    moves: [{ from: { host: '10.0.0.1', port: 9092 }, to: { host: '10.0.9.1', port: 9093 } }],
  })
})

test('the largest cluster is judged, one broker more is nonsense', () => {
  const places = Array.from({ length: maxBrokers + 1 }, (_, index): Place => [index, `b${index}`, 9092])
  expect(verdict(empty, snapshotOf(places.slice(1))).kind).toBe('membership')
  expect(verdict(empty, snapshotOf(places))).toEqual(unknown('the answer names 10001 brokers, more than 10000'))
})
