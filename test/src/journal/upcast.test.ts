// Records of an older machine version.
import { expect, test } from 'vitest'
import { machineVersion } from '../../../machines/machine-version.ts'
import { chainStart } from '../../../src/journal/journal.ts'
import { upcast } from '../../../src/journal/upcast.ts'
import { recordAfter } from './journal-cases.ts'

const present = { ...recordAfter(chainStart), machineVersion }

test('a record is lifted version by version', () => {
  const stalled = {
    ...present,
    machineVersion: '1',
    type: 'partition.stalled',
    data: { topic: 'orders', partition: 2 },
  }
  const data = { topic: 'orders', partition: 2, partitions: { orders: [2] } }
  expect(upcast(stalled)).toEqual({ ...stalled, machineVersion, data })
  const sealed = { ...present, machineVersion: '1', type: 'session.sealed' }
  expect(upcast(sealed)).toEqual({ ...sealed, machineVersion, type: 'session.fenced' })
  expect(sealed.type).toBe('session.sealed')
})

test('a record of the version in force, or of one nobody knows, stays as it is', () => {
  expect(upcast(present)).toBe(present)
  const newer = { ...present, machineVersion: '99', type: 'session.sealed' }
  expect(upcast(newer)).toBe(newer)
})
