// Executions on a real cluster: topics placed by hand, and what an execution has recorded.
import { randomBytes } from 'node:crypto'
import type { Controls } from '../../actors/balancer/controls.ts'
import { KafkaControls } from '../../actors/balancer/controls.ts'
import { type ExecutorSettings, usualExecution } from '../../actors/balancer/execution-settings.ts'
import { Executor } from '../../actors/balancer/executor.ts'
import { Throttles } from '../../actors/balancer/throttles.ts'
import { acquireCluster } from '../../actors/cluster/cluster.ts'
import { createSource } from '../../actors/cluster/source.ts'
import { createDial } from '../../actors/connection/dial.ts'
import type { PartitionPlace } from '../../machines/balancer/model.ts'
import type { Step } from '../../machines/balancer/plan.ts'
import { type HeldThrottle, nothingUnfinished, reduceUnfinished } from '../../machines/balancer/unfinished.ts'
import type { Fact } from '../../machines/fact.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { until } from '../real/harness/until.ts'

/** Durations for tests. */
export const quick: ExecutorSettings = {
  ...usualExecution,
  ...{ lookMs: 100, sizesMs: 200, stallMs: 60_000, lostMs: 2000, holdMs: 20_000, electMs: 10_000, cancelMs: 10_000 },
}

/** `brokers`: where they are now, asked whenever none responds. */
export function realControls(brokers: () => string[]) {
  const dial = createDial({ security: async () => ({}), dialTimeoutMs: undefined, clusterId: () => undefined })
  const held = acquireCluster({ brokers: createSource(async () => brokers()), dial, pollIntervalMs: 1000, key: {} })
  const controls = new KafkaControls({ cluster: held, dial, clientId: 'balancer' })
  return {
    controls,
    [Symbol.dispose]() {
      controls.close()
      held.release()
    },
  }
}

/** A step to these replicas. */
export const stepTo = (
  topic: string,
  partition: number,
  kind: Step['kind'],
  from: number,
  to: number,
  replicas: readonly number[],
  bytes = 0,
): Step => ({ topic, partition, kind, from, to, replicas, bytes, why: 'replicas', wins: 1 })

/** An execution, with its facts. */
export function executionOn(
  controls: Controls,
  settings: Partial<ExecutorSettings> = {},
  held: ReadonlyMap<string, HeldThrottle> = new Map(),
) {
  const facts: Fact[] = []
  const emit = (fact: Fact) => void facts.push(fact)
  const throttles = new Throttles({ controls, emit, held })
  const executor = new Executor({ controls, emit, round: 1, settings: { ...quick, ...settings }, throttles })
  const unfinished = () =>
    facts.reduce((fold, { type, ...data }) => reduceUnfinished(fold, { type, data }), nothingUnfinished)
  /** The ends of its steps, in their order. */
  const ends = () =>
    facts.flatMap((fact) =>
      fact.type === 'step.ended'
        ? [`${fact.partition} ${fact.kind} ${fact.result}${fact.reason === null ? '' : ` ${fact.reason}`}`]
        : [],
    )
  return { executor, throttles, facts, ends, unfinished }
}

/** Makes a topic whose partitions have these replicas, with so much in each. */
export async function placedTopic(
  cluster: KafkaCluster,
  controls: Controls,
  topic: string,
  placement: readonly (readonly number[])[],
  {
    mib = 0,
    configuration = {},
  }: { readonly mib?: number; readonly configuration?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const kafka = cluster.kafka()
  const admin = kafka.admin()
  await admin.connect()
  const replicaAssignment = placement.map((replicas, partition) => ({ partition, replicas: [...replicas] }))
  const configEntries = Object.entries(configuration).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ topics: [{ topic, replicaAssignment, configEntries }], waitForLeaders: false })
  await admin.disconnect()
  await until(async () => {
    const places = await placesOf(controls, topic)
    const isThere =
      places.length === placement.length && places.every((each) => each.isr.length === each.replicas.length)
    return isThere ? undefined : `${topic} with all its replicas`
  })
  if (mib === 0) return
  const producer = kafka.producer()
  await producer.connect()
  const value = randomBytes(2 ** 18)
  for (let sent = 0; sent < 4 * mib; sent++)
    for (const partition of placement.keys()) await producer.send({ topic, messages: [{ partition, value }] })
  await producer.disconnect()
}

export async function placesOf(controls: Controls, topic: string): Promise<readonly PartitionPlace[]> {
  const { partitions } = await controls.topology()
  return partitions.filter((each) => each.topic === topic).toSorted((one, other) => one.partition - other.partition)
}
