// What the acceptance remembers between answers: deaths, what the source names, other listeners, and nodes that are gone.
import { expect, test } from 'vitest'
import { accept, createAcceptance } from '../../machines/acceptance.ts'
import { claimWindowMs } from '../../machines/claim.ts'
import { all9, died, first, named, old, run, said } from './said.ts'

const at = (host: string, port: number) => ({ host, port })
const nothing = { moves: [], joined: [], left: [] }

test('at first nothing is known', () => {
  expect(createAcceptance()).toEqual({
    ...{ clusterId: undefined, entries: [], claims: [], dead: [], history: new Map(), newestAt: 0 },
    source: { endpoints: [], announcing: [], inUseAt: Number.NEGATIVE_INFINITY },
  })
})

test('an input that is no answer, or none that counts, changes no membership', () => {
  const { state } = run([first])
  expect(accept(state, died(5, 'a:1'))).toMatchObject({ ...nothing, verdict: undefined })
  expect(accept(state, named(5, 'a:1'))).toMatchObject({ ...nothing, verdict: undefined })
  const foreign = accept(state, said(5, 'a:1', old, { clusterId: 'theirs' }))
  expect([foreign.state, foreign.moves, foreign.joined, foreign.left]).toEqual([state, [], [], []])
  // One that another listener gives changes none either.
  const other = accept(state, said(5, 'a:9', `${all9} 4@d:9`))
  expect([other.moves, other.joined, other.left]).toEqual([[], [], []])
})

test('each endpoint is dead once, since when it was last found so, for as long as that says something', () => {
  const deaths = run([died(10, 'a:1'), died(20, 'b:1'), died(30, 'a:1')]).state.dead
  expect(deaths).toEqual([
    { endpoint: at('b', 1), at: 20 },
    { endpoint: at('a', 1), at: 30 },
  ])
  const later = run([died(10, 'a:1'), died(10 + claimWindowMs, 'b:1'), died(11 + claimWindowMs, 'c:1')]).state.dead
  expect(later.map(({ endpoint: { host } }) => host)).toEqual(['b', 'c'])
  // A death that is told late is judged by the newest answer.
  const late = run([said(20_000, 'a:1', old), died(19_000, 'b:1'), died(1, 'c:1')]).state.dead
  expect(late.map(({ endpoint: { host } }) => host)).toEqual(['b', 'c'])
})

test('an endpoint lives when it answers at the address where it was dead, later or at the same time', () => {
  const dead = (deadAt: number, address?: string) => ({
    dead: { endpoint: at('a', 1), at: deadAt, ...(address === undefined ? {} : { address }) },
  })
  const leftAfter = (death: ReturnType<typeof dead>, answer: ReturnType<typeof said>) =>
    run([first, death, answer]).state.dead.length
  expect(leftAfter(dead(10), said(10, 'a:1', old))).toBe(0)
  expect(leftAfter(dead(11), said(10, 'a:1', old))).toBe(1)
  expect(leftAfter(dead(10), said(20, 'b:1', old))).toBe(1)
  expect(leftAfter(dead(10, '10.0.0.1'), said(20, 'a:1', old, { address: '10.0.0.1' }))).toBe(0)
  expect(leftAfter(dead(10, '10.0.0.1'), said(20, 'a:1', old, { address: '10.0.0.2' }))).toBe(1)
})

