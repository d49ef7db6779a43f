/** The inside of a life: a process with one consumer and its journal. It kills itself the moment the record it was told of is durable. */
import { readFile } from 'node:fs/promises'
import kafkajs from 'kafkajs'
import {
  type AnyRecord,
  createConsumer,
  type DeadLetterProducer,
  deadLetter,
  fileJournal,
  follow,
} from '../../../src/index.ts'
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

async function start({ name, brokers: told, groupId, topic, journal, kill, poison }: LifeTask): Promise<void> {
  if (kill) arm(kill)
  const brokers = 'file' in told ? async () => (await readFile(told.file, 'utf8')).split(',') : told
  const consumer = createConsumer({
    logger: false,
    kafka: { clientId: name },
    brokers,
    groupId,
    topics: [topic],
    fromBeginning: true,
    journal: fileJournal(journal),
    // handled means told: what was not told before the kill is not committed either
    eachMessage: async ({ partition, message: { offset, value } }) => {
      const content = contentOf(value)
      if (poison && content.sequence % poison.every === 0) throw new Error(`No handler for ${content.sequence}`)
      await tell<FromLife>({ kind: 'handed', partition, offset: Number(offset), ...content, startedAt: Date.now() })
    },
    ...(poison && {
      onHandlerError: deadLetter({ producer: letterBox(name, brokers), topic: poison.letters, maxAttempts: 2 }),
    }),
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

/** A producer that tells of each send, and of what is acknowledged. It is idempotent: what is there twice is there by the policy. */
function letterBox(clientId: string, brokers: kafkajs.KafkaConfig['brokers']): DeadLetterProducer {
  const config = follow({ clientId, brokers, logLevel: kafkajs.logLevel.NOTHING }, { logger: false })
  const producer = new kafkajs.Kafka(config).producer({
    ...{ allowAutoTopicCreation: false, idempotent: true },
    retry: { retries: 1, initialRetryTime: 50 },
  })
  return {
    async send(record) {
      const { headers = {}, value = null } = record.messages[0] ?? {}
      const startedAt = Date.now()
      const content = contentOf(value)
      await tell<FromLife>({ kind: 'sending', sequence: content.sequence })
      await producer.connect()
      await producer.send(record)
      const original = (name: string) => Number(headers[`relisten-original-${name}`])
      const place = { partition: original('partition'), offset: original('offset') }
      await tell<FromLife>({ kind: 'handed', ...place, ...content, startedAt })
    },
  }
}

function isTheOne({ type }: AnyRecord): boolean {
  if (type === step?.after) counting = true
  if (!counting || type !== step?.type) return false
  seen += 1
  return seen === (step.nth ?? 1)
}
