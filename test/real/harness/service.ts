/**
 * A service: one consumer in one life after the other, all on one journal, over a steady stream. Every life gets the list of brokers
 * that was right before the first one.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Admin, Kafka } from 'kafkajs'
import type { KafkaCluster } from '../../cluster/kafka-cluster.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { beginLife, type KillStep, type Life } from './life.ts'
import { until } from './until.ts'
import { createWorkload, type Workload } from './workload.ts'

export interface Service extends AsyncDisposable {
  readonly topic: string
  readonly groupId: string
  /** Where the journal is. */
  readonly journal: string
  readonly kafka: Kafka
  readonly admin: Admin
  readonly ledger: Ledger
  readonly workload: Workload
  /** Lives so far. */
  readonly lifeCount: number
  /** The life that was resumed last, dead or alive. */
  readonly current: Life | undefined
  /** Starts a life that ends at this step. */
  doomed(step: KillStep): Promise<Life>
  /** Starts a life; resolves when every partition has given it a message, or rejects with what is missing after 10 s. */
  resume(): Promise<Life>
  /** What the group has committed, by partition; 0 where nothing. */
  committed(): Promise<Map<number, number>>
  /** Ids of the members in the group. */
  members(): Promise<string[]>
}

const PER_SECOND = 100

/** `brokers` is the list of all lives. */
export async function startService(cluster: KafkaCluster, brokers: string[]): Promise<Service> {
  const id = randomUUID().slice(0, 8)
  const [topic, groupId] = [`topic-${id}`, `group-${id}`]
  const folder = await mkdtemp(join(tmpdir(), 'relisten-lives-'))
  const journal = join(folder, 'journal')
  await cluster.createTopic(topic)
  const kafka = cluster.kafka()
  const admin = kafka.admin()
  await admin.connect()
  const workload = await createWorkload(cluster, { topic, perSecond: PER_SECOND })
  workload.start()
  const ledger = createLedger()
  const lives: Promise<Life>[] = []
  let lifeCount = 0
  let current: Life | undefined

  // made ahead: what is measured is the consumer, not the start of a process
  const ahead = () => lives.push(beginLife(ledger))
  ahead()

  const begin = async (kill?: KillStep): Promise<Life> => {
    const life = (await lives.at(-1)) as Life
    lifeCount += 1
    life.start({ name: `life-${lifeCount}`, brokers, groupId, topic, journal, ...(kill && { kill }) })
    return life
  }

  return {
    topic,
    groupId,
    journal,
    kafka,
    admin,
    ledger,
    workload,
    get lifeCount() {
      return lifeCount
    },
    get current() {
      return current
    },
    async doomed(step) {
      const life = await begin(step)
      ahead()
      return life
    },
    async resume() {
      current = await begin()
      const { firsts } = current
      const silent = () => workload.partitions.filter((partition) => !firsts.has(partition))
      const missing = () => (silent().length > 0 ? `a message of partition ${silent().join(', ')}` : undefined)
      await until(missing, { deadlineMs: 10_000 }).finally(ahead)
      return current
    },
    async committed() {
      const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
      const partitions = found?.partitions ?? []
      return new Map(partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]))
    },
    async members() {
      const { groups } = await admin.describeGroups([groupId])
      return groups.flatMap(({ members }) => members.map(({ memberId }) => memberId))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(lives.map(async (life) => (await life).kill()))
      await workload.close()
      await admin.disconnect()
      await rm(folder, { recursive: true })
    },
  }
}
