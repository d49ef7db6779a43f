// Envelopes, the policy for a journal that fails, and subscribers that misbehave.
import { afterEach, expect, test, vi } from 'vitest'
import { createActor, setup } from 'xstate'
import { failureOf } from '../../../actors/delivery/handler-error.ts'
import { recorded, type Step } from '../../../machines/recorded.ts'
import {
  brokenChain,
  chainStart,
  type Journal,
  type JournalPolicy,
  type JournalRecord,
} from '../../../src/journal/journal.ts'
import { memoryJournal } from '../../../src/journal/memory-journal.ts'
import { createRecorder } from '../../../src/journal/recorder.ts'
import { replay } from '../../machines/replay.ts'

afterEach(() => void vi.restoreAllMocks())

const step = (type: string, data: Record<string, unknown> = {}, over: Partial<Step> = {}): Step => ({
  ...{ actor: 'lifecycle', type, data, from: 'connecting', to: 'consuming', changed: true, context: {} },
  ...over,
})

function recorderOn(journal: Journal, onJournalError: JournalPolicy = 'stop-intake') {
  let clock = 100
  vi.spyOn(Date, 'now').mockImplementation(() => clock++)
  const recorder = createRecorder({ consumer: 'orders', journal, machineVersion: '7', onJournalError })
  const heard: JournalRecord[] = []
  recorder.onFact((record) => heard.push(record))
  return { recorder, heard }
}

/** A journal in memory whose disk fills up after `room` records. */
function smallJournal(room: number): Journal {
  const journal = memoryJournal()
  return {
    ...journal,
    append(record, expectedSeq) {
      if (record.seq > room) throw Object.assign(new Error('write failed'), { code: 'ENOSPC' })
      journal.append(record, expectedSeq)
    },
  }
}

test('what a handler threw is told to those who listen, and is in no record', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  const errors: unknown[] = []
  recorder.onFact((_record, error) => errors.push(error))
  recorder.append(step('handler.failed', { failure: failureOf(new TypeError('no')) }))
  recorder.append(step('commit.failed', { failure: { kind: 'unreachable', message: 'no' } }))
  expect(errors).toMatchObject([{ name: 'TypeError', stack: expect.stringContaining('recorder.test.ts') }, undefined])
  expect(heard[0]?.data).toEqual({ failure: { kind: 'handler-failed', message: 'no' } })
  expect(JSON.stringify([...recorder.journal.read()])).not.toContain('TypeError')
})

test('a record tells who, when, what, from where to where, and continues the chain', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  const plan = { kind: 'in-place', reason: 'moved' } as const
  recorder.append(
    step('session.opened', { epoch: 3, missing: undefined, size: 5n, error: new Error('lost') }, { context: { plan } }),
  )
  recorder.append(step('link.reconnected', { nodeId: 1 }, { from: undefined }))
  expect(heard).toMatchObject([
    { seq: 1, at: 100, consumer: 'orders', epoch: 3, actor: 'lifecycle', machineVersion: '7', plan, previous: '' },
    { seq: 2, at: 101, epoch: 3, from: null, to: 'consuming', plan: null, previous: heard[0]?.checksum },
  ])
  expect(heard[0]?.data).toEqual({ epoch: 3, size: '5', error: { name: 'Error', message: 'lost' } })
  expect([...recorder.journal.read()]).toEqual(heard)
  let end = chainStart
  for (const record of heard) {
    expect(brokenChain(record, end)).toBeUndefined()
    end = record
  }
})

test('the cause is the record whose transition started what reports, and nothing for what comes from outside', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  recorder.append(step('start.requested'))
  recorder.append(step('session.opened', { epoch: 1 }))
  recorder.append(step('link.reconnected', {}, { changed: false }))
  recorder.append(step('member.named', { epoch: 1, memberId: 'm-1' }))
  recorder.append(step('session.joined', { epoch: 1 }))
  recorder.append(step('cluster.moved', { moves: [] }))
  expect(heard.map(({ cause }) => cause)).toEqual([null, 1, 2, 2, 2, null])
})

test('the epoch is the one the machine is in, also when a fact speaks of an earlier session', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  recorder.append(step('start.requested', {}, { context: { epoch: 2 } }))
  recorder.append(step('session.fenced', { epoch: 1 }, { context: { epoch: 2 } }))
  recorder.append(step('endpoint.healed', { nodeId: 1 }))
  expect(heard.map(({ epoch }) => epoch)).toEqual([2, 2, 2])
})