test('what the source names is remembered, with when it last named the view in use', () => {
  const sourceAfter = (...inputs: Parameters<typeof run>[0]) => run([first, ...inputs]).state.source
  expect(sourceAfter(named(5, 'x:1 b:1'))).toEqual({ endpoints: [at('x', 1), at('b', 1)], announcing: [], inUseAt: 5 })
  expect(sourceAfter(named(5, 'x:1 y:1')).inUseAt).toBe(Number.NEGATIVE_INFINITY)
  // An endpoint that names no node and announces the view speaks for it, until it is no longer named or announces another.
  const balanced = [named(5, 'x:1 y:1'), said(10, 'x:1', old)]
  expect(sourceAfter(...balanced)).toMatchObject({ announcing: [at('x', 1)], inUseAt: 10 })
  expect(sourceAfter(...balanced, said(20, 'x:1', old)).announcing).toEqual([at('x', 1)])
  expect(sourceAfter(...balanced, said(20, 'y:1', old)).announcing).toEqual([at('x', 1), at('y', 1)])
  const both = [...balanced, said(20, 'y:1', old), said(30, 'x:1', old)]
  expect(sourceAfter(...both).announcing).toEqual([at('x', 1), at('y', 1)])
  expect(sourceAfter(...balanced, said(20, 'z:1', old)).announcing).toEqual([at('x', 1)])
  expect(sourceAfter(...balanced, named(20, 'x:1')).inUseAt).toBe(20)
  expect(sourceAfter(...balanced, named(20, 'y:1'))).toMatchObject({ announcing: [], inUseAt: 10 })
  expect(sourceAfter(...balanced, said(20, 'y:1', old), said(30, 'x:1', all9)).announcing).toEqual([at('y', 1)])
})

test('a place that the listener in use refutes is another listener’s, remembered once and with the newest time', () => {
  const elsewhereOf = (nodeId: number, ...inputs: Parameters<typeof run>[0]) =>
    run([first, ...inputs])
      .state.history.get(nodeId)
      ?.elsewhere.map(({ host, port, at }) => `${host}:${port} ${at}`)
  const once = [said(10, 'a:9', all9), said(20, 'b:1', old)]
  expect([1, 2, 3].map((nodeId) => elsewhereOf(nodeId, ...once))).toEqual([['a:9 20'], ['b:9 20'], ['c:9 20']])
  // Heard again while the one in use is at work, it is no claim any more.
  const known = run([first, ...once, said(30, 'a:1', old), said(40, 'b:9', all9)]).state
  expect(known.claims).toEqual([])
  const all8 = all9.replaceAll('9', '8')
  expect(elsewhereOf(1, ...once, said(30, 'a:8', all8), said(40, 'b:1', old))).toEqual(['a:9 20', 'a:8 40'])
  // A claim that the death of the endpoint in use has opened again, and that is refuted again.
  const again = [...once, died(30, 'a:1'), said(40, 'b:9', all9), said(50, 'b:1', old)]
  expect(elsewhereOf(1, ...again)).toEqual(['a:9 50'])
  const many = Array.from({ length: 10 }, (_, index) => [
    said(100 + index * 20, `a:${20 + index}`, all9.replaceAll('9', `${20 + index}`)),
    said(110 + index * 20, 'b:1', old),
  ]).flat()
  expect(elsewhereOf(1, ...many)).toHaveLength(8)
  expect(elsewhereOf(1, ...many)?.at(-1)).toBe('a:29 290')
})

test('who answers behind a place that another listener has is that node', () => {
  const known = [first, said(10, 'a:9', all9), said(20, 'b:1', old)]
  // Node 1 answers at its other place: with node 2 that makes two.
  const { moves } = run([...known, said(30, 'a:9', '1@a:9 2@b:9 3@c:7'), said(40, 'b:1', '1@a:1 2@b:1 3@c:7')])
  expect(moves.slice(3)).toEqual(['', '3>c:7'])
})

test('when a node last answered where it is, is remembered, and never in the future', () => {
  const confirmedAfter = (...inputs: Parameters<typeof run>[0]) =>
    run([first, ...inputs]).state.history.get(1)?.confirmedAt
  expect(confirmedAfter()).toBeUndefined()
  expect(confirmedAfter(said(10, 'a:1', old))).toBe(10)
  expect(confirmedAfter(said(20, 'a:1', old), said(10, 'a:1', old))).toBe(20)
  expect(confirmedAfter(said(10, 'a:1', old), said(20, 'a:1', old))).toBe(20)
  expect(confirmedAfter(said(10, 'a:1', old), said(20, 'b:1', old))).toBe(10)
  expect(confirmedAfter(said(10, 'a:1', '1@a:9 2@b:1 3@c:1'))).toBeUndefined()
  const hour = 3_600_000
  expect(confirmedAfter(said(hour, 'a:1', old), said(30, 'a:1', old))).toBe(30)
})

