/** The inside of a member: a process with one consumer at a time. What it handled it tells before the message counts as handled. */
import { setTimeout as pause } from 'node:timers/promises'
import pino from 'pino'
import { type Consumer, createConsumer, type EachMessagePayload, fileJournal } from '../../src/index.ts'
import { holdings } from '../process/holdings.ts'
import { obey, outcomeOf, Questions, tellParent } from '../process/parent.ts'
import { contentOf } from '../real/harness/workload.ts'
import type { FromMember, MemberTask, Mood, ToMember } from './member.ts'

const HANDLER_TIMEOUT_MS = 3000

const questions = new Questions<{ answer?: string[]; error?: string }>()
let consumer: Consumer | undefined
let state = 'idle'
let mood: Mood | undefined
/** A message whose first calls fail, and how many of them still do. */
let failing: { readonly text: string; readonly key: string; left: number } | undefined

obey(async (message: ToMember) => {
  if (message.kind === 'start') await report('start', () => start(message))
  if (message.kind === 'stop') await report('stop', async () => consumer?.stop())
  if (message.kind === 'mood') mood = message.mood
  if (message.kind === 'measure') await tell({ kind: 'measured', holdings: await holdings() })
  if (message.kind === 'brokers') questions.answered(message.question, message)
})
setInterval(() => {
  const now = consumer?.status().state ?? 'idle'
  if (now !== state) void tell({ kind: 'state', state: now })
  state = now
}, 200)

async function start({ name, groupId, topic, journal, log }: MemberTask): Promise<void> {
  consumer = createConsumer({
    kafka: { clientId: name },
    brokers: ask,
    groupId,
    topics: [topic],
    fromBeginning: true,
    journal: fileJournal(journal),
    logger: pino({ level: 'debug' }, pino.destination({ dest: log, append: true, sync: false })),
    handlerTimeoutMs: HANDLER_TIMEOUT_MS,
    eachMessage: handle,
  })
  consumer.on('*', ({ at, type, to, data }) => void tell({ kind: 'told', record: { at, type, to, data } }))
  await consumer.start()
}

async function handle({ partition, message: { offset, value }, signal }: EachMessagePayload): Promise<void> {
  const startedAt = Date.now()
  const error = await work(`${partition}/${offset}`, signal).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  const threw = error !== undefined
  const attempt = { partition, offset: Number(offset), ...contentOf(value), startedAt, endedAt: Date.now(), threw }
  // handled means told: what was not told before a kill is not committed either
  await tell({ kind: 'attempt', attempt })
  if (threw) throw error
}

async function work(key: string, signal: AbortSignal): Promise<void> {
  const now = mood
  mood = undefined
  if (now?.kind === 'throws') failing = { text: now.text, key, left: now.times }
  if (failing?.key === key && failing.left > 0) {
    failing.left -= 1
    throw new Error(failing.text)
  }
  if (now?.kind === 'slow') await pause(now.forMs)
  if (now?.kind === 'hangs') {
    await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('It hung until its signal'))),
    )
  }
}

async function ask(): Promise<string[]> {
  const reply = await questions.ask((question) => tell({ kind: 'brokers', question }))
  if (reply.error !== undefined) throw new Error(reply.error)
  return reply.answer ?? []
}

async function report(action: 'start' | 'stop', act: () => Promise<unknown>): Promise<void> {
  await tell({ kind: 'done', action, ...(await outcomeOf(act)) })
}

const tell = (message: FromMember): Promise<void> => tellParent(message)
