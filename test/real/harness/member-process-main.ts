/** The inside of a process of its own with members in it. It does what it is told over its channel and reports every hand-out. */
import { setTimeout as pause } from 'node:timers/promises'
import { countDials } from './dial-count.ts'
import type { Handed } from './member.ts'
import type { FromProcess, Resources, Told, ToProcess } from './member-process.ts'
import { type RelistenMember, relistenMember } from './relisten-member.ts'

const members = new Map<string, RelistenMember>()
const dials = countDials()
const questions = new Map<number, (answer: string[]) => void>()
let asked = 0

process.on('message', async (message: ToProcess) => {
  if (message.kind === 'brokers') questions.get(message.question)?.(message.answer)
  if (message.kind === 'block') block(message.forMs)
  if (message.kind === 'tell') send({ kind: 'told', question: message.question, told: told() })
  if (message.kind === 'measure') send({ kind: 'measured', resources: await measure() })
  if (message.kind === 'start') await report('start', message.name, () => start(message))
  if (message.kind === 'stop') await report('stop', message.name, async () => members.get(message.name)?.stop())
})
// the test that asked for this process has ended
process.on('disconnect', () => process.exit())
send({ kind: 'up' })

function send(message: FromProcess): void {
  process.send?.(message)
}

async function report(action: 'start' | 'stop', name: string, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => String(thrown),
  )
  const tookMs = performance.now() - startedAt
  send({ kind: 'done', name, action, tookMs, ...(error !== undefined && { error }) })
}

async function start({ name, groupId, topic, options }: Extract<ToProcess, { kind: 'start' }>): Promise<void> {
  const member = relistenMember({
    ...{ name, groupId, topic, handle: tell },
    options: { ...options, allowEndpoint: dials.allowEndpoint },
    brokers: ask,
  })
  members.set(name, member)
  member.consumer.on('*', () =>
    send({ kind: 'owns', name, generation: member.generation(), partitions: member.partitions() }),
  )
  await member.start()
}

/** The same function for all members of the process, so that they share a poller: the test answers alike for each of them. */
function ask(): Promise<string[]> {
  const [name = ''] = members.keys()
  asked += 1
  const question = asked
  return new Promise((resolve) => {
    questions.set(question, (answer) => {
      questions.delete(question)
      resolve(answer)
    })
    send({ kind: 'brokers', name, question })
  })
}

function tell({ signal: _, process: __, ...handed }: Handed): void {
  send({ kind: 'handed', handed: { ...handed, at: Date.now() } })
}

function block(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs)
}

function told(): Told {
  const facts: Record<string, number> = {}
  for (const member of members.values()) {
    for (const [type, count] of member.told) facts[type] = (facts[type] ?? 0) + count
  }
  return { facts, dials: dials.within({ from: 0, to: Number.POSITIVE_INFINITY }) }
}

/** A timer that fires just now, or a socket that is being replaced, is no leak: what stays is what is there at every moment. */
async function measure(): Promise<Resources> {
  const active = new Map<string, number[]>()
  const listeners: number[] = []
  const samples = 40
  for (let sample = 0; sample < samples; sample += 1) {
    await pause(50)
    for (const kind of process.getActiveResourcesInfo()) {
      const counts = active.get(kind) ?? []
      counts[sample] = (counts[sample] ?? 0) + 1
      active.set(kind, counts)
    }
    listeners.push(countListeners())
  }
  const fewest = (counts: number[]) => Math.min(...Array.from({ length: samples }, (_, sample) => counts[sample] ?? 0))
  globalThis.gc?.()
  await pause(50)
  globalThis.gc?.()
  return {
    active: Object.fromEntries(
      [...active].flatMap(([kind, counts]) => (fewest(counts) > 0 ? [[kind, fewest(counts)]] : [])),
    ),
    listeners: fewest(listeners),
    heapBytes: process.memoryUsage().heapUsed,
  }
}

function countListeners(): number {
  // undocumented, but the only way to the sockets of others
  const handles = (process as unknown as { _getActiveHandles(): NodeJS.EventEmitter[] })._getActiveHandles()
  const emitters = [process, ...handles].filter((one) => typeof one.eventNames === 'function')
  return emitters.reduce(
    (sum, emitter) => sum + emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0),
    0,
  )
}