test('a node that is gone takes along what was remembered of it, ten minutes later and not before', () => {
  const less = '2@b:1 3@c:1'
  const after = (ms: number) =>
    run([
      first,
      said(10, 'a:1', old),
      said(20, 'b:1', less),
      said(1000, 'b:1', less),
      said(20 + ms, 'b:1', `${less} 4@d:1`),
    ]).state
  const kept = after(600_000)
  expect([kept.entries.map(({ nodeId }) => nodeId), kept.history.has(1)]).toEqual([[1, 2, 3, 4], true])
  expect(kept.entries[0]).toMatchObject({ present: false, absentSince: 20 })
  const gone = after(600_001)
  expect([gone.entries.map(({ nodeId }) => nodeId), gone.history.has(1)]).toEqual([[2, 3, 4], false])
})

/** Who has said that node 3 is at c:7. */
const witnesses = (...inputs: Parameters<typeof run>[0]) =>
  run(inputs)
    .state.claims.find(({ nodeId }) => nodeId === 3)
    ?.witnesses.map(({ who }) => who)

test('who answers is known by its own listing, its place in use, and places that it has or had or is said to have', () => {
  const seven = (one: string, two = '2@b:1') => `${one} ${two} 3@c:7`
  expect(witnesses(first, said(10, 'a:1', seven('1@a:1')))).toEqual([1])
  expect(witnesses(first, said(10, 'a:1', seven('1@a:5')))).toEqual([1])
  expect(witnesses(first, said(10, 'x:1', seven('1@a:1')))).toEqual([])
  // Said to be there.
  expect(witnesses(first, said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'a:9', seven('1@a:5')))).toEqual([1])
  // There as another listener.
  const beside = [first, said(10, 'a:9', all9), said(20, 'b:1', old)]
  expect(witnesses(...beside, said(30, 'a:9', seven('1@a:5', '2@b:5')))).toEqual([1])
  // There before it moved.
  const moved = [first, said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')]
  expect(witnesses(...moved, said(6000, 'a:1', seven('1@a:5')))).toEqual([1])
})

test('an address tells who answers where it is of one node only, and its port is that node’s', () => {
  const shared = { addresses: { a: ['10.0.0.9'], b: ['10.0.0.9'], c: ['10.0.0.3'] } }
  const from = (by: string, address: string) => said(10, by, '1@a:1 2@b:1 3@c:7', { ...shared, address })
  const start = said(0, 'a:1', old, { ...shared, address: '10.0.0.9' })
  expect(witnesses(start, from('a:1', '10.0.0.9'))).toEqual([1])
  expect(witnesses(start, from('x:1', '10.0.0.9'))).toEqual([])
  const own = { addresses: { a: ['10.0.0.1'], b: ['10.0.0.2'], c: ['10.0.0.3'] } }
  const one = said(0, 'a:1', old, own)
  expect(witnesses(one, said(10, 'x:1', '1@a:1 2@b:1 3@c:7', { ...own, address: '10.0.0.1' }))).toEqual([1])
  expect(witnesses(one, said(10, 'x:5', '1@a:1 2@b:1 3@c:7', { ...own, address: '10.0.0.1' }))).toEqual([])
})

test('a source may name endpoints in use beside the new one where the answer announces them too', () => {
  const answer = said(10, 'a:9', '1@a:9 2@b:1 3@c:1')
  expect(run([first, named(5, 'a:9 b:1'), answer]).moves).toEqual(['', '', '1>a:9'])
  expect(run([first, named(5, 'a:9 a:1'), answer]).moves).toEqual(['', '', ''])
  expect(run([first, named(5, 'b:1'), answer]).moves).toEqual(['', '', ''])
})

test('a node whose place another one has taken is followed by its own word alone', () => {
  const taken = '1@a:1 2@a:1 3@c:1'
  const { moves } = run([first, said(10, 'c:1', taken), said(20, 'b:1', taken), said(30, 'a:9', '1@a:9 2@a:1 3@c:1')])
  expect(moves).toEqual(['', '', '2>a:1', '1>a:9'])
})

