// `relisten journal` on journals that `follow` wrote.
import { expect, test } from 'vitest'
import { runCommand } from '../../../src/command-line/command.ts'
import { fileJournal } from '../../../src/journal/file-journal.ts'
import { exported, newPath, resealed } from '../journal/journal-files.ts'
import { startFollowing, startLife } from '../journal/journal-lives.ts'

async function relisten(...args: string[]) {
  const out: string[] = []
  const code = await runCommand(args, { out: (line) => out.push(line), error: (line) => out.push(line) })
  return { code, out: out.flatMap((text) => text.split('\n')) }
}

test('a journal of `follow` is shown, verified and replayed as one of a consumer', async () => {
  const path = newPath()
  const journal = fileJournal(path)
  const following = startFollowing(journal)
  following.move()
  following.send({ type: 'stop.requested' })
  const records = [...journal.read()]
  journal.close()
  const shown = (await relisten('journal', 'show', path)).out.slice(1)
  expect(
    shown.map((line) =>
      line
        .split(/ {2,}/)
        .slice(2)
        .join(' | ')
        .replace(/\| \d+ ms \| /, '| '),
    ),
  ).toEqual([
    'resting | actor.started | A life of the following begins',
    'resting → reaching | wires.opened | A client of KafkaJS connects',
    'reaching → following | cluster.reached | Cluster EbqYVNZ4Q9eP-7G3cGQdOg is reached, 1 broker',
    'following → catching-up | cluster.moved | 1 broker moved to other endpoints (moved)',
    expect.stringMatching(/^catching-up → following \| wires.caught-up \| by 4 \| /),
    'following → closing | stop.requested | Stop was requested',
  ])
  expect((await relisten('journal', 'verify', path)).out).toContain('replay   good, 1 start, ends in closing')
  const replayed = JSON.parse((await relisten('journal', 'replay', path, '--at', '5')).out.join(''))
  expect(replayed).toEqual({
    ...{ record: 5, time: expect.any(String), actor: 'following' },
    machine: { value: 'following', status: 'active', context: { failure: null, behind: false } },
    status: expect.objectContaining({
      ...{ state: 'following', clusterId: 'EbqYVNZ4Q9eP-7G3cGQdOg', counts: expect.objectContaining({ moves: 1 }) },
      lastMove: { at: expect.any(Number), tookMs: 42, forced: false },
    }),
    remembered: { clusterId: 'EbqYVNZ4Q9eP-7G3cGQdOg', brokers: { 1: '127.0.2.1:9092' }, topics: {} },
  })
  const forged = records.map((record) => (record.type === 'wires.caught-up' ? { ...record, to: 'resting' } : record))
  const { code, out } = await relisten('journal', 'verify', exported(resealed(forged)))
  expect([code, out.find((line) => line.startsWith('replay'))]).toEqual([
    1,
    expect.stringContaining('recorded "resting", replayed "following"'),
  ])
})

test('a journal that a consumer and then `follow` wrote is that of the one that wrote last', async () => {
  const path = newPath()
  const journal = fileJournal(path)
  startLife(journal)
  startFollowing(journal)
  journal.close()
  expect((await relisten('journal', 'verify', path)).out).toContain('replay   good, 2 starts, ends in following')
  expect(JSON.parse((await relisten('journal', 'replay', path, '--at', '7')).out.join(''))).toMatchObject({
    ...{ actor: 'consumer', machine: { value: 'consuming' }, status: { state: 'consuming' } },
  })
})
