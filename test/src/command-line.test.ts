// `relisten journal`: what it prints, what it says of a journal that is not well, and its exit codes.

import fs from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { createActor, fromCallback } from 'xstate'
import type { Fact } from '../../machines/fact.ts'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { membershipMachine } from '../../machines/membership.ts'
import { recorded } from '../../machines/recorded.ts'
import { stateName } from '../../machines/state-value.ts'
import { runCommand } from '../../src/command-line/command.ts'
import { duration } from '../../src/command-line/show.ts'
import { fileJournal } from '../../src/journal/file-journal.ts'
import type { JournalRecord } from '../../src/journal/journal.ts'
import { replay } from '../machines/replay.ts'
import { exported, newPath, resealed, segmentFiles } from './journal/journal-files.ts'
import { startLife } from './journal/journal-lives.ts'

test('show prints a line per record: time, state and how long the one before lasted, fact, cause, a sentence', async () => {
  const { path, records } = lived()
  const { code, out } = await relisten('journal', 'show', path)
  expect(code).toBe(0)
  expect(out).toHaveLength(records.length + 1)
  expect(out[0]).toMatch(/^time \(UTC\) +record +state +after +fact +cause +what it says$/)
  expect(out.slice(1, 9).map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    '2026-01-01 00:00:00.000 | 1 | idle | actor.started | A life of the consumer begins',
    '2026-01-01 00:00:00.400 | 2 | idle → connecting | 400 ms | start.requested | Start was requested',
    '2026-01-01 00:00:00.800 | 3 | connecting | cluster.reached | Cluster EbqYVNZ4Q9eP-7G3cGQdOg is reached, 3 brokers',
    '2026-01-01 00:00:01.200 | 4 | connecting | session.opened | by 2 | Session 1 is opened',
    expect.stringMatching(
      /^2026-01-01 00:00:01.600 \| 5 \| connecting \| member.named \| by 2 \| The group knows us as/,
    ),
    expect.stringMatching(
      /^2026-01-01 00:00:02.000 \| 6 \| connecting → consuming \| 1.6 s \| session.joined \| by 2 \| The/,
    ),
    '2026-01-01 00:00:02.400 | 7 | consuming | partitions.assigned | by 6 | Partitions assigned: orders 0, 1, 2, 3, 4, 5',
    '2026-01-01 00:00:02.800 | 8 | consuming → draining | 800 ms | cluster.moved | 3 brokers moved to other endpoints (moved)',
  ])
})

test('a membership is shown beside its consumer, and verified and replayed by itself', async () => {
  const path = newPath()
  const journal = fileJournal(path)
  const life = startLife(journal)
  const member = createActor(
    recorded(membershipMachine.provide({ actors: { heartbeats: idle, settle: idle } }), life.append),
    { id: 'membership' },
  ).start()
  member.send({ type: 'member.joined', epoch: 1, memberId: 'me', generation: 1 })
  member.send({ type: 'group.rebalancing', epoch: 1, generation: 1 })
  const records = [...journal.read()]
  journal.close()
  const shown = (await relisten('journal', 'show', path)).out.slice(-3)
  expect(shown.map((line) => line.split(/ {2,}/).slice(2).toSpliced(1, 1))).toEqual([
    ['member unjoined', 'A life of the membership begins'],
    ['member unjoined → stable', 'member.joined', 'by 8', 'Member me is in generation 1'],
    ['member stable → settling', 'group.rebalancing', 'by 9', 'The group rebalances after generation 1'],
  ])
  expect((await relisten('journal', 'verify', path)).out).toContain(
    'replay   good, 1 start, ends in consuming, its membership in settling',
  )
  const replayed = JSON.parse((await relisten('journal', 'replay', path)).out.join(''))
  expect(replayed).toMatchObject({
    machine: { value: 'consuming' },
    membership: { value: 'settling', context: { generation: 1 } },
    status: { state: 'consuming', epoch: 1, counts: { joins: 1, rebalances: 1 } },
  })
  const forged = records.map((record) => (record.type === 'group.rebalancing' ? { ...record, to: 'stable' } : record))
  const { code, out } = await relisten('journal', 'verify', exported(resealed(forged)))
  expect([code, out.find((line) => line.startsWith('replay'))]).toEqual([
    1,
    expect.stringContaining('recorded "stable", replayed "settling"'),
  ])
})

