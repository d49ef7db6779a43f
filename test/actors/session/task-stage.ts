// A stage for the tasks of the lifecycle: a machine invokes one, hears what it sends back, and lives on when the task's state is left.

import { setImmediate as turn } from 'node:timers/promises'
import { vi } from 'vitest'
import { type AnyActorRef, createActor, createMachine } from 'xstate'
import { actorsOf } from '../../../actors/session/actors.ts'
import { type SupervisedSession, Supervisor, type SupervisorOptions } from '../../../actors/session/supervisor.ts'
import type { TaskInput } from '../../../actors/session/task.ts'
import type { Fact, FactOf, FactType } from '../../../machines/fact.ts'
import { FakeCluster } from '../fake-cluster.ts'
import { Stage } from '../stage.ts'

type TaskName = keyof ReturnType<typeof actorsOf>

export class TaskStage {
  readonly cluster = new FakeCluster()
  readonly delivery = new Stage()
  /** What the machine heard from its task, and what else was told, in order. */
  readonly facts: Fact[] = []
  /** `task: fact` for each fact that an inspector sees a task send. */
  readonly sent: string[] = []
  /** Members of ours that may still be in the group. */
  members: readonly string[] = []
  /** Sessions in the order of their opening. */
  readonly opened: number[] = []
  private readonly running: AnyActorRef[] = []

  /** On a clock that the test turns until the stage ends. */
  constructor() {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  }

  supervisor(options: Partial<SupervisorOptions> = {}): Supervisor {
    return new Supervisor({
      drainTimeoutMs: 10_000,
      rebuildTimeoutMs: 5000,
      metadataLagMs: 30_000,
      stopTimeoutMs: 15_000,
      cluster: this.cluster,
      dispatcher: this.delivery.dispatcher,
      createSession: (epoch) => {
        this.opened.push(epoch)
        return fakeSession()
      },
      emit: (fact) => this.facts.push(fact),
      members: () => this.members,
      ...options,
    })
  }

  /** Enters the state of a task. Returns what leaves it again. */
  enter(supervisor: Supervisor, name: TaskName, input: Partial<TaskInput> = {}): () => void {
    const machine = createMachine({
      initial: 'entered',
      on: { '*': { actions: ({ event }) => this.facts.push(event as Fact) } },
      states: {
        entered: {
          invoke: { id: name, src: actorsOf(supervisor)[name], input: { epoch: 1, plan: null, attempt: 0, ...input } },
          on: { leave: 'left' },
        },
        left: {},
      },
    })
    const actor = createActor(machine, {
      inspect: (event) => {
        if (event.type === '@xstate.event' && event.sourceRef && event.actorRef === actor)
          this.sent.push(`${(event.sourceRef as AnyActorRef).id}: ${event.event.type}`)
      },
    })
    this.running.push(actor)
    actor.start()
    return () => actor.send({ type: 'leave' })
  }

  factsOf<Type extends FactType>(type: Type): FactOf<Type>[] {
    return this.facts.filter((fact): fact is FactOf<Type> => fact.type === type)
  }

  end(): void {
    for (const actor of this.running) actor.stop()
    vi.useRealTimers()
    vi.restoreAllMocks()
  }
}

type Parts = SupervisedSession['membership'] & SupervisedSession['routes']['links'] & SupervisedSession['fetched']

/** A session that does all at once and without failing, but for what is given. */
export function fakeSession(how: Partial<Omit<SupervisedSession, 'membership' | 'routes' | 'fetched'> & Parts> = {}) {
  const does: SupervisedSession & Parts = {
    epoch: 1,
    memberId: '',
    commits: { commitMarks: async () => {}, commitOffsets: async () => {} },
    open: async () => {},
    caughtUp: async () => true,
    recheck: () => {},
    confirmed: async () => true,
    takeLongestGap: () => 0,
    ends: { of: () => undefined, refresh: () => {} },
    drain: async () => false,
    commit: async () => {},
    revoke: async () => {},
    fence: () => {},
    salvage: async () => {},
    leave: async () => true,
    evict: async () => true,
    close: async () => {},
    ...how,
    get membership() {
      return this
    },
    get routes() {
      return { links: this }
    },
    get fetched() {
      return this
    },
  }
  return does
}

export async function advance(ms: number): Promise<void> {
  await turn()
  await vi.advanceTimersByTimeAsync(ms)
  await turn()
}

export const after = <Value>(ms: number, value: Value): Promise<Value> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms))

export const never = (): Promise<never> => new Promise(() => {})
