// The journals that older machine versions wrote: verified, folded, and gone on with by the version in force.
//
// `version-1-journal`: its consumer was started (records 1 and 2); its member was lost before it had joined, which version 1 ignored (15); it moved (20), was
// replaced three times, paused a partition, and was stopped. In its second life it was killed in the middle of a hand-over in place.
//
// `version-2-journal`: its consumer moved (16), was replaced, failed and was retried (23), and was killed while the next replacement drained anew;
// a segment begins with the snapshot of the first drain (28). In its second life it was killed while it rebuilt in place.
import fs from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { machineVersion } from '../../../machines/machine-version.ts'
import { runCommand } from '../../../src/command-line/command.ts'
import { stateAfter } from '../../../src/command-line/fold.ts'
import { fileJournal } from '../../../src/journal/file-journal.ts'
import type { JournalRecord } from '../../../src/journal/journal.ts'
import { recovery } from '../../../src/journal/recovery.ts'
import { renamed } from '../../../src/journal/upcast.ts'
import { newPath, opened } from './journal-files.ts'
import { startLife } from './journal-lives.ts'

/** A copy of the stored journal of this version, as opening one changes its folder. */
function copied(version = 1) {
  const path = newPath()
  fs.cpSync(join(import.meta.dirname, `version-${version}-journal`), path, { recursive: true })
  const records = opened(path, (journal) => [...journal.read()])
  return { path, records }
}

const verified = async (path: string) => {
  const lines: string[] = []
  const code = await runCommand(['journal', 'verify', path], {
    out: (text) => lines.push(text),
    error: (text) => lines.push(text),
  })
  return { code, text: lines.join('\n') }
}

const seqOf = (records: readonly JournalRecord[], type: string, nth = 0): number =>
  records.filter((record) => record.type === type)[nth]?.seq ?? Number.NaN

test('an older journal is good, although the machine in force would have gone elsewhere', async () => {
  const { path, records } = copied()
  const lost = records.find(({ type }) => type === 'member.lost')
  expect(lost).toMatchObject({ from: 'connecting', to: 'connecting', machineVersion: '1' })
  const { code, text } = await verified(path)
  expect(text).toContain('chain    good')
  expect(text).toContain('replay   good, 2 starts, ends in rebuilding')
  expect(code).toBe(0)
})

test.each([
  [
    1,
    ['idle', 'connecting', 'consuming', 'draining', 'rebuilding', 'stopping', 'stopped'],
    { attempt: 0, failure: null },
  ],
  [2, ['idle', 'connecting', 'consuming', 'draining', 'rebuilding', 'retrying'], {}],
])(
  'each record of a journal of version %i folds to the state, epoch and plan it tells of itself',
  (version, states, rest) => {
    const { records } = copied(version)
    const steps = records.filter(({ to }) => to !== null)
    expect(new Set(steps.map(({ to }) => to))).toEqual(new Set(states))
    for (const { seq, to, epoch, plan } of steps) {
      const { machine, status } = stateAfter(records.slice(0, seq))
      const isNested = to === 'draining' || to === 'rebuilding'
      expect({ seq, value: machine.value, context: machine.context }).toMatchObject({
        ...{ seq, value: isNested ? { [to]: plan?.kind } : to },
        context: { epoch, plan, ...rest },
      })
      expect(status).toMatchObject({ state: to, plan })
    }
  },
)

test('what a snapshot of version 2 has of a hand-over is the nested state of its plan, and what follows it folds on', async () => {
  const { path, records } = copied(2)
  expect(await verified(path)).toMatchObject({ code: 0, text: expect.stringContaining('2 starts, ends in rebuilding') })
  const fromSnapshot = records.slice(records.findIndex(({ type }) => type === 'journal.snapshot'))
  expect(stateAfter(fromSnapshot.slice(0, 1)).machine.value).toEqual({ draining: 'replacement' })
  expect(stateAfter(fromSnapshot.slice(0, 2)).machine.value).toEqual({ rebuilding: 'replacement' })
})

test('the status of an older journal knows the partition that was given up', () => {
  const { records } = copied()
  const { status } = stateAfter(records.slice(0, seqOf(records, 'partition.stalled')))
  expect(status).toMatchObject({ paused: [{ topic: 'orders', partition: 1 }] })
})

test('facts of version 2 are read under the names of today', async () => {
  const { path, records } = copied(2)
  const { status } = stateAfter(records.slice(0, seqOf(records, 'actor.started', 1) - 1))
  expect(status).toMatchObject({ counts: { reconnects: 3, fenced: { batches: 1, results: 0 } } })
  const lines: string[] = []
  await runCommand(['journal', 'show', path], { out: (text) => lines.push(text), error: (text) => lines.push(text) })
  const shown = (type: string) => lines.filter((line) => line.includes(` ${type} `)).length
  const before = records.map(({ type }) => type).filter((type) => renamed.has(type))
  expect(new Set(before)).toEqual(new Set(renamed.keys()))
  for (const [earlier, name] of renamed) {
    expect([earlier, shown(earlier), shown(name)]).toEqual([
      earlier,
      0,
      before.filter((type) => type === earlier).length,
    ])
  }
})

test('a snapshot of an older version is taken as it is, one of the version in force has to agree', () => {
  const { records } = copied()
  const context = { epoch: 1, plan: null, attempt: 4, failure: null, retryBudget: null }
  const machines = { consumer: { value: 'connecting', context, stopped: false } }
  const before = records.slice(0, seqOf(records, 'session.opened'))
  const snapshot = (version: string): JournalRecord => {
    const [first] = records as [JournalRecord]
    return {
      ...first,
      type: 'journal.snapshot',
      actor: 'journal',
      to: null,
      data: { machines },
      machineVersion: version,
    }
  }
  expect(stateAfter([...before, snapshot('1')]).machine.context).toEqual(context)
  expect(() => stateAfter([...before, snapshot(machineVersion)])).toThrow('a snapshot of consumer says something else')
})

test('a new life on an older journal knows cluster and member, and its own records are checked again', async () => {
  const { path, records } = copied()
  const member = records.findLast(({ type }) => type === 'member.named')?.data.memberId
  const journal = fileJournal(path)
  const { cluster, members } = recovery(journal)
  expect(members).toEqual([member])
  expect(cluster?.endpoints.size).toBe(3)
  startLife(journal).retry()
  const all = [...journal.read()]
  journal.close()
  expect(all.at(-1)).toMatchObject({ machineVersion, to: 'consuming' })
  expect(await verified(path)).toMatchObject({ code: 0, text: expect.stringContaining('3 starts, ends in consuming') })
  const forged = all.map((record) => (record.seq === all.length ? { ...record, to: 'draining' } : record))
  expect(() => stateAfter(forged)).toThrow('recorded "draining", replayed "consuming"')
})
