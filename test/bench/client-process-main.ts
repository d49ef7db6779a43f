/** The inside of a client's process. It starts the members it is told to start and reports what they are handed, and when. */
import { obey, outcomeOf, Questions, tellParent } from '../process/parent.ts'
import type { Client, Handed, Member, MemberTask } from '../real/harness/member.ts'
import type { FromClient, NodeClient, ToClient } from './client-process.ts'

// each client is imported only where it is measured
const clients: Record<NodeClient, () => Promise<Client>> = {
  relisten: async () => (await import('../real/harness/relisten-member.ts')).relistenMember,
  kafkajs: async () => (await import('../real/harness/stock-member.ts')).stockMember,
  'kafkajs-rebuild': async () => (await import('./clients/kafkajs-rebuild.ts')).rebuildingMember,
  'kafkajs-followed': async () => (await import('../real/harness/followed-member.ts')).followedMember,
  platformatic: async () => (await import('./clients/platformatic.ts')).platformaticMember,
}

const client = await clients[process.argv[2] as NodeClient]()
const members = new Map<string, Member>()
let shared: Pick<MemberTask, 'brokers' | 'options'> | undefined
const questions = new Questions<string[]>()

obey(async (message: ToClient) => {
  if (message.kind === 'brokers') questions.answered(message.question, message.answer)
  if (message.kind === 'start') await report('start', message.name, () => start(message))
  if (message.kind === 'stop') await report('stop', message.name, async () => members.get(message.name)?.stop())
})
// a client that throws where nobody can catch it has to be rebuilt by its loop, not to end the process
process.on('uncaughtException', () => {})
process.on('unhandledRejection', () => {})

const send = (message: FromClient): void => void tellParent(message)

async function report(action: 'start' | 'stop', name: string, work: () => Promise<void>): Promise<void> {
  send({ kind: 'done', name, action, ...(await outcomeOf(work)) })
}

async function start({ name, groupId, topic, list, options }: Extract<ToClient, { kind: 'start' }>): Promise<void> {
  // the members of a service share their options, and so what depends on them
  shared ??= { brokers: list ?? ask, options }
  const member = client({ name, groupId, topic, ...shared, handle: tell })
  members.set(name, member)
  if ('consumer' in member) {
    const { consumer } = member as Member & { consumer: { on(type: '*', listener: (record: never) => void): unknown } }
    consumer.on('*', (record) => send({ kind: 'told', name, record }))
  }
  let last = ''
  const tellOwned = () => {
    const owns = { generation: member.generation(), partitions: member.partitions() }
    if (JSON.stringify(owns) === last) return
    last = JSON.stringify(owns)
    send({ kind: 'owns', name, ...owns })
  }
  setInterval(tellOwned, 100).unref()
  await member.start()
  tellOwned()
}

function ask(): Promise<string[]> {
  return questions.ask((question) => send({ kind: 'brokers', question }))
}

function tell({ signal: _, process: __, ...handed }: Handed): void {
  send({ kind: 'handed', handed: { ...handed, startedAt: Date.now() } })
}
