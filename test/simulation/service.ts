// A service: the process that runs a consumer on its disk, life after life. Its handler and its source behave as the world says.

import { createHash } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import type { AnyActorRef, AnyMachineSnapshot, InspectionEvent } from 'xstate'
import { lifecycleMachine } from '../../machines/lifecycle.ts'
import { stateValue } from '../../machines/state-value.ts'
import { fileJournal } from '../../src/journal/file-journal.ts'
import type { AnyRecord } from '../../src/journal/journal.ts'
import { createConsumer } from '../../src/lifecycle-consumer.ts'
import type { ConsumerOptions } from '../../src/options/consumer-options.ts'
import { batchHandler, batchStyles } from './batch-handler.ts'
import type { Clock } from './clock.ts'
import { CommittingUser } from './committing-user.ts'
import { Disk } from './disk.ts'
import { root } from './globals.ts'
import { type HandedOut, type Handling, handle } from './handler.ts'
import type { SimulatedKafka } from './kafka/kafka.ts'
import { Dead, Life } from './life.ts'
import type { NameServer } from './names.ts'
import type { Network } from './network.ts'
import type { SimulatedOptions } from './options.ts'
import { endedIn, topOf } from './oracles/tasks.ts'
import { policyOf } from './policies.ts'
import { Random } from './random.ts'
import type { Sighting } from './sighting.ts'

/** How the source of brokers behaves when it is asked. */
export type Sourcing = 'tells' | 'late' | 'hangs' | 'throws' | 'nonsense' | 'empty' | 'stale'

/** Texts that must not show up anywhere. */
export const canaries = { username: 'canary-user-5b1d', password: 'canary-pass-93fe' } as const

/** What a service sees and uses of the world around it. */
export interface Surroundings {
  readonly seed: number
  readonly clock: Clock
  readonly network: Network
  readonly kafka: SimulatedKafka
  readonly options: SimulatedOptions
  readonly dimensions: ReadonlySet<string>
  /** The consumer says what it was assigned; its user may use that. */
  assigned(service: Service, partitions: Readonly<Record<string, readonly number[]>>): void
  readonly random: Random
  readonly isCalm: boolean
  /** Which service a life belongs to. */
  readonly lives: Map<string, Service>
  bootstrap(): readonly string[]
  isAllowed(host: string): boolean
  /** A message of this partition comes to a handler. */
  touched(partition: number): void
  /** What this service subscribes to. */
  subscription(service: string): (string | RegExp)[]
  /** The name server, where brokers have names. */
  readonly names: NameServer | undefined
  /** Whether a partition holds this at an offset, or once did. */
  holds(partition: number, offset: number, content: string): 'current' | 'former' | undefined
  see(sighting: Sighting): void
  log(line: string): void
  reached(kind: string): void
  readJournal(service: Service, isFinal: boolean): void
  crashed(service: Service, port: string): void
  stoppedInOrder(service: Service): void
}

type Consumer = ReturnType<typeof createConsumer>

export class Service {
  readonly name: string
  readonly disk: Disk
  readonly world: Surroundings
  life: Life | undefined
  consumer: Consumer | undefined
  sourcing: Sourcing = 'tells'
  /** Its disk was damaged since it was last opened. */
  isSpoilt = false
  handling: Handling = { kind: 'works', ms: 0 }
  /** What its user does where nothing is committed by itself. */
  committing: CommittingUser | undefined
  /** Everything it said outside of its journal. */
  private said: string[] = []
  /** Lives that have stopped, and are looked at once more before they end. */
  readonly lingering = new Set<Life>()
  private lives = 0
  private readonly journals: { close(): void }[] = []
  private listeners = 0
  private stopped = false
  private lastPlaces: readonly string[] = []

  constructor(world: Surroundings, name: string) {
    this.world = world
    this.name = name
    this.disk = new Disk(new Random(world.seed, `disk ${name}`))
    this.disk.onTrouble = (kind) => world.reached(kind)
  }

  get isRunning(): boolean {
    return this.life?.alive === true
  }

