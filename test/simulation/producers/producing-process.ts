// A process that produces: one `follow`, and stock producers of KafkaJS's on it.

import kafkajs from 'kafkajs'
import { type FollowedConfig, follow } from '../../../src/follow/follow.ts'
import { Life } from '../life.ts'
import { recoversWithinMs } from '../oracles/liveness.ts'
import { Random } from '../random.ts'
import { canaries } from '../service.ts'
import type { World } from '../world.ts'
import { chooseSender, Sender } from './sender.ts'
import { tapped } from './wire-tap.ts'

/** What nobody may be waiting for any more after this long. */
const lingersMs = 6000

const produceTo = /^Produce v7 to (.*)$/
const notWritten = /no leader has taken what was sent to (.*?) in time; it was not written/

export class ProducingProcess {
  readonly life: Life
  isOver = false
  private readonly world: World
  private readonly senders: Sender[] = []
  private followed: FollowedConfig | undefined
  private endsBy = Number.POSITIVE_INFINITY
  private requestTimeoutMs = 0

  constructor(world: World) {
    this.world = world
    this.life = new Life('p1', () => {})
  }

  /** Connects its producers and sends. */
  start(): void {
    this.world.clock.plan(0, () => this.begin(), this.life)
  }

  /** Each producer sends once more, and then it ends. */
  end(): void {
    const { world, life } = this
    // A Produce that is under way over a dead connection may take its whole time.
    this.endsBy = world.clock.now + recoversWithinMs + this.requestTimeoutMs
    world.clock.plan(
      0,
      () => {
        for (const sender of this.senders) sender.end()
      },
      life,
    )
  }

  private begin(): void {
    const { world, life } = this
    const random = new Random(world.seed, 'producers')
    const requestTimeout = random.pick([2000, 4000, 30_000])
    this.requestTimeoutMs = requestTimeout
    const isLoginUsed = random.chance(0.2)
    this.followed = follow(
      {
        ...{ clientId: 'orders-producer', brokers: async () => [...world.bootstrap()], requestTimeout },
        retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 8 },
        ...(isLoginUsed ? { sasl: { mechanism: 'plain', ...canaries } } : {}),
      },
      {
        ...{ pollIntervalMs: random.pick([500, 1000]), dialTimeoutMs: 400, rebuildTimeoutMs: random.pick([800, 5000]) },
        ...{ allowInsecureLogin: isLoginUsed, allowEndpoint: ({ host }) => world.isAllowed(host), logger: false },
      },
    )
    const { followed } = this.followed
    followed.on('response.lost', ({ data }) => {
      const unwritten = this.partitionsIn(notWritten.exec(data.failure.message)?.[1] ?? '')
      const partitions = this.partitionsIn(produceTo.exec(data.request)?.[1] ?? '')
      if (unwritten.length < partitions.length) world.reached('an unknown outcome is told')
      if (unwritten.length > 0) world.reached('what is not written is told')
      if (partitions.length > 0) world.see({ type: 'given-up', partitions, unwritten })
    })
    const count = { requests: 0, acknowledged: new Map() }
    for (let index = 0; index < (random.chance(0.25) ? 2 : 1); index++) {
      const name = `${life.name}.${index + 1}`
      const kafka = new kafkajs.Kafka({
        ...this.followed,
        logLevel: kafkajs.logLevel.NOTHING,
        socketFactory: tapped(this.followed.socketFactory, world, count, {
          producer: name,
          requestTimeoutMs: requestTimeout,
        }),
      })
      const own = new Random(world.seed, name)
      this.senders.push(
        new Sender(world, life, name, kafka, chooseSender(own, new Random(world.seed, `metadata of ${name}`)), own),
      )
    }
    const isLate = () => world.clock.now >= this.endsBy
    Promise.all(this.senders.map(async (sender) => ((await sender.run(isLate)) ? [] : [sender.name])))
      .then((behind) => this.finish(behind.flat()))
      .catch((error: Error) => world.see({ type: 'escaped', life: life.name, message: String(error.stack) }))
  }

  /** Those of `orders/0, orders/1`. */
  private partitionsIn(names: string): number[] {
    return names.split(', ').flatMap((name) => {
      const [topic = '', index] = name.split('/')
      return this.world.kafka.numberOf(topic, Number(index)) ?? []
    })
  }

  private async finish(behind: readonly string[]): Promise<void> {
    const { world, life, followed } = this
    if (!followed) return
    const { repeated } = followed.followed.status()
    world.see({ type: 'produced', repeated, behind })
    await Promise.all(this.senders.map((sender) => sender.disconnect()))
    await followed.followed.close()
    world.clock.plan(
      lingersMs,
      () => {
        const sockets = [...world.network.open].filter((socket) => socket.holder === life).length
        world.see({ type: 'released', life: life.name, timers: life.pending, sockets, descriptors: 0, listeners: 0 })
        this.isOver = true
      },
      life,
    )
  }
}