test('what an earlier session does at its end takes the epoch of nobody back', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  recorder.append(step('start.requested', {}, { context: { epoch: 2 } }))
  recorder.append(step('leave.requested', { epoch: 1 }, { actor: 'membership' }))
  expect(heard.map(({ epoch }) => epoch)).toEqual([2, 2])
})

test('a fact on which no machine acts is recorded with the state, plan and cause of its actor', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  const plan = { kind: 'in-place', reason: 'moved' } as const
  expect(() => recorder.note('lifecycle', { type: 'source.recovered' })).toThrow('No step of lifecycle')
  recorder.append(step('cluster.moved', { moves: [] }, { to: 'draining', context: { epoch: 2, plan } }))
  recorder.note('lifecycle', { type: 'session.fenced', epoch: 1 })
  expect(heard).toMatchObject([
    { seq: 1 },
    { seq: 2, epoch: 2, actor: 'lifecycle', type: 'session.fenced', data: { epoch: 1 }, plan, cause: 1 },
  ])
  expect(heard[1]).toMatchObject({ from: 'draining', to: 'draining' })
})

test('a recorder goes on where the journal ends', () => {
  const journal = memoryJournal()
  recorderOn(journal).recorder.append(step('session.opened', { epoch: 4 }))
  const { recorder, heard } = recorderOn(journal)
  recorder.append(step('start.requested'))
  expect(heard).toMatchObject([{ seq: 2, epoch: 4 }])
})

test('with stop-intake a failing journal stops every step, and is told of once', () => {
  const { recorder, heard } = recorderOn(smallJournal(1))
  recorder.append(step('start.requested'))
  expect(() => recorder.append(step('session.opened', { epoch: 1 }))).toThrow('write failed')
  expect(() => recorder.append(step('session.joined', { epoch: 1 }))).toThrow(
    expect.objectContaining({ code: 'journal-failed' }),
  )
  expect(heard.map(({ type }) => type)).toEqual(['start.requested', 'journal.failed'])
  expect(heard[1]?.data).toEqual({
    failure: { kind: 'journal-failed', message: 'write failed', code: 'ENOSPC' },
    policy: 'stop-intake',
  })
  expect([...recorder.journal.read()]).toHaveLength(1)
})

test('with degrade a failing journal is replaced by one in memory that continues the chain', () => {
  const { recorder, heard } = recorderOn(smallJournal(1), 'degrade')
  for (const type of ['start.requested', 'session.opened', 'session.joined']) recorder.append(step(type))
  expect(heard.map(({ type, seq }) => [type, seq])).toEqual([
    ['start.requested', 1],
    ['journal.failed', 2],
    ['session.opened', 3],
    ['session.joined', 4],
  ])
  expect([...recorder.journal.read()]).toEqual(heard.slice(1))
  expect(heard[1]?.data.failure).toMatchObject({ kind: 'journal-failed' })
})

test('a listener that throws or causes the next record harms nobody', () => {
  const { recorder, heard } = recorderOn(memoryJournal())
  const later: number[] = []
  recorder.onFact(() => {
    throw new Error('bad listener')
  })
  recorder.onFact(({ seq }) => {
    if (seq === 1) recorder.append(step('stop.requested'))
  })
  const leave = recorder.onFact(({ seq }) => later.push(seq))
  recorder.append(step('start.requested'))
  expect(later).toEqual([1, 2])
  leave()
  recorder.append(step('session.opened'))
  expect([later, heard.length]).toEqual([[1, 2], 3])
})

test('what a recorded machine wrote replays to its live state', () => {
  const machine = setup({
    types: { events: {} as { type: 'start.requested' } | { type: 'session.joined'; epoch: number } },
  }).createMachine({
    id: 'lifecycle',
    initial: 'idle',
    states: {
      idle: { on: { 'start.requested': 'connecting' } },
      connecting: { on: { 'session.joined': 'consuming' } },
      consuming: {},
    },
  })
  const { recorder } = recorderOn(memoryJournal())
  const actor = createActor(recorded(machine, recorder.append), { id: 'lifecycle' }).start()
  actor.send({ type: 'start.requested' })
  actor.send({ type: 'session.joined', epoch: 1 })
  expect(replay(machine, recorder.journal.read()).value).toBe(actor.getSnapshot().value)
  actor.stop()
  expect(replay(machine, recorder.journal.read()).status).toBe('stopped')
})