  get isServing(): boolean {
    return this.isRunning && this.consumer !== undefined && !this.stopped
  }

  get isStopping(): boolean {
    return this.isRunning && this.stopped
  }

  /** A new life begins on the same disk. */
  start(): void {
    const { world } = this
    if (this.isRunning) return
    const life = new Life(`${this.name}${++this.lives}`, (dying, port) => this.crash(dying, port))
    this.life = life
    world.lives.set(life.name, this)
    this.stopped = false
    world.see({ type: 'born', life: life.name })
    world.readJournal(this, false)
    world.clock.plan(0, () => this.begin(life), life)
  }

  /** The process ends here and now. */
  crash(life: Life, port: string, isPowerLoss = false): void {
    const { world } = this
    if (!life.alive) return
    life.end()
    this.lingering.delete(life)
    if (this.disk.crash(life, isPowerLoss)) world.reached('power loss of unsynced bytes')
    world.log(`${life.name} crashes at its step ${life.steps}: ${port}`)
    world.see({ type: 'crashed', life: life.name })
    if (life !== this.life) return
    this.consumer = undefined
    world.crashed(this, port)
  }

  /** Does what a user does with a consumer that runs; false when none does. */
  use(call: (consumer: Consumer) => void): boolean {
    const { life, consumer, world } = this
    if (!life?.alive || !consumer) return false
    // An event of its own: what follows from the call, promise by promise, is its life's doing.
    const work = () => {
      try {
        call(consumer)
      } catch (error) {
        if (life.alive) world.see({ type: 'escaped', life: life.name, message: String((error as Error).stack) })
      }
    }
    world.clock.plan(0, work, life)
    return true
  }

  /** Asks it, as a probe would, whether it is ready. */
  probe(): void {
    const { life, consumer, world } = this
    if (!life?.alive || !consumer || this.stopped) return
    world.clock.as(life, () => world.see({ type: 'ready', life: life.name, isReady: consumer.status().ready }))
  }

  /** Asks the consumer to stop. What follows is seen by the oracles. */
  stop(): void {
    const { life, consumer, world } = this
    if (!life?.alive || !consumer || this.stopped) return
    this.stopped = true
    const { stopTimeoutMs, drainTimeoutMs } = world.options
    this.use(() => {
      world.see({ type: 'stop-asked', life: life.name, withinMs: stopTimeoutMs, drainWithinMs: drainTimeoutMs })
      consumer.stop().then(
        () => this.ended(life),
        () => this.ended(life),
      )
    })
  }

  /** Lets go of what the library holds for a process, and a process that crashes loses. */
  forget(): void {
    for (const journal of this.journals) {
      try {
        journal.close()
      } catch {
        // Its descriptors are gone.
      }
    }
  }

  private begin(life: Life): void {
    const { world } = this
    let consumer: Consumer
    try {
      const journal = fileJournal(`${root}${life.name}/journal`, { segmentBytes: 2 ** 16 })
      this.journals.push(journal)
      this.isSpoilt = false
      if (journal.repair) world.reached(journal.repair.cutBytes > 0 ? 'torn tail cut' : 'damage set aside')
      consumer = createConsumer({ ...this.options(life), journal })
    } catch (error) {
      if (!life.alive || error instanceof Dead) return
      world.log(`${life.name} can't begin: ${(error as Error).message}`)
      this.said.push(String((error as Error).stack))
      this.giveUp(life)
      return
    }
    this.consumer = consumer
    consumer.on('*', (record) => this.told(life, record))
    if (world.dimensions.has('seeks on assignment')) {
      consumer.on('partitions.assigned', ({ data }) => {
        if (life.alive) this.world.assigned(this, data.partitions)
      })
    }
    consumer.start().then(
      () => world.log(`${life.name} has joined`),
      (error: Error) => {
        if (!life.alive) return
        world.log(`${life.name} failed: ${error.message}`)
        this.said.push(`${error.stack} ${JSON.stringify(error)}`)
        if (!this.stopped) this.giveUp(life)
      },
    )
  }

