// The inbox of a consumer: what goes past the machine, in which order all is recorded, and a journal that fails.

import { Subject } from 'rxjs'
import { beforeEach, expect, test } from 'vitest'
import { createActor, createMachine, fromCallback, fromEventObservable } from 'xstate'
import type { Fact } from '../../machines/fact.ts'
import { recorded } from '../../machines/recorded.ts'
import { createInbox } from '../../src/inbox.ts'

let log: string[]
let facts$: Subject<Fact>
let hasFailed: boolean
/** What a task does when its state is entered. */
let work: (sendBack: (fact: Fact) => void) => void
beforeEach(() => {
  log = []
  facts$ = new Subject()
  hasFailed = false
  work = () => {}
})

const fenced: Fact = { type: 'session.fenced', epoch: 1 }
const refused: Fact = { type: 'offsets.salvaged', epoch: 1, partitions: 1 }
const moved: Fact = { type: 'cluster.moved', moves: [], reason: 'moved' }
const drained: Fact = { type: 'drain.completed', epoch: 1, tookMs: 1, forced: false }
const stop: Fact = { type: 'stop.requested' }

/** A machine with a task and a stream at its root, as the lifecycle has them. `take` is its inbox. */
function started() {
  const append = (line: string) => {
    if (hasFailed) throw new Error('no space left')
    log.push(line)
  }
  const machine = createMachine({
    invoke: { src: fromEventObservable<Fact, undefined>(() => facts$) },
    initial: 'consuming',
    states: {
      consuming: { on: { 'cluster.moved': 'draining' } },
      draining: {
        invoke: { src: fromCallback<Fact>(({ sendBack }) => work(sendBack)) },
        on: { 'drain.completed': 'consuming', 'stop.requested': 'stopped' },
      },
      stopped: { type: 'final' },
    },
  })
  const actor = createActor(recorded(machine, ({ type, to }) => append(`${type} → ${to}`)))
  const take = createInbox({
    actor,
    acting: new Set(machine.events),
    note: ({ type }) => append(type),
  })
  actor.subscribe({ error: () => log.push('failed') })
  return { actor: actor.start(), take }
}

test('a fact on which the machine acts goes through it, any other goes straight into the journal', () => {
  const { actor, take } = started()
  const seen: string[] = []
  actor.system.inspect((event) => {
    if (event.type === '@xstate.event' && event.actorRef === actor) seen.push(event.event.type)
  })
  for (const fact of [fenced, moved, refused]) take(fact)
  expect(log.slice(1)).toEqual(['session.fenced', 'cluster.moved → draining', 'offsets.salvaged'])
  expect(seen).toEqual(['cluster.moved'])
})

test('what is told while the machine works is recorded in the order in which it was told, whoever told it', () => {
  const { take } = started()
  work = (sendBack) => {
    take(fenced)
    sendBack(drained)
    take(refused)
    facts$.next(moved)
    take(fenced)
    work = () => {}
  }
  facts$.next(moved)
  expect(log.slice(1)).toEqual([
    'cluster.moved → draining',
    'session.fenced',
    'drain.completed → consuming',
    'offsets.salvaged',
    'cluster.moved → draining',
    'session.fenced',
  ])
})

test('what is told while a fact is recorded follows it', () => {
  const machine = createMachine({ on: { 'stop.requested': {} } })
  const actor = createActor(machine)
  let told: readonly Fact[] = [refused]
  const take = createInbox({
    actor,
    acting: new Set(machine.events),
    note: ({ type }) => {
      const [next] = told
      told = []
      if (next) take(next)
      log.push(type)
    },
  })
  actor.start()
  take(fenced)
  expect(log).toEqual(['session.fenced', 'offsets.salvaged'])
})

test('what is told before the machine starts follows its start', () => {
  work = () => {}
  const machine = createMachine({ on: { 'stop.requested': {} } })
  const actor = createActor(recorded(machine, ({ type }) => log.push(type)))
  const take = createInbox({ actor, acting: new Set(['stop.requested']), note: ({ type }) => log.push(type) })
  for (const fact of [fenced, stop, refused]) take(fact)
  expect(log).toEqual([])
  actor.start()
  expect(log).toEqual(['actor.started', 'session.fenced', 'stop.requested', 'offsets.salvaged'])
})

test('after the end nothing goes into the journal', () => {
  const { take } = started()
  for (const fact of [moved, stop, fenced]) take(fact)
  expect(log.at(-1)).toBe('stop.requested → stopped')
})

test('what the journal can not take is given to the machine, which fails by it', () => {
  const { actor, take } = started()
  hasFailed = true
  take(fenced)
  expect(actor.getSnapshot().status).toBe('error')
  expect(log.slice(1)).toEqual(['failed'])
})
