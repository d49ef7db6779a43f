// Log lines as a real pino logger writes them.
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { errorBeside, failureOf } from '../../../actors/delivery/handler-error.ts'
import { adviceFor } from '../../../src/advice.ts'
import { chainStart, type JournalRecord, sealed } from '../../../src/journal/journal.ts'
import { logFacts } from '../../../src/views/log.ts'

const record = (type: string, data: Record<string, unknown>, to = 'consuming'): JournalRecord => {
  const envelope = {
    at: 5,
    consumer: 'orders',
    epoch: 2,
    actor: 'lifecycle',
    plan: null,
    cause: null,
    machineVersion: '1',
  }
  return sealed({ ...envelope, type, data, from: 'consuming', to }, { ...chainStart, seq: 41 })
}

function written(...records: JournalRecord[]): Record<string, unknown>[] {
  const lines: string[] = []
  const log = logFacts(pino({ level: 'debug', base: null, timestamp: false }, { write: (line) => lines.push(line) }))
  for (const each of records) log(each)
  return lines.map((line) => JSON.parse(line))
}

test('a line about what was thrown has its name, stack and causes', () => {
  const failure = failureOf(new TypeError('no amount', { cause: new RangeError('none') }))
  const lines: string[] = []
  const log = logFacts(pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) }))
  const about = { topic: 'orders', partition: 1, offset: '7' }
  log(record('handler.failed', { ...about, attempt: 1, failure }), errorBeside(failure))
  log(record('policy.failed', { ...about, failure }), errorBeside(failure))
  for (const line of lines.map((each) => JSON.parse(each))) {
    expect(line.err).toMatchObject({ name: 'TypeError', stack: expect.stringContaining('log.test.ts') })
    expect(line.err.stack).toContain('RangeError: none')
  }
  expect(lines).toHaveLength(2)
})

test('a stall and its end name their partitions', () => {
  const partitions = { orders: [1, 3], bills: [0] }
  const lines = written(
    record('partition.stalled', { partitions, reason: 'it has no leader' }),
    record('partition.resumed', { partitions }),
  )
  expect(lines).toMatchObject([
    { level: 50, msg: 'No progress in orders 1, 3; bills 0: it has no leader', partitions },
    { level: 30, msg: 'Progress again in orders 1, 3; bills 0' },
  ])
})

test('a line has a sentence, the seq of its record, and the data of the fact', () => {
  const moves = [{ nodeId: 1, from: 'a:1', to: 'b:1' }]
  const [moved, lost] = written(
    record('cluster.moved', { moves, reason: 'moved' }, 'draining'),
    record('offsets.lost', { topic: 'orders', partition: 3, from: '5', to: '9', next: '9', reason: 'trimmed' }),
  )
  expect(moved).toEqual({
    ...{
      level: 30,
      msg: '1 broker moved to other endpoints (moved)',
      seq: 42,
      consumer: 'orders',
      epoch: 2,
      fact: 'cluster.moved',
    },
    ...{ moves, reason: 'moved', stateBefore: 'consuming', state: 'draining' },
  })
  expect(lost).toEqual({
    ...{
      level: 50,
      msg: 'orders/3: the log was trimmed, offsets from 5 to before 9 are lost; reading goes on at 9',
      seq: 42,
      consumer: 'orders',
      epoch: 2,
      fact: 'offsets.lost',
    },
    ...{ topic: 'orders', partition: 3, from: '5', to: '9', next: '9', reason: 'trimmed' },
  })
})

test('a sentence has no control characters, whatever a peer is called; the data has them as they are', () => {
  const got = '\u001b[2Jours\n\u202e\u0085'
  const [line] = written(record('cluster.refused', { got, expected: 'ours', endpoint: 'b1:9092' }))
  expect(line).toMatchObject({
    got,
    msg: 'b1:9092 belongs to cluster \\u001b[2Jours\\n\\u202e\\u0085, expected ours; it is not used',
  })
})

test('what is healed by itself warns, what needs somebody is an error, and small steps are for debugging', () => {
  const failure = { kind: 'session-crashed', message: 'KafkaJS ended' } as const
  const { likelyCause, nextStep } = adviceFor(failure)
  const advice = `Likely cause: ${likelyCause} Next step: ${nextStep}`
  const lines = written(
    record('session.failed', { epoch: 2, failure }),
    record('endpoint.refused', { nodeId: 2, endpoint: 'b:2', failure }),
    record('link.reconnected', { nodeId: 2, endpoint: 'b:2', tookMs: 12, soft: true }),
    record('partitions.assigned', { partitions: { orders: [0, 2], refunds: [1] } }),
    record('actor.failed', { child: 'session', message: 'bug' }),
    record('actor.started', {}),
  )
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    [40, `Session 2 failed: KafkaJS ended. ${advice}`],
    [50, `Broker 2 at b:2 is refused: KafkaJS ended. ${advice}`],
    [20, 'Broker 2 is connected at b:2 after 12 ms'],
    [30, 'Partitions assigned: orders 0, 2; refunds 1'],
    [50, 'lifecycle failed: bug'],
    [20, 'lifecycle: actor.started'],
  ])
})