  /** A consumer that failed ends its process in order, as a service would, and a supervisor starts it anew. */
  private giveUp(life: Life): void {
    const { world } = this
    world.clock.plan(
      10,
      () => {
        world.reached('consumer failed and was started anew')
        this.crash(life, 'its own end')
      },
      life,
    )
  }

  private ended(life: Life): void {
    const { world } = this
    if (!life.alive) return
    world.see({ type: 'stopped', life: life.name })
    this.lingering.add(life)
    this.life = undefined
    this.consumer = undefined
    world.stoppedInOrder(this)
    // What was begun may end: KafkaJS's own timers, the wait for settings, and that for a name, as nobody can call a look-up back.
    world.clock.plan(world.names ? 11_000 : 6000, () => {
      if (!life.alive) return
      const sockets = [...world.network.open].filter((socket) => socket.holder === life).length
      const timers = life.pending
      const descriptors = this.disk.openBy(life)
      world.see({ type: 'released', life: life.name, timers, sockets, descriptors, listeners: this.listeners })
      this.showArtefacts(life)
      life.end()
      this.lingering.delete(life)
    })
  }

  /** Everything a life left behind that people read. */
  showArtefacts(life: Life): void {
    const { world } = this
    world.see({ type: 'artefact', life: life.name, what: 'log, errors and inspector', text: this.said.join('\n') })
    world.see({ type: 'artefact', life: life.name, what: 'disk', text: this.disk.text() })
    this.said = []
  }

  private told(life: Life, record: AnyRecord): unknown {
    if (!life.alive) return
    const { world } = this
    world.log(`${life.name} ${record.seq} ${record.type} ${JSON.stringify(record.data)} → ${JSON.stringify(record.to)}`)
    const data = record.data as { topic?: string; partition?: number }
    const partition = world.kafka.numberOf(data.topic ?? '', data.partition ?? 0)
    const about = partition === undefined ? {} : { partition }
    this.excuse(record, partition)
    world.see({ type: 'fact', life: life.name, fact: record.type, ...about, data, from: record.from })
    this.count(record)
    if (record.type === 'journal.failed') return this.giveUp(life)
    const { actor, seq } = record
    world.see({ type: 'told', life: life.name, actor, seq, to: JSON.stringify(wholeState(record)) })
    // Where it had joined before it failed, nothing else tells its user.
    if (record.to === 'failed' && !this.stopped) this.giveUp(life)
  }

  /** Where nothing is committed by itself, nobody else can see where it begins. */
  private excuse(record: AnyRecord, partition = -1): void {
    const { kafka, options } = this.world
    if (record.type !== 'offset.reset' || options.fromBeginning || options.autoCommit !== false) return
    const to = Number(record.data.offset)
    if (kafka.partition(partition)?.isOriginal) this.world.see({ type: 'excused', partition, from: 0, to })
  }

  /** Hand-overs, and tasks whose state was left before they ended: what these would still say is what must not be heard. */
  private count({ type, from, to }: AnyRecord): void {
    const { world } = this
    const state = topOf(from)
    if (type === 'rebuild.proven' && state === 'rebuilding') world.reached('hand-over')
    if (Object.values(endedIn).includes(state) && state !== topOf(to) && endedIn[type] !== state)
      world.reached('task left before its end')
  }

