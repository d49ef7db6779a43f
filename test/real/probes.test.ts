// What probes are told, over HTTP, in each situation that SPEC's truth table names.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { type Consumer, type ConsumerOptions, createConsumer, healthServer, memoryJournal } from '../../src/index.ts'
import { startFront } from '../cluster/front.ts'
import { tableOf } from '../markdown.ts'
import { setAfter } from './harness/address-sets.ts'
import { relistenMember } from './harness/relisten-member.ts'
import { startRun } from './harness/run.ts'
import { sharedCluster } from './harness/shared-cluster.ts'
import { until } from './harness/until.ts'

/** Kafka's number of a fetch. */
const FETCH = 1
/** How long all brokers are away where it has to leave a consumer ready: well within 10 s. */
const SHORT_MS = 4000

const spec = await readFile(join(import.meta.dirname, '../../SPEC.md'), 'utf8')
const told = new Map(tableOf(spec, 'situation').map(({ situation = '', ...verdicts }) => [situation, verdicts]))
const shown = new Set<string>()
afterAll(() => expect([...shown].toSorted()).toEqual([...told.keys()].toSorted()))

const cluster = sharedCluster({ bindFixed: true })

// beside each other: most of the time nothing happens
test.concurrent('brokers move, are away, and come back; in the end it is stopped', async () => {
  await using front = await startFront(cluster())
  await using run = await oneMember('probes of a move', () => front.endpoints())
  await using probes = await probesOf(run.consumer)
  await probes.become('messages are handled')
  await probes.stay('all brokers move at once', () => run.move(() => front.move(setAfter(front))))
  const set = setAfter(front) - 1
  await front.close(set, 'rst')
  await probes.stay('no broker answers, for less than 10 s', () => pause(SHORT_MS))
  await probes.become('no broker answers, for longer')
  await front.open(set)
  await probes.become('messages are handled')
  await run.consumer.stop()
  await probes.become('it was stopped')
})

test.concurrent('fetches are not answered any more, and are again', async () => {
  await using front = await startFront(cluster())
  await using run = await oneMember('probes of a silent stall', () => front.endpoints(), { requestTimeoutMs: 1000 })
  await using probes = await probesOf(run.consumer)
  front.drop([FETCH])
  await probes.become('brokers answer, but no fetch')
  front.drop([])
  await probes.become('messages are handled')
})

const away = () => {
  throw new Error('The database is away')
}
test.concurrent.each<[string, Partial<ConsumerOptions>, () => unknown]>([
  ['a handler does not return by its deadline', { handlerTimeoutMs: 500 }, () => new Promise(() => {})],
  ['a partition waits for its handler', { onHandlerError: 'pause', handlerRetries: 0 }, away],
  [
    'a partition waits for its handler, with `unreadyWhenDegraded`',
    { onHandlerError: 'pause', handlerRetries: 0, unreadyWhenDegraded: true },
    away,
  ],
  ['the journal fails, with `degrade`', { ...brokenJournal(), onJournalError: 'degrade' }, () => {}],
  ['the journal fails, with `stop-intake`', { ...brokenJournal(), onJournalError: 'stop-intake' }, () => {}],
  ['another cluster answers', { clusterId: 'of-another-cluster' }, () => {}],
  ['it has not joined yet', { brokers: ['127.0.0.1:1'] }, () => {}],
  ['the retry budget is spent', { brokers: ['127.0.0.1:1'], retryBudget: 0, rebuildTimeoutMs: 100 }, () => {}],
])('%s', async (situation, options, handle) => {
  const topic = `probes-${situation.replace(/\W+/g, '-')}`
  await cluster().createTopic(topic, { partitions: 1 })
  const producer = cluster().kafka().producer()
  await producer.connect()
  await producer.send({ topic, messages: [{ value: 'one' }] })
  await producer.disconnect()
  await using consumer = createConsumer({
    ...{ brokers: cluster().nodeIds.map((id) => cluster().endpoint(id)), groupId: topic, topics: [topic] },
    ...{ fromBeginning: true, logger: false, stopTimeoutMs: 500, eachMessage: async () => void (await handle()) },
    ...options,
  } as ConsumerOptions)
  consumer.start().catch(() => {})
  await using probes = await probesOf(consumer)
  await probes.become(situation)
})

/** One that works until there is something to be told of an assignment. */
function brokenJournal(): Pick<ConsumerOptions, 'journal'> {
  const journal = memoryJournal()
  const append: typeof journal.append = (record, seq) => {
    if (record.type === 'session.joined') throw new Error('The disk is full')
    journal.append(record, seq)
  }
  return { journal: { ...journal, append } }
}

async function oneMember(scenario: string, brokers: () => string[], options: Partial<ConsumerOptions> = {}) {
  const of = { scenario, cluster: cluster(), client: relistenMember, members: 1, brokers }
  const run = await startRun({ ...of, options })
  const [member] = run.members
  if (!member) throw new Error('The run has no member')
  return Object.assign(run, { consumer: member.consumer })
}

/** A health server for this consumer, and what it says. */
async function probesOf(consumer: Consumer) {
  const server = await healthServer({ consumers: [consumer], port: 0, host: '127.0.0.1' })
  const code = async (path: string) => {
    const [response] = (await once(get({ host: '127.0.0.1', port: server.port, path, agent: false }), 'response')) as [
      IncomingMessage,
    ]
    return { code: response.statusCode, body: JSON.parse((await response.toArray()).join('')) }
  }
  const yes = (is: boolean) => (is ? 'yes' : 'no')
  const verdicts = async () => {
    const [live, ready, status] = await Promise.all(['/livez', '/readyz', '/status'].map(code))
    const seen = {
      live: yes(live?.code === 200),
      ready: yes(ready?.code === 200),
      degraded: yes(status?.body.degraded),
    }
    return { seen, reasons: `${live?.body.reason} ${ready?.body.reason}` }
  }
  const expected = (situation: string) => {
    shown.add(situation)
    return JSON.stringify(told.get(situation))
  }
  return {
    /** Resolves once they say what the table has for this situation, and go on saying it. */
    async become(situation: string): Promise<void> {
      const wanted = expected(situation)
      let inRow = 0
      await until(async () => {
        const { seen, reasons } = await verdicts()
        inRow = JSON.stringify(seen) === wanted ? inRow + 1 : 0
        return inRow >= 5 ? undefined : `${wanted} where ${situation}; got ${JSON.stringify(seen)}: ${reasons}`
      })
    },
    /** They say what the table has for this situation for as long as it lasts. */
    async stay(situation: string, during: () => Promise<unknown>): Promise<void> {
      const wanted = expected(situation)
      let isOver = false
      const work = during().finally(() => {
        isOver = true
      })
      while (!isOver) {
        const { seen, reasons } = await verdicts()
        expect(JSON.stringify(seen), `${situation}: ${reasons}`).toBe(wanted)
        await pause(10)
      }
      await work
    },
    [Symbol.asyncDispose]: () => server.close(),
  }
}
