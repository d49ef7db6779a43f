import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accept, createAcceptance } from '../../machines/acceptance.ts'
import { claimWindowMs } from '../../machines/claim.ts'
import { all9, died, first, named, old, type Row, run, said } from './said.ts'

describe('from the first snapshot on', () => {
  test('the first snapshot is accepted as it is and its cluster id becomes the expected one', () => {
    const step = accept(createAcceptance(), first)
    expect(step).toMatchObject({ verdict: { kind: 'membership' }, moves: [], joined: [1, 2, 3], left: [] })
    expect(step.state.clusterId).toBe('ours')
    expect(step.state.entries.every(({ present }) => present)).toBe(true)
  })

  test('a first snapshot of another cluster than the configured one is refused', () => {
    const step = accept(createAcceptance({ clusterId: 'ours' }), said(0, 'a:1', old, { clusterId: 'theirs' }))
    expect(step.verdict).toEqual({ kind: 'foreign', expected: 'ours', got: 'theirs' })
    expect(step.state.entries).toEqual([])
  })

  test.each<Row>([
    ['one broker alone moves nothing', [said(10, 'b:1', '1@a:9 2@b:1 3@c:1')], ['']],
    [
      'two brokers that agree move a third',
      [said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'c:1', '1@a:9 2@b:1 3@c:1')],
      ['', '1>a:9'],
    ],
    [
      'one broker that says it twice moves nothing',
      [said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'b:1', '1@a:9 2@b:1 3@c:1')],
      ['', ''],
    ],
    [
      'one broker heard at both its endpoints is one witness',
      [said(10, 'b:1', '1@a:9 2@b:9 3@c:1'), said(20, 'b:9', '1@a:9 2@b:9 3@c:1')],
      ['', '2>b:9'],
    ],
    [
      'the node itself at both its endpoints is two witnesses',
      [said(10, 'a:1', '1@a:9 2@b:1 3@c:1'), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', '1>a:9'],
    ],
    [
      'the node itself and another broker agree',
      [said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', '1>a:9'],
    ],
    [
      'the node itself moves when its old endpoint is dead',
      [said(10, 'a:9', '1@a:9 2@b:1 3@c:1'), died(20, 'a:1')],
      ['', '1>a:9'],
    ],
    [
      'the node itself moves when its old endpoint was dead before',
      [died(10, 'a:1'), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', '1>a:9'],
    ],
    [
      'a dead endpoint that answers again is not dead',
      [died(10, 'a:1'), said(15, 'a:1', old), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', '', ''],
    ],
    [
      'a dead endpoint without the node itself moves nothing',
      [died(10, 'a:1'), said(20, 'b:1', '1@a:9 2@b:1 3@c:1')],
      ['', ''],
    ],
    [
      'a death long ago moves nothing',
      [died(10, 'a:1'), said(11 + claimWindowMs, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', ''],
    ],
    [
      'a report long ago is no witness',
      [said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(11 + claimWindowMs, 'c:1', '1@a:9 2@b:1 3@c:1')],
      ['', ''],
    ],
    [
      'a broker that takes its report back is no witness',
      [said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(15, 'b:1', old), said(20, 'c:1', '1@a:9 2@b:1 3@c:1')],
      ['', '', ''],
    ],
    [
      'two brokers that disagree move nothing',
      [said(10, 'b:1', '1@a:8 2@b:1 3@c:1'), said(20, 'c:1', '1@a:9 2@b:1 3@c:1')],
      ['', ''],
    ],
    [
      'all move that two name elsewhere when the first old endpoint is dead',
      [said(10, 'a:9', all9), said(20, 'b:9', all9), died(30, 'a:1')],
      ['', '', '1>a:9 2>b:9 3>c:9'],
    ],
    [
      'all move with the second answer where the source names the new endpoints and none of the old ones',
      [named(5, 'a:9 b:9 c:9'), said(10, 'a:9', all9), said(20, 'b:9', all9)],
      ['', '1>a:9', '2>b:9 3>c:9'],
    ],
    [
      'two brokers swap',
      [said(10, 'a:1', '2@a:1 1@b:1 3@c:1'), said(20, 'b:1', '2@a:1 1@b:1 3@c:1')],
      ['', '2>a:1 1>b:1'],
    ],
    [
      'an endpoint that names no node is no witness',
      [said(10, 'lb:1', '1@a:9 2@b:1 3@c:1'), said(20, 'b:1', '1@a:9 2@b:1 3@c:1')],
      ['', ''],
    ],
    [
      'another cluster on the old address moves nothing',
      [died(5, 'a:1'), said(10, 'a:9', '1@a:9 2@b:9', { clusterId: 'theirs' })],
      ['', ''],
    ],
    ['fewer brokers move nothing', [said(10, 'b:1', '2@b:1'), said(20, 'c:1', '3@c:1')], ['', '']],
    [
      'a broker that was away and returns elsewhere moves',
      [said(10, 'b:1', '2@b:1 3@c:1'), said(20, 'b:1', '1@a:9 2@b:1 3@c:1'), said(30, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', '', '1>a:9'],
    ],
  ])('%s', (_, inputs, moves) => {
    const { moves: found } = run([first, ...inputs])
    expect(found.slice(1)).toEqual(moves)
  })
})

describe('after a move', () => {
  // Node 1 has moved from a:1 to a:9, and has answered there.
  const moved = () => run([first, said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')]).state

  test.each<Row>([
    [
      'lagging brokers do not undo a move that the node confirmed',
      [said(30, 'b:1', old), said(40, 'c:1', old)],
      ['', ''],
    ],
    [
      'the node itself and one more broker undo it at once',
      [said(30, 'a:1', old), said(40, 'b:1', old)],
      ['', '1>a:1'],
    ],
    [
      'the node itself undoes it when the newer endpoint is dead',
      [died(30, 'a:9'), said(40, 'a:1', old)],
      ['', '1>a:1'],
    ],
    ['the node itself alone does not undo it', [said(30, 'a:1', old)], ['']],
    [
      'a late answer from the old endpoint does not undo it',
      [said(30, 'b:1', old), said(15, 'a:1', old), died(40, 'a:9')],
      ['', '', ''],
    ],
    [
      'a third endpoint is a move as any',
      [said(30, 'b:1', '1@a:5 2@b:1 3@c:1'), said(40, 'c:1', '1@a:5 2@b:1 3@c:1')],
      ['', '1>a:5'],
    ],
    [
      'back and forth again is accepted each time',
      [said(30, 'a:1', old), said(40, 'b:1', old), died(50, 'a:1'), said(60, 'a:9', '1@a:9 2@b:1 3@c:1')],
      ['', '1>a:1', '', '1>a:9'],
    ],
  ])('after a move: %s', (_, inputs, moves) => {
    expect(run(inputs, moved()).moves).toEqual(moves)
  })

  test('a move that the node never confirmed is undone by two brokers', () => {
    const hearsay = run([first, said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'c:1', '1@a:9 2@b:1 3@c:1')])
    expect(hearsay.moves).toEqual(['', '', '1>a:9'])
    expect(run([said(30, 'b:1', old), said(40, 'c:1', old)], hearsay.state).moves).toEqual(['', '1>a:1'])
  })
})

describe('while names resolve anew', () => {
  test('a name that resolves anew moves when the node answers at the new address, not when others name it', () => {
    const before = { addresses: { a: ['10.0.0.1'], b: ['10.0.0.2'] } }
    const after = { addresses: { a: ['10.0.9.1'], b: ['10.0.0.2'] } }
    const { moves, state } = run([
      said(0, 'a:1', '1@a:1 2@b:1', { ...before, address: '10.0.0.1' }),
      said(10, 'b:1', '1@a:1 2@b:1', { ...after, address: '10.0.0.2' }),
      said(20, 'a:1', '1@a:1 2@b:1', { ...after, address: '10.0.0.1' }),
      said(30, 'a:1', '1@a:1 2@b:1', { ...after, address: '10.0.9.1' }),
    ])
    expect(moves).toEqual(['', '', '', '1>a:1'])
    expect(state.entries[0]?.addresses).toEqual(['10.0.9.1'])
  })

  test('addresses that overlap join the accepted ones without a move', () => {
    const { moves, state } = run([
      said(0, 'b:1', '1@a:1 2@b:1', { addresses: { a: ['10.0.0.1', '10.0.0.2'] } }),
      said(10, 'b:1', '1@a:1 2@b:1', { addresses: { a: ['10.0.0.2', '10.0.0.3'] } }),
    ])
    expect(moves).toEqual(['', ''])
    expect(state.entries[0]?.addresses).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  })

  test('an answer that says what was noted a moment ago changes no entry; a later one notes the time anew', () => {
    const names = { addresses: { a: ['10.0.0.1'], b: ['10.0.0.2'] } }
    const turn = (at: number) => said(at, 'b:1', '1@a:1 2@b:1', names)
    const { state } = run([turn(0), turn(10)])
    const again = accept(state, turn(500)).state
    expect(again.entries.every((entry, index) => entry === state.entries[index])).toBe(true)
    expect(accept(again, turn(5000)).state.entries[0]?.seen).toEqual({ '10.0.0.1': 5000 })
  })

  test('a name whose answers take turns between two addresses moves once at most', () => {
    const turn = (at: number, address: string) => said(at, 'a:1', '1@a:1', { addresses: { a: [address] }, address })
    const addresses = Array.from({ length: 20 }, (_, index) => `10.0.0.${1 + (index % 2)}`)
    const { moves, state } = run(addresses.map((address, index) => turn(index * 1000, address)))
    expect(moves.filter(Boolean)).toEqual(['1>a:1'])
    expect(state.entries[0]?.addresses).toEqual(['10.0.0.1', '10.0.0.2'])
  })

  test('an address that a name has not had for long is none of its own', () => {
    const turn = (at: number, address: string) => said(at, 'a:1', '1@a:1', { addresses: { a: [address] }, address })
    const { state } = run([turn(0, '10.0.0.1'), turn(1000, '10.0.0.2'), turn(400_000, '10.0.0.2')])
    expect(Object.keys(state.entries[0]?.seen ?? {})).toEqual(['10.0.0.2'])
  })

  test('a broker that was dialled by its address is known by it', () => {
    const names = { addresses: { a: ['10.0.0.1'], b: ['10.0.0.2'] } }
    const inputs = [
      said(0, '10.0.0.1:1', '1@a:1 2@b:1', names),
      said(10, '10.0.0.2:1', '1@a:5 2@b:1', names),
      said(20, '10.0.0.1:5', '1@a:5 2@b:1', names),
    ]
    expect(run(inputs).moves).toEqual(['', '', '1>a:5'])
  })

  test('an address that serves every broker tells nobody apart', () => {
    const names = { addresses: { a: ['10.0.0.9'], b: ['10.0.0.9'], c: ['10.0.0.9'], d: ['10.0.0.9'] } }
    const inputs = [
      said(0, '10.0.0.9:1', '1@a:1 2@b:1', names),
      said(10, '10.0.0.9:1', '1@d:1 2@b:1', names),
      said(20, '10.0.0.9:1', '1@d:1 2@b:1', names),
    ]
    expect(run(inputs).moves).toEqual(['', '', ''])
  })
})

describe('while nodes are away', () => {
  test('nodes that left keep their place and are marked absent until they return', () => {
    const { state, book } = run([first, said(10, 'b:1', '2@b:1 3@c:1')])
    expect(book).toBe(old)
    expect(state.entries.map(({ present }) => present)).toEqual([false, true, true])
    const back = accept(state, said(20, 'b:1', old))
    expect(back).toMatchObject({ joined: [1], left: [] })
  })

  test('nodes that vanished are forgotten when others join, the longest absent first', () => {
    const nodes = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => `${from + index}@n${from + index}:1`).join(' ')
    const inputs = Array.from({ length: 50 }, (_, round) =>
      said(10 + round, 'a:1', `${old} ${nodes(100 + round * 10, 10)}`),
    )
    const { state, moves } = run([first, ...inputs])
    expect(moves.join('')).toBe('')
    const ids = state.entries.map(({ nodeId }) => nodeId)
    expect(ids).toEqual(expect.arrayContaining([1, 2, 3, 590, 599, 589]))
    expect(ids.length).toBeLessThanOrEqual(2 * 13 + 10)
    expect(state.history.size).toBeLessThanOrEqual(ids.length)
  })

  test('a node that is absent for ten minutes is forgotten at the next join and not before', () => {
    const less = '2@b:1 3@c:1'
    const { state } = run([first, said(10, 'b:1', less), said(700_000, 'b:1', less)])
    expect(state.entries.map(({ nodeId }) => nodeId)).toEqual([1, 2, 3])
    const joined = accept(state, said(700_010, 'b:1', `${less} 4@d:1`))
    expect(joined.state.entries.map(({ nodeId }) => nodeId)).toEqual([2, 3, 4])
  })
})

describe('while answers are late or lack something', () => {
  test('an answer whose cluster id is missing is unknown, whatever is known so far', () => {
    const none = { clusterId: null as unknown as string }
    expect(accept(createAcceptance(), said(0, 'a:1', old, none))).toMatchObject({ verdict: { kind: 'unknown' } })
    expect(accept(run([first]).state, said(10, 'a:9', all9, none))).toMatchObject({
      verdict: { kind: 'unknown' },
      moves: [],
    })
  })

  test('an answer that was asked for before the newest one changes no membership', () => {
    const late = accept(run([first, said(20, 'b:1', old)]).state, said(10, 'c:1', '3@c:1 4@d:1'))
    expect(late).toMatchObject({ joined: [], left: [] })
    expect(late.state.entries.map(({ nodeId }) => nodeId)).toEqual([1, 2, 3])
  })

  test('a clock that was set back stops nothing', () => {
    const hour = 3_600_000
    const { moves } = run([
      said(hour, 'a:1', old),
      said(10, 'b:1', '1@a:9 2@b:1 3@c:1'),
      said(20, 'c:1', '1@a:9 2@b:1 3@c:1'),
    ])
    expect(moves).toEqual(['', '', '1>a:9'])
  })
})

test('entries from a journal move like any others', () => {
  const entries = [{ nodeId: 1, host: 'a', port: 1, addresses: ['a'], present: true }]
  const known = createAcceptance({ clusterId: 'ours', entries })
  expect(run([said(10, 'a:9', '1@a:9'), died(20, 'a:1')], known).moves).toEqual(['', '1>a:9'])
})

describe('whatever the history', () => {
  test('no history of brokers that tell the truth about a still cluster moves anything', () => {
    const input = fc.oneof(
      fc.constantFrom('a:1', 'b:1', 'c:1').map((by) => (at: number) => said(at, by, old)),
      fc.constantFrom('a:1', 'b:1', 'c:1').map((by) => (at: number) => said(at, by, '2@b:1 3@c:1')),
      fc.constantFrom('a:1', 'b:1', 'x:1').map((endpoint) => (at: number) => died(at, endpoint)),
      fc.constant((at: number) => said(at, 'a:1', '1@a:9', { clusterId: 'theirs' })),
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 30 }), (inputs) => {
        const { moves, book } = run([first, ...inputs.map((make, index) => make(index * 100))])
        expect(moves.join('')).toBe('')
        expect(book).toBe(old)
      }),
    )
  })

  test('claims and deaths stay bounded under answers that never agree', () => {
    const inputs = Array.from({ length: 2000 }, (_, index) => [
      said(index, 'b:1', `1@x:${1 + index} 2@b:1 3@c:1`),
      died(index, `y:${1 + index}`),
    ]).flat()
    const { state } = run([first, ...inputs])
    expect(state.claims.map(({ to }) => to.port)).toEqual([1997, 1998, 1999, 2000])
    expect(state.dead.length).toBeLessThanOrEqual(256)
  })
})
