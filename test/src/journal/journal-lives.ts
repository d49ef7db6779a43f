// Lives of a consumer, and of what `follow` returned, without Kafka: the real machines on ports that do nothing, recorded into a journal.
import { createActor, fromCallback } from 'xstate'
import type { Fact } from '../../../machines/fact.ts'
import { type FollowingEvent, followingMachine } from '../../../machines/following.ts'
import { type LifecycleContext, lifecycleMachine } from '../../../machines/lifecycle.ts'
import { machineVersion } from '../../../machines/machine-version.ts'
import { type Append, recorded } from '../../../machines/recorded.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import { createRecorder } from '../../../src/journal/recorder.ts'

export interface Life {
  readonly send: (fact: Fact) => void
  /** Records a step of another actor of this life. */
  readonly append: Append
  /** All brokers move to another set of addresses, and the hand-over in place is proven. */
  move(): void
  /** The session fails and the next one joins. */
  retry(): void
  /** Where the brokers are, by node id. */
  brokers(): Readonly<Record<number, string>>
  snapshot(): { readonly value: unknown; readonly context: LifecycleContext; readonly status: string }
}

/** Starts a consumer that joins at once. */
export function startLife(journal: Journal): Life {
  const recorder = createRecorder({ consumer: 'orders', journal, machineVersion, onJournalError: 'stop-intake' })
  const idle = fromCallback<Fact, never>(() => () => {})
  const ports = { open: idle, drain: idle, rebuild: idle, backOff: idle, shutDown: idle }
  const machine = recorded(lifecycleMachine.provide({ actors: ports as never }), recorder.append)
  const actor = createActor(machine, { id: 'consumer', input: { retryBudget: null } })
  const send = (fact: Fact) => actor.send(fact)
  const epoch = () => actor.getSnapshot().context.epoch
  let set = 1
  let generation = 0
  const join = () => {
    generation += 1
    const memberId = `orders-6f1c3a52-9d0e-4e0b-8a55-${String(generation).padStart(12, '0')}`
    send({ type: 'session.opened', epoch: epoch() })
    send({ type: 'member.named', epoch: epoch(), memberId })
    send({ type: 'session.joined', epoch: epoch(), memberId, generation })
    send({ type: 'partitions.assigned', epoch: epoch(), generation, partitions: { orders: [0, 1, 2, 3, 4, 5] } })
  }
  const brokers = () => Object.fromEntries([1, 2, 3].map((node) => [node, `127.0.${set}.${node}:9092`]))
  actor.start()
  send({ type: 'start.requested' })
  send({ type: 'cluster.reached', clusterId: 'EbqYVNZ4Q9eP-7G3cGQdOg', brokers: brokers() })
  join()
  return {
    send,
    append: recorder.append,
    move() {
      const before = brokers()
      set = (set % 200) + 1
      const moves = Object.entries(brokers()).map(([nodeId, to]) => {
        return { nodeId: Number(nodeId), from: before[nodeId] ?? '', to }
      })
      send({ type: 'cluster.moved', moves, reason: 'moved' })
      send({ type: 'drain.completed', epoch: epoch(), tookMs: 0, forced: false })
      for (const { nodeId, to } of moves)
        send({ type: 'link.reconnected', nodeId, endpoint: to, tookMs: 12, soft: true })
      send({ type: 'rebuild.proven', epoch: epoch(), tookMs: 38, gapMs: 120 })
    },
    retry() {
      const failure = { kind: 'session-crashed', message: 'The fetcher ended without a reason' } as const
      const attempt = actor.getSnapshot().context.attempt + 1
      send({ type: 'session.failed', epoch: epoch(), failure })
      send({ type: 'retry.scheduled', attempt, waitMs: 250 })
      send({ type: 'backoff.elapsed', attempt })
      join()
    },
    brokers,
    snapshot: () => actor.getSnapshot(),
  }
}

/** Starts a following whose clients are connected, and whose cluster is reached. */
export function startFollowing(journal: Journal) {
  const recorder = createRecorder({ consumer: 'billing', journal, machineVersion, onJournalError: 'stop-intake' })
  const idle = fromCallback<Fact>(() => () => {})
  const actors = { catchUp: idle, close: idle }
  const machine = recorded(followingMachine.provide({ actors }), recorder.append)
  const actor = createActor(machine, { id: 'following' }).start()
  const send = (fact: FollowingEvent) => actor.send(fact)
  send({ type: 'wires.opened' })
  send({ type: 'cluster.reached', clusterId: 'EbqYVNZ4Q9eP-7G3cGQdOg', brokers: { 1: '127.0.1.1:9092' } })
  return {
    send,
    /** Its broker moves, and connections catch up. */
    move() {
      const moves = [{ nodeId: 1, from: '127.0.1.1:9092', to: '127.0.2.1:9092' }]
      send({ type: 'cluster.moved', moves, reason: 'moved' })
      send({ type: 'wires.caught-up', tookMs: 42, forced: false })
    },
  }
}
