/** The inside of a member: a process with one consumer at a time. What it handled it tells before the message counts as handled. */
import { setTimeout as pause } from 'node:timers/promises'
import pino from 'pino'
import { type Consumer, createConsumer, type EachMessagePayload, fileJournal } from '../../src/index.ts'
import { contentOf } from '../real/harness/workload.ts'
import { holdings } from './holdings.ts'
import type { FromMember, MemberTask, Mood, ToMember } from './member.ts'

const HANDLER_TIMEOUT_MS = 3000

const questions = new Map<number, (reply: { answer?: string[]; error?: string }) => void>()
let asked = 0
let consumer: Consumer | undefined
let state = 'idle'
let mood: Mood | undefined
/** A message whose first calls fail, and how many of them still do. */
let failing: { readonly text: string; readonly key: string; left: number } | undefined

process.on('message', async (message: ToMember) => {
  if (message.kind === 'start') await report('start', () => start(message))
  if (message.kind === 'stop') await report('stop', async () => consumer?.stop())
  if (message.kind === 'mood') mood = message.mood
  if (message.kind === 'measure') await tell({ kind: 'measured', holdings: await holdings() })
  if (message.kind === 'brokers') {
    questions.get(message.question)?.(message)
    questions.delete(message.question)
  }
})
// the run that asked for this process has ended
process.on('disconnect', () => process.exit())
setInterval(() => {
  const now = consumer?.status().state ?? 'idle'
  if (now !== state) void tell({ kind: 'state', state: now })
  state = now
}, 200)
void tell({ kind: 'up' })

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
  asked += 1
  const question = asked
  const reply = await new Promise<{ answer?: string[]; error?: string }>((resolve) => {
    questions.set(question, resolve)
    void tell({ kind: 'brokers', question })
  })
  if (reply.error !== undefined) throw new Error(reply.error)
  return reply.answer ?? []
}

async function report(action: 'start' | 'stop', act: () => Promise<unknown>): Promise<void> {
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => String(thrown),
  )
  await tell({ kind: 'done', action, ...(error !== undefined && { error }) })
}

function tell(message: FromMember): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
  })
}