test('export prints the records as they are stored', async () => {
  const { path, records } = lived()
  const { code, out } = await relisten('journal', 'export', path)
  expect([code, out.map((line) => JSON.parse(line))]).toEqual([0, records])
})

test('what was exported is a journal again for every command', async () => {
  const { path } = lived()
  const file = newPath()
  fs.writeFileSync(file, `${(await relisten('journal', 'export', path)).out.join('\n')}\n`)
  for (const command of ['show', 'export', 'replay']) {
    expect(await relisten('journal', command, file)).toEqual(await relisten('journal', command, path))
  }
})

test('verify finds a good journal good, also while somebody writes to it', async () => {
  const { path, records } = lived(false)
  const { code, out } = await relisten('journal', 'verify', path)
  const [first, last] = [records[0]?.at ?? 0, records.at(-1)?.at ?? 0].map((at) => new Date(at).toISOString())
  expect([code, out]).toEqual([
    0,
    [
      `records  ${records.length}, 1 to ${records.length}, ${first} to ${last}, in 1 file`,
      'chain    good',
      'replay   good, 1 start, ends in consuming',
    ],
  ])
  fs.appendFileSync(segmentFiles(path)[0] ?? '', '{"seq":')
  expect(await relisten('journal', 'verify', path)).toMatchObject({
    code: 0,
    out: expect.arrayContaining([expect.stringMatching(/^tail +7 bytes of a line without an end/)]),
  })
  expect(await relisten('journal', 'show', path)).toMatchObject({
    code: 0,
    error: [expect.stringContaining('7 bytes')],
  })
})

test.each(['verify', 'show', 'export', 'replay'])(
  '%s of a damaged journal says where, and uses what is good',
  async (command) => {
    const { path, records } = lived()
    const [file = ''] = segmentFiles(path)
    const lines = fs.readFileSync(file, 'utf8').split('\n')
    const offset = lines.slice(0, 4).join('\n').length + 1
    lines[4] = lines[4]?.replace('"epoch":1', '"epoch":2') ?? ''
    fs.writeFileSync(file, lines.join('\n'))
    fs.writeFileSync(`${path}/000000000999.jsonl`, '')
    const { code, out, error } = await relisten(
      'journal',
      command,
      path,
      ...(command === 'replay' ? ['--at', '5'] : []),
    )
    expect(code).toBe(1)
    if (command === 'replay') {
      expect(error).toEqual(['There is no good record 5: the newest is 4. "relisten journal verify" tells more.'])
      expect((await relisten('journal', 'replay', path, '--at', '4')).code).toBe(0)
      return
    }
    const told = command === 'verify' ? out : error
    expect(told).toEqual(
      expect.arrayContaining([
        `chain    BROKEN: ${file}, line 5 (byte ${offset}): record 5 does not fit its checksum`,
        'good     records 1 to 4',
        `behind   ${records.length - 4} lines of that file and 1 later file`,
      ]),
    )
    if (command === 'verify') expect(out).toContain('replay   good, 1 start, ends in connecting')
    else expect(out.filter((line) => /session\.opened/.test(line))).toHaveLength(1)
    expect(fs.readFileSync(file, 'utf8')).toBe(lines.join('\n'))
  },
)

test('verify finds a journal whose machine went elsewhere than it says', async () => {
  const { records } = lived()
  const forged = resealed(records.map((record) => (record.seq === 9 ? { ...record, to: 'retrying' } : record)))
  const { code, out } = await relisten('journal', 'verify', exported(forged))
  expect(code).toBe(1)
  expect(out).toContain('chain    good')
  expect(out.join('\n')).toMatch(
    /replay +BROKEN: Replay ends at record 9: .*recorded "retrying", replayed {"rebuilding":"in-place"}/,
  )
})

