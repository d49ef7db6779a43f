/** The inside of a process of its own with members in it. It does what it is told over its channel and reports every hand-out. */
import { holdings } from '../../process/holdings.ts'
import { obey, outcomeOf, Questions, tellParent } from '../../process/parent.ts'
import { countDials } from './dial-count.ts'
import type { Handed } from './member.ts'
import type { FromProcess, Told, ToProcess } from './member-process.ts'
import { type RelistenMember, relistenMember } from './relisten-member.ts'

const members = new Map<string, RelistenMember>()
const dials = countDials()
const questions = new Questions<string[]>()

obey(async (message: ToProcess) => {
  if (message.kind === 'brokers') questions.answered(message.question, message.answer)
  if (message.kind === 'block') block(message.forMs)
  if (message.kind === 'tell') send({ kind: 'told', question: message.question, told: told() })
  if (message.kind === 'measure') send({ kind: 'measured', holdings: await holdings() })
  if (message.kind === 'start') await report('start', message.name, () => start(message))
  if (message.kind === 'stop') await report('stop', message.name, async () => members.get(message.name)?.stop())
})

const send = (message: FromProcess): void => void tellParent(message)

async function report(action: 'start' | 'stop', name: string, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  const outcome = await outcomeOf(work)
  send({ kind: 'done', name, action, tookMs: performance.now() - startedAt, ...outcome })
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
  return questions.ask((question) => send({ kind: 'brokers', name, question }))
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