  private options(life: Life): ConsumerOptions {
    const { world } = this
    const { names, random } = world
    const { isLoginUsed, isBatched, isInspected, isAtBounds, isStatic, policy, failing, ...options } = world.options
    if (isAtBounds) world.reached('options at their bounds')
    const style = world.dimensions.has('styles of eachBatch') ? random.pick(batchStyles) : 'resolves each'
    const say = (line: unknown) => {
      if (life.alive) this.said.push(JSON.stringify(line))
    }
    const numberOf = (topic: string, partition: number) => world.kafka.numberOf(topic, partition) ?? -1
    const committing = world.dimensions.has('users commit')
      ? new CommittingUser(
          world,
          life,
          new Random(world.seed, `commits of ${life.name}`),
          (call) => this.life === life && this.use(call),
        )
      : undefined
    this.committing = committing
    const work = (handed: HandedOut, signal: AbortSignal): Promise<void> => {
      const done = handle(world, life, this.handling, handed, signal)
      return committing ? done.then(() => committing.handled(handed.partition, handed.offset)) : done
    }
    const eachMessage: NonNullable<ConsumerOptions['eachMessage']> = ({ topic, partition, message, signal }) => {
      const [offset, content] = [Number(message.offset), `${message.key}=${message.value}`]
      return work({ partition: numberOf(topic, partition), offset, content, from: offset }, signal)
    }
    const eachBatch = batchHandler(world, life, style, numberOf, (partition, offset, content, signal, from) =>
      work({ partition, offset, content, from }, signal),
    )
    const inspect = (event: InspectionEvent) => {
      if (!life.alive) return
      const sent = sentIn(event)
      if (sent) world.see({ type: 'sent', life: life.name, ...sent })
      if (event.type !== '@xstate.snapshot') return
      const { snapshot } = event as unknown as { snapshot: { value?: unknown } }
      if (snapshot.value === undefined) return
      const { id: actor } = event.actorRef as unknown as { id: string }
      world.see({ type: 'live', life: life.name, actor, value: JSON.stringify(snapshot.value) })
      if (random.chance(0.02)) this.said.push(JSON.stringify(snapshot))
    }
    return {
      brokers: () => this.source(life),
      groupId: 'orders-service',
      topics: world.subscription(this.name),
      ...(isStatic ? { groupInstanceId: `pod-${this.name}` } : {}),
      ...options,
      ...(policy ? policyOf(world, life, policy, numberOf) : failing),
      kafka: isLoginUsed ? { sasl: { mechanism: 'plain', ...canaries } } : {},
      allowInsecureLogin: isLoginUsed,
      // A function of each life's own, as what a process knows of names ends with it.
      ...(names ? { lookup: (...asked: Parameters<LookupFunction>) => names.lookup(...asked) } : {}),
      allowEndpoint: ({ host }) => world.isAllowed(host),
      logger: { debug: say, info: say, warn: say, error: say },
      ...(isInspected ? { inspect } : {}),
      ...(isBatched ? { eachBatch } : { eachMessage }),
    }
  }

  private source(life: Life): Promise<readonly string[]> {
    const { world, sourcing } = this
    const now = world.bootstrap()
    const stale = this.lastPlaces
    if (sourcing !== 'stale') this.lastPlaces = now
    if (sourcing !== 'tells') world.reached(`source ${sourcing}`)
    if (sourcing === 'tells') return Promise.resolve(now)
    if (sourcing === 'stale') return Promise.resolve(stale.length > 0 ? stale : now)
    if (sourcing === 'throws')
      return Promise.reject(new Error(`no list for ${canaries.username}:${canaries.password}@host`))
    if (sourcing === 'nonsense') return Promise.resolve([17, null, 'http://?'] as unknown as string[])
    if (sourcing === 'empty') return Promise.resolve([])
    const waitMs = sourcing === 'late' ? 700 : 60_000
    return new Promise((resolve) => {
      world.clock.plan(waitMs, () => {
        world.clock.current = life
        if (life.alive) resolve(now)
      })
    })
  }
}

/** A short name for a text of any length. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Which task of the machine sends it what, and whether the machine still has it at work. */
function sentIn(event: InspectionEvent) {
  if (event.type !== '@xstate.event' || event.rootId !== event.actorRef.sessionId || !event.sourceRef) return undefined
  const { id, sessionId } = event.sourceRef as AnyActorRef
  const { children } = event.actorRef.getSnapshot() as AnyMachineSnapshot
  return { fact: event.event.type, task: id, isAtWork: children[id]?.sessionId === sessionId }
}

/** The state that a record tells, with the nested one. */
const wholeState = ({ to, plan }: AnyRecord) => (to === null ? null : stateValue(lifecycleMachine, to, plan))