test('verify finds a hand-over of another kind than its record says', async () => {
  const { records } = lived()
  const seq = records.find(({ to }) => to === 'draining')?.seq
  const plan = { kind: 'replacement', reason: 'moved' } as const
  const forged = resealed(records.map((record) => (record.seq === seq ? { ...record, plan } : record)))
  const { code, out } = await relisten('journal', 'verify', exported(forged))
  expect(code).toBe(1)
  expect(out.join('\n')).toContain('recorded {"draining":"replacement"}, replayed {"draining":"in-place"}')
})

test('verify tells of a clock that went back, and of nothing else', async () => {
  const { records } = lived()
  const back = resealed(records.map((record) => (record.seq < 5 ? record : { ...record, at: record.at - 3_600_000 })))
  const { code, out } = await relisten('journal', 'verify', exported(back))
  expect([code, out.slice(1)]).toEqual([
    0,
    ['chain    good', expect.stringMatching(/^replay +good/), 'clock    went back by 59 min 59 s at record 5'],
  ])
})

test('facts that are not known yet are passed over, and machines that are not are named', async () => {
  const { records } = lived()
  const last = records.at(-1)
  const unknown = { ...last, type: 'broker.sang', data: { song: 'low' } } as JournalRecord
  const path = exported(resealed([...records, unknown]))
  expect((await relisten('journal', 'verify', path)).code).toBe(0)
  expect((await relisten('journal', 'show', path)).out.at(-1)).toContain('broker.sang')
  const newer = exported(resealed([...records, { ...unknown, machineVersion: '99' }]))
  const { code, out } = await relisten('journal', 'verify', newer)
  expect(code).toBe(1)
  expect(out.at(-1)).toContain(`record ${records.length + 1}: it was written by machine version 99`)
})

test('replay gives the machine, the status and what is known after a record', async () => {
  const { path, records } = lived()
  for (const { seq } of records) {
    const { code, out } = await relisten('journal', 'replay', path, '--at', String(seq))
    const state = JSON.parse(out.join('\n'))
    const { value, context, status } = replay(lifecycleMachine, records.slice(0, seq))
    expect([code, state.record, state.machine]).toEqual([0, seq, { value, context, status }])
    expect(state.status.state).toBe(stateName(value))
  }
  const newest = JSON.parse((await relisten('journal', 'replay', path)).out.join('\n'))
  expect(newest).toMatchObject({ record: records.length, remembered: { brokers: { 1: '127.0.2.1:9092' } } })
})

test.each<[string, string[], RegExp]>([
  ['another word', ['consumer', 'show'], /^Expected one of doctor, move-check, .*journal, got "consumer"/],
  ['no command', ['journal'], /^Expected one of show, export, verify, replay after "journal", got nothing/],
  ['an unknown command', ['journal', 'shwo', 'x'], /got "shwo"/],
  ['no path', ['journal', 'show'], /^"journal show" needs the path/],
  ['two paths', ['journal', 'show', 'a', 'b'], /^Expected one path, got also "b"/],
  ['an unknown option', ['journal', 'show', 'a', '--tail'], /^Unknown option '--tail'/],
  ['an option of another command', ['journal', 'show', 'a', '--at', '3'], /^--at goes with "journal replay" only/],
  [
    'a number that is none',
    ['journal', 'replay', 'a', '--at', 'x'],
    /^Expected --at to be the number of a record, got "x"/,
  ],
  ['a path without a journal', ['journal', 'show', '/nowhere'], /^There is no journal at \/nowhere/],
  ['a directory without a journal', ['journal', 'verify', import.meta.dirname], /has no files of a journal in it/],
])('%s is wrong usage, told in a sentence', async (_, args, sentence) => {
  const { code, out, error } = await relisten(...args)
  expect({ code, out }).toEqual({ code: 2, out: [] })
  expect(error).toHaveLength(1)
  expect(error[0]).toMatch(sentence)
})

