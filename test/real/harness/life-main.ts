/** The inside of a life: a process with one consumer and its journal. It kills itself the moment the record it was told of is durable. */
import { type AnyRecord, createConsumer, fileJournal } from '../../../src/index.ts'
import { obey, tellParent as tell } from '../../process/parent.ts'
import type { FromLife, KillStep, LifeTask, ToLife } from './life.ts'
import { contentOf } from './workload.ts'

let step: KillStep | undefined
let counting = false
let seen = 0
let stop = async () => {}

obey(async (message: ToLife) => {
  if (message.kind === 'arm') arm(message.step)
  if (message.kind === 'start') await start(message)
  if (message.kind === 'stop') await stop()
})

function arm(armed: KillStep): void {
  step = armed
  counting = armed.after === undefined
  seen = 0
}

async function start({ name, brokers, groupId, topic, journal, kill }: LifeTask): Promise<void> {
  if (kill) arm(kill)
  const consumer = createConsumer({
    logger: false,
    kafka: { clientId: name },
    brokers,
    groupId,
    topics: [topic],
    fromBeginning: true,
    journal: fileJournal(journal),
    // handled means told: what was not told before the kill is not committed either
    eachMessage: ({ partition, message: { offset, value } }) =>
      tell<FromLife>({ kind: 'handed', partition, offset: Number(offset), ...contentOf(value), startedAt: Date.now() }),
  })
  consumer.on('*', (record) => {
    if (isTheOne(record)) process.kill(process.pid, 'SIGKILL')
    void tell<FromLife>({ kind: 'told', record })
  })
  stop = async () => {
    await consumer.stop()
    await tell<FromLife>({ kind: 'stopped' })
  }
  await consumer.start()
}

function isTheOne({ type }: AnyRecord): boolean {
  if (type === step?.after) counting = true
  if (!counting || type !== step?.type) return false
  seen += 1
  return seen === (step.nth ?? 1)
}
