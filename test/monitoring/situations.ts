/** Consumers on a real cluster, to which everything happens that a metric tells of. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Front, startFront } from '../cluster/front.ts'
import type { KafkaCluster } from '../cluster/kafka-cluster.ts'
import { setAfter } from '../real/harness/address-sets.ts'
import { evict } from '../real/harness/eviction.ts'
import { type RelistenMember, relistenMember } from '../real/harness/relisten-member.ts'
import { type Run, startRun } from '../real/harness/run.ts'
import { until, within } from '../real/harness/until.ts'
import { loneConsumers } from './lone-consumers.ts'

/** The alerts that are pending or firing in the end; for the others it would have to last longer. */
export const provoked = [
  'RelistenNotLive',
  'RelistenNotReady',
  'RelistenDegraded',
  'RelistenHandlerFailing',
  'RelistenHandlerErrors',
  'RelistenPartitionsStalled',
  'RelistenLagGrowing',
  'RelistenEndpointRefused',
  'RelistenForeignCluster',
  'RelistenOffsetsLost',
  'RelistenJournalFailed',
  'RelistenMembersLost',
  'RelistenEventLoopBlocked',
]

/** Kafka's numbers of requests. */
const [COMMIT, HEARTBEAT] = [8, 12]
/** Longer than the 10 s after which a consumer without brokers is not ready. */
const OUTAGE_MS = 12_000
const BLOCKED_MS = 1500

/** What `judge` resolves with, once all of it has happened and while the consumers are still there. */
export async function afterAll<Verdict>(
  cluster: KafkaCluster,
  say: (line: string) => void,
  judge: () => Promise<Verdict>,
): Promise<Verdict> {
  await using front = await startFront(cluster)
  let work = async (_partition: number) => {}
  await using run = await startRun({
    ...{ scenario: 'monitoring', cluster, client: relistenMember, members: 2 },
    brokers: () => front.endpoints(),
    options: { rebuildTimeoutMs: 1000, drainTimeoutMs: 500, stopTimeoutMs: 5000 },
    handle: ({ partition }) => work(partition),
  })
  say('a member joins')
  await within(30_000, 'The join of a third member', run.add().start())
  say('consumers fail, hang, are refused, lose offsets, see another cluster')
  await using lone = await loneConsumers(cluster)

  say('a handler fails for a while')
  let failures = 0
  work = async (partition) => {
    if (partition > 0) return
    failures += 1
    throw new TypeError('The database is away')
  }
  await until(() => (failures < 5 ? 'failures of the handler' : undefined))
  work = async () => {}
  await lone.fallBehind()

  say('all brokers move')
  await run.move(() => front.move(setAfter(front)))
  say('all brokers move, and take neither heartbeats nor commits')
  await moveUnproven(run, front)

  say('the members are removed from the group while a handler is at work')
  const { promise: held, release } = hold()
  let holds = 0
  work = (partition) => {
    if (partition > 0) return Promise.resolve()
    holds += 1
    return held
  }
  await until(() => (holds === 0 ? 'a handler at work' : undefined))
  for (const member of run.members) await remove(cluster, run, member)
  work = async () => {}
  release()
  await run.pass(100)

  await lone.fallBehind()

  say(`all brokers are away for ${OUTAGE_MS / 1000} s`)
  const set = setAfter(front) - 1
  await front.close(set, 'rst')
  await pause(OUTAGE_MS)
  await front.open(set)
  await run.pass(100)
  say('the event loop is blocked')
  const from = performance.now()
  while (performance.now() - from < BLOCKED_MS);
  await run.pass(2000)
  const verdict = await judge()
  await run.finish()
  return verdict
}

/** A hand-over that has to replace the session, with progress that the old one could not commit. */
async function moveUnproven(run: Run<RelistenMember>, front: Front): Promise<void> {
  const isSalvaged = () => run.members.some(({ told }) => told.has('offsets.salvaged'))
  await run.move(async () => {
    front.drop([COMMIT, HEARTBEAT])
    await front.move(setAfter(front))
    await until(() => (isSalvaged() ? undefined : 'a session that is replaced with its progress'))
    front.drop([])
  })
}

/** Resolves when it is back under another member id. One that is about to join again by itself is waited for. */
async function remove(cluster: KafkaCluster, run: Run<RelistenMember>, { consumer }: RelistenMember): Promise<void> {
  const { memberId: before } = consumer.status()
  await until(async () => {
    const { memberId } = consumer.status()
    if (memberId === null) return 'a member id'
    return evict(cluster, run.groupId, memberId).then(
      () => undefined,
      ({ message }: Error) => message,
    )
  })
  await until(() => {
    const { memberId } = consumer.status()
    return memberId === before || memberId === null ? 'another member id' : undefined
  })
}

function hold(): { readonly promise: Promise<void>; readonly release: () => void } {
  let release = () => {}
  const promise = new Promise<void>((resolve) => {
    release = resolve
  })
  return { promise, release }
}