/** What a peer may call itself: it clears the screen, names the window, begins a line of its own, turns the text round, hides. */
const hostile =
  '\u001b]0;owned\u0007\u001b[2J\r\n2026-11-26 00:00:00.000\t99\u009b1m \u202ekcab\u2066 z\u200bero\u2028\u007f'
const commanding = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u

test('what peers are called does not command the terminal, in whatever is printed of a journal', async () => {
  const path = newPath()
  const journal = fileJournal(path)
  const life = startLife(journal)
  life.send({ type: 'cluster.refused', expected: 'ours', got: hostile, endpoint: `${hostile}:9092` })
  life.send({ type: 'member.named', epoch: 1, memberId: hostile })
  life.send({ type: 'partitions.assigned', epoch: 1, generation: 1, partitions: { [hostile]: [0] } })
  const records = [...journal.read()]
  journal.close()
  for (const command of ['show', 'export', 'replay', 'verify']) {
    const { out, error, code } = await relisten('journal', command, path)
    expect(code).toBe(0)
    for (const line of [...out, ...error]) expect(line).not.toMatch(commanding)
    if (command === 'show')
      expect(out.find((line) => line.includes('cluster.refused'))).toContain('\\u001b]0;owned\\u0007')
    if (command === 'export') expect(out.map((line) => JSON.parse(line))).toEqual(records)
    if (command === 'replay') expect(Object.keys(JSON.parse(out.join('\n')).status.assignment)).toEqual([hostile])
  }
  expect((await relisten('journal', 'show', `${path}/${hostile}`)).error.join()).not.toMatch(commanding)
})

test('no words print the usage where errors go, as wrong usage', async () => {
  const { code, out, error } = await relisten()
  expect({ code, out }).toEqual({ code: 2, out: [] })
  expect(error[0]).toMatch(/^Usage: relisten <command>/)
})

test('the version is that of the package', async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  expect(await relisten('--version')).toMatchObject({ code: 0, out: [version] })
})

test.each([
  ['a line without an end', 'what is this'],
  ['a line', 'what is this\n'],
  ['JSON', '{"seq":1}\n'],
  ['bytes', Buffer.from([0, 1, 2, 255, 10, 0])],
  ['nothing', ''],
])('%s is no journal, whatever is asked of it', async (_, nonsense) => {
  const path = join(await mkdtemp(join(tmpdir(), 'relisten-nonsense-')), 'file')
  await writeFile(path, nonsense)
  for (const command of ['show', 'verify', 'replay', 'export']) {
    const { code, error, out } = await relisten('journal', command, path)
    expect([command, code], [...out, ...error].join()).toEqual([command, nonsense === '' ? 2 : 1])
    if (command !== 'verify') expect(error.length).toBeGreaterThan(0)
  }
})

test.each([[['--help']], [['-h']], [['help']], [['journal', '--help']], [['journal', 'show', '--help']]])(
  '%j tells the usage',
  async (args) => {
    const { code, out } = await relisten(...args)
    expect(code).toBe(0)
    for (const command of ['show', 'verify', 'replay', 'export']) expect(out.join('\n')).toContain(`  ${command} PATH`)
  },
)

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_250, '1.3 s'],
  [243_000, '4 min 3 s'],
  [7_500_000, '2 h 5 min'],
  [273_600_000, '3 d 4 h'],
  [-1_500, '-1.5 s'],
])('%d ms read as %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

async function relisten(...args: string[]) {
  const out: string[] = []
  const error: string[] = []
  const code = await runCommand(args, { out: (line) => out.push(line), error: (line) => error.push(line) })
  return { code, out: out.flatMap((text) => text.split('\n')), error }
}

const idle = fromCallback<Fact>(() => () => {})

/** A file journal of one life: a move and a retry. */
function lived(close = true) {
  const path = newPath()
  const journal = fileJournal(path)
  let clock = Date.UTC(2026, 0, 1) - 400
  const now = vi.spyOn(Date, 'now').mockImplementation(() => {
    clock += 400
    return clock
  })
  const life = startLife(journal)
  life.move()
  life.retry()
  now.mockRestore()
  const records = [...journal.read()]
  if (close) journal.close()
  return { path, records }
}
