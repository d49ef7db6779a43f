// Records of an older machine version.
import { expect, test } from 'vitest'
import { chainStart } from '../../../src/journal/journal.ts'
import { type Upcast, upcast } from '../../../src/journal/upcast.ts'
import { recordAfter } from './journal-cases.ts'

const old = { ...recordAfter(chainStart), machineVersion: '0.1', type: 'wait.over' }
const steps: Record<string, Upcast> = {
  '0.1': (record) => ({ ...record, machineVersion: '0.2', type: 'backoff.over' }),
  '0.2': (record) => ({ ...record, machineVersion: '1', type: 'backoff.elapsed' }),
}

test('a record is lifted version by version', () => {
  expect(upcast(old, steps)).toEqual({ ...old, machineVersion: '1', type: 'backoff.elapsed' })
  expect(old.type).toBe('wait.over')
})

test('a record of the version in force, or of one nobody knows, stays as it is', () => {
  const present = recordAfter(chainStart)
  expect(upcast(present, steps)).toBe(present)
  expect(upcast({ ...old, machineVersion: '99' })).toMatchObject({ machineVersion: '99', type: 'wait.over' })
})

test('upcasts that lead back are refused', () => {
  const circle = { ...steps, 1: (record: typeof old) => ({ ...record, machineVersion: '0.1' }) }
  expect(() => upcast(old, circle)).toThrow('go in a circle')
})