test('a node that answers at the name it has now is followed, also where that name leads to another address by now', () => {
  const taken = '1@a:1 2@a:1 3@c:1'
  const itself = said(30, 'x:9', '1@x:9 2@a:1 3@c:1', { address: '10.0.0.9', addresses: { x: ['10.0.0.8'] } })
  expect(run([first, said(10, 'c:1', taken), said(20, 'b:1', taken), itself]).moves.at(-1)).toBe('1>x:9')
})

test('a death at an address that the node does not have is not the end of its endpoint', () => {
  const names = { addresses: { a: ['10.0.0.1'], b: ['10.0.0.2'], c: ['10.0.0.3'] } }
  const dead = (address: string) => ({ dead: { endpoint: at('a', 1), address, at: 10 } })
  const itself = said(20, 'a:9', '1@a:9 2@b:1 3@c:1', { ...names, address: '10.0.0.1' })
  const start = said(0, 'b:1', old, { ...names, address: '10.0.0.2' })
  expect(run([start, dead('10.0.0.7'), itself]).moves).toEqual(['', '', ''])
  expect(run([start, dead('10.0.0.1'), itself]).moves).toEqual(['', '', '1>a:9'])
  expect(run([start, dead('10.0.0.7'), dead('10.0.0.1'), dead('10.0.0.7')]).state.dead).toHaveLength(2)
})

test('where a node was is remembered once, and what the source left is another listener from then on', () => {
  const history = (...inputs: Parameters<typeof run>[0]) => {
    const known = run([first, ...inputs]).state.history.get(1)
    const placesOf = (places: readonly { host: string; port: number }[] = []) =>
      places.map(({ host, port }) => `${host}:${port}`)
    return [placesOf(known?.earlier), placesOf(known?.elsewhere)]
  }
  const away = [said(10, 'b:1', '1@a:9 2@b:1 3@c:1'), said(20, 'a:9', '1@a:9 2@b:1 3@c:1')]
  expect(history(...away)).toEqual([['a:1'], []])
  const back = [said(30, 'a:1', old), said(40, 'b:1', old)]
  expect(history(...away, ...back)).toEqual([['a:9'], []])
  const left = [named(5, 'a:1'), said(10, 'a:9', all9), said(20, 'a:1', old), named(30, 'a:9'), said(40, 'a:9', all9)]
  expect(history(...left)).toEqual([['a:1'], ['a:1']])
  // A place that is dead is no listener.
  const dead = [said(10, 'a:9', all9), said(20, 'b:1', old), died(30, 'a:1'), said(40, 'a:9', all9)]
  expect(history(...dead)).toEqual([['a:1'], []])
  expect(run([first, ...away]).state.entries[0]?.seen).toBeUndefined()
})

test('a name has its first addresses when it is first found, and those of the last five minutes after that', () => {
  const entryAfter = (...found: (readonly [at: number, addresses: string[] | undefined])[]) =>
    run(found.map(([at, addresses]) => said(at, 'b:1', '1@a:1 2@b:1', addresses && { addresses: { a: addresses } })))
      .state.entries[0]
  expect(entryAfter([0, []], [10, ['10.0.0.1']])?.addresses).toEqual(['10.0.0.1'])
  expect(entryAfter([0, ['10.0.0.1']], [10, []])).toMatchObject({ addresses: ['10.0.0.1'] })
  expect(entryAfter([0, ['10.0.0.1']], [10, []])?.seen).toBeUndefined()
  // A host that is an address is all there is to know.
  expect(entryAfter([0, []], [10, undefined])).toMatchObject({ addresses: ['a'] })
  expect(entryAfter([0, []], [10, undefined])?.seen).toBeUndefined()
  const two = ['10.0.0.1', '10.0.0.2']
  expect(entryAfter([0, two], [10, two], [300_010, ['10.0.0.2']])?.addresses).toEqual(two)
  expect(entryAfter([0, two], [10, two], [300_011, ['10.0.0.2']])?.addresses).toEqual(['10.0.0.2'])
})
