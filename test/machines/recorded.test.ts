// The order of record and effect, whatever kind of effect the machine starts, and the replay of what was recorded.
import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import {
  assign,
  createActor,
  emit,
  fromCallback,
  fromPromise,
  initialTransition,
  raise,
  sendTo,
  setup,
  transition,
} from 'xstate'
import { recorded, type Step } from '../../machines/recorded.ts'
import { replay } from './replay.ts'

const child = setup({ actors: { job: fromCallback(() => {}) } }).createMachine({
  id: 'child',
  initial: 'waiting',
  states: { waiting: { on: { poked: 'poked' } }, poked: { invoke: { id: 'job', src: 'job' } } },
})

const parent = setup({
  types: {
    context: {} as { count: number; name: string },
    input: {} as { name: string },
    emitted: {} as { type: 'announced' },
    events: {} as
      | { type: 'go'; by: number }
      | { type: 'noted' }
      | { type: 'went.on' }
      | { type: 'task.done' }
      | { type: 'broke' },
  },
  actors: { child, callback: fromCallback(() => {}), promise: fromPromise(async () => {}) },
  actions: { note: () => {} },
}).createMachine({
  id: 'parent',
  context: ({ input }) => ({ count: 0, name: input.name }),
  initial: 'idle',
  invoke: { id: 'child', src: 'child' },
  states: {
    idle: {
      on: { go: { target: 'passing', actions: assign({ count: ({ context, event }) => context.count + event.by }) } },
    },
    passing: { always: 'busy' },
    busy: {
      entry: ['note', emit({ type: 'announced' }), raise({ type: 'went.on' }), sendTo('child', { type: 'poked' })],
      invoke: [
        { id: 'callback', src: 'callback' },
        { id: 'promise', src: 'promise' },
      ],
      on: { 'went.on': { actions: 'note' }, 'task.done': 'over', broke: 'broken' },
    },
    broken: {},
    over: { type: 'final' },
  },
})

/** The parent with effects that write down what was recorded when they ran. */
function instrumented(failAt?: string) {
  const steps: Step[] = []
  const effects: { name: string; recorded: string[] }[] = []
  const moments = new EventEmitter()
  const happened = (name: string): void => {
    effects.push({ name, recorded: steps.map(({ type }) => type) })
    moments.emit(name)
  }
  const append = (step: Step): void => {
    if (step.type === failAt) throw new Error('no space left')
    steps.push(step)
  }
  const job = fromCallback(() => {
    happened('job')
    return () => happened('job ended')
  })
  const machine = recorded(
    parent.provide({
      actors: {
        child: recorded(child.provide({ actors: { job } }), append),
        callback: fromCallback(() => happened('callback')),
        promise: fromPromise(async () => happened('promise')),
      },
      actions: { note: () => happened('note') },
    }),
    append,
  )
  const actor = createActor(machine, { id: 'parent', input: { name: 'orders' } })
  actor.on('announced', () => happened('emitted'))
  actor.subscribe({ error: () => {} })
  return { actor, steps, effects, moments }
}

test('no effect body runs before the record of its transition', () => {
  const { actor, effects } = instrumented()
  actor.start()
  expect(effects).toEqual([])
  actor.send({ type: 'go', by: 2 })
  expect(effects.map(({ name }) => name).sort()).toEqual(['callback', 'emitted', 'job', 'note', 'note', 'promise'])
  for (const { name, recorded } of effects) expect(recorded).toContain(name === 'job' ? 'poked' : 'go')
  actor.stop()
})

test('each step names actor, fact, states and whether it changed anything', () => {
  const { actor, steps } = instrumented()
  actor.start()
  actor.send({ type: 'noted' })
  actor.send({ type: 'go', by: 2 })
  actor.stop()
  expect(steps.map(({ actor, type, from, to, changed }) => [actor, type, from, to, changed])).toEqual([
    ['parent', 'actor.started', undefined, 'idle', true],
    ['parent/child', 'actor.started', undefined, 'waiting', true],
    ['parent', 'noted', 'idle', 'idle', false],
    ['parent', 'go', 'idle', 'busy', true],
    ['parent/child', 'poked', 'waiting', 'poked', true],
    ['parent', 'actor.stopped', 'busy', 'busy', true],
    ['parent/child', 'actor.stopped', 'poked', 'poked', true],
  ])
  expect(steps[0]?.data).toEqual({ input: { name: 'orders' } })
  expect(steps[3]?.data).toEqual({ by: 2 })
})

test('a completion nobody waits for adds no step', async () => {
  const { actor, steps, moments } = instrumented()
  const ran = once(moments, 'promise')
  actor.start()
  actor.send({ type: 'go', by: 2 })
  await ran
  await new Promise(setImmediate)
  expect(steps.some(({ type }) => type === 'actor.completed')).toBe(false)
  actor.stop()
})

