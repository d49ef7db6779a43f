// An inspector of the user's: what it is shown, what it is not shown, and what happens when it breaks.
import { createInspector, type StatelyInspectionEvent } from '@statelyai/inspect'
import { NEVER } from 'rxjs'
import { expect, test, vi } from 'vitest'
import { assign, createActor, fromEventObservable, fromPromise, type InspectionEvent, setup } from 'xstate'
import { safeInspector } from '../../../src/views/inspector.ts'
import { redacted } from '../../../src/views/redaction.ts'

const secret = 'canary-51c0'

const machine = setup({
  types: {
    context: {} as { password: string; kafka: object; tries: number; source: string },
    events: {} as { type: 'go'; sasl: object },
  },
  actors: {
    task: fromPromise<void, { username: string }>(() => new Promise(() => {})),
    stream: fromEventObservable(() => NEVER),
  },
}).createMachine({
  id: 'lifecycle',
  context: {
    password: secret,
    kafka: { clientId: secret },
    tries: 0,
    source: `https://svc:${secret}@discovery/brokers`,
  },
  initial: 'idle',
  invoke: { id: 'stream', src: 'stream' },
  states: {
    idle: { on: { go: { target: 'working', actions: assign({ tries: 1 }) } } },
    working: { invoke: { id: 'task', src: 'task', input: { username: secret } } },
  },
})

function run(inspect: (event: InspectionEvent) => void) {
  const actor = createActor(machine, { inspect }).start()
  actor.send({ type: 'go', sasl: { value: secret } })
  return actor
}

test('the inspector of @statelyai/inspect gets actors, events and snapshots, and no secret', async () => {
  const messages: StatelyInspectionEvent[] = []
  const { inspect } = createInspector({ send: (message) => messages.push(message) })
  const actor = run(safeInspector(inspect))
  const told = (type: string, text: string) =>
    messages.some((each) => each.type === type && JSON.stringify(each).includes(text))
  await vi.waitFor(() => {
    expect(told('@xstate.snapshot', '"value":"working"')).toBe(true)
    expect(told('@xstate.event', '"type":"go"')).toBe(true)
    expect(messages.filter(({ type }) => type === '@xstate.actor').length).toBe(3)
  })
  const [first] = messages
  expect(first).toMatchObject({ type: '@xstate.actor', sessionId: actor.sessionId })
  expect(JSON.parse((first as { definition: string }).definition)).toMatchObject({ id: 'lifecycle', initial: 'idle' })
  const task = messages.find((message) => message.type === '@xstate.actor' && message.name === 'task')
  expect(task).toMatchObject({ parentId: actor.sessionId })
  expect(JSON.stringify(messages)).not.toContain(secret)
  actor.stop()
})

test('an inspector that throws harms nothing', () => {
  const actor = run(
    safeInspector(() => {
      throw new Error('broken view')
    }),
  )
  expect(actor.getSnapshot()).toMatchObject({ value: 'working', status: 'active', context: { tries: 1 } })
  actor.stop()
})

test('an inspector can not send events', () => {
  const actor = run(
    safeInspector({
      next: (event: InspectionEvent) => (event.actorRef.send as (event: object) => void)({ type: 'go' }),
    }),
  )
  expect(actor.getSnapshot().value).toBe('working')
  actor.stop()
})

test('a redacted copy is plain, whatever it is made from', () => {
  const circular: Record<string, unknown> = { depth: 1 }
  circular.self = circular
  const trap = Object.defineProperty({}, 'value', {
    enumerable: true,
    get: () => {
      throw new Error(secret)
    },
  })
  const copy = redacted({
    ...{ circular, trap, big: 5n, run: function named() {}, none: null, list: [1, { accessToken: secret }] },
    ...{ error: new Error(`could not reach kafka://svc:${secret}@b1`), bytes: Buffer.from(secret), when: new Set([1]) },
    nested: new Map([
      ['privateSecret', secret],
      ['port', '9092'],
    ]),
  })
  expect(copy).toEqual({
    ...{
      circular: { depth: 1, self: '[circular]' },
      trap: '[unreadable]',
      big: '5',
      run: { type: 'named' },
      none: null,
    },
    list: [1, { accessToken: '[redacted]' }],
    ...{ error: { name: 'Error', message: 'could not reach kafka://b1' }, bytes: '[Buffer]', when: [1] },
    nested: { privateSecret: '[redacted]', port: '9092' },
  })
  expect(JSON.stringify(copy)).not.toContain(secret)
})