test('an append that throws at the start lets no child begin', () => {
  const { actor, effects, steps } = instrumented('actor.started')
  actor.start()
  expect(actor.getSnapshot().status).toBe('error')
  expect(actor.getSnapshot().error).toEqual(new Error('no space left'))
  expect([effects, steps]).toEqual([[], []])
})

test('an append that throws later starts no effect, ends what runs, and fails the actor', () => {
  const { actor, effects, steps } = instrumented('broke')
  actor.start()
  actor.send({ type: 'go', by: 2 })
  const before = effects.length
  actor.send({ type: 'broke' })
  expect(actor.getSnapshot().status).toBe('error')
  expect(actor.getSnapshot().value).toBe('busy')
  expect(effects.slice(before).map(({ name }) => name)).toEqual(['job ended'])
  expect(steps.at(-1)).toMatchObject({ actor: 'parent/child', type: 'actor.stopped' })
})

test('an append that throws holds back every effect of that transition', () => {
  const { actor, effects } = instrumented('go')
  actor.start()
  actor.send({ type: 'go', by: 2 })
  expect(actor.getSnapshot().status).toBe('error')
  expect(effects).toEqual([])
})

test('a replay through the plain machine ends in the live snapshot, without effects', () => {
  const { actor, steps, effects } = instrumented()
  actor.start()
  const live: unknown[] = [actor.getSnapshot().value]
  actor.subscribe((snapshot) => live.push(snapshot.value))
  actor.send({ type: 'noted' })
  actor.send({ type: 'go', by: 2 })
  actor.send({ type: 'task.done' })
  const before = effects.length
  const stored = JSON.parse(JSON.stringify(steps)) as Step[]
  const replayed = replay(parent, stored)
  const { value, context, status } = actor.getSnapshot()
  expect(replayed).toMatchObject({ value, context, status })
  expect(status).toBe('done')
  expect(stored.filter(({ actor, changed }) => actor === 'parent' && changed).map(({ to }) => to)).toEqual([
    'idle',
    'busy',
    'over',
  ])
  expect(replay(child, stored, 'parent/child').status).toBe('stopped')
  expect(effects.length).toBe(before)
})

test('a replay says where it leaves the record', () => {
  const { actor, steps } = instrumented()
  actor.start()
  actor.send({ type: 'go', by: 2 })
  const forged = steps.map((step) => (step.type === 'go' ? { ...step, to: 'idle' } : step))
  expect(() => replay(parent, forged)).toThrow(
    'Replay left the record at step 2 (go): recorded "idle", replayed "busy"',
  )
  expect(() => replay(parent, steps.slice(3))).toThrow('has to begin with actor.started')
  expect(() => replay(parent, [])).toThrow('Nothing to replay')
  actor.stop()
})

test('a restored actor records its start before its children run again', () => {
  const { actor, steps } = instrumented()
  actor.start()
  actor.send({ type: 'go', by: 2 })
  const persisted = actor.getPersistedSnapshot()
  actor.stop()
  const again: string[] = []
  const machine = parent.provide({ actors: { callback: fromCallback(() => void again.push('callback')) } })
  const second = createActor(
    recorded(machine, (step) => void again.push(`${step.type} ${step.to}`)),
    // The input only satisfies the types: a restored machine makes no initial context.
    { id: 'parent', snapshot: persisted, input: { name: 'unused' } },
  ).start()
  expect(again).toEqual(['actor.started busy', 'callback'])
  second.stop()
  expect(steps.length).toBeGreaterThan(0)
})

test('a child that throws unhandled is recorded and replays to an error', () => {
  const steps: Step[] = []
  const failing = parent.provide({
    actors: {
      callback: fromCallback(() => {
        throw new Error('broken child')
      }),
    },
  })
  const actor = createActor(
    recorded(failing, (step) => steps.push(step)),
    { id: 'parent', input: { name: 'orders' } },
  )
  actor.subscribe({ error: () => {} })
  actor.start()
  actor.send({ type: 'go', by: 1 })
  expect(actor.getSnapshot().status).toBe('error')
  expect(steps.at(-1)).toMatchObject({ type: 'actor.failed', data: { child: 'callback', message: 'broken child' } })
  expect(replay(parent, steps).status).toBe('error')
})

test('a timer of the library that changes the machine is refused', () => {
  const machine = setup({}).createMachine({
    id: 'timed',
    initial: 'one',
    states: { one: { after: { 5: 'two' } }, two: {} },
  })
  const [first] = initialTransition(machine)
  expect(transition(machine, first, { type: 'xstate.after.5.timed.one' })[0].value).toBe('two')
  const actor = createActor(recorded(machine, () => {}))
  actor.subscribe({ error: () => {} })
  actor.start()
  actor.send({ type: 'xstate.after.5.timed.one' })
  expect(String(actor.getSnapshot().error)).toContain('Let an actor send a fact instead')
})
