// A user who commits: it names what its handlers have done, at once or a while later, and drops what is refused.

import type { RelistenError } from '../../src/error.ts'
import type { createConsumer } from '../../src/lifecycle-consumer.ts'
import type { Life } from './life.ts'
import type { Random } from './random.ts'
import type { Sighting } from './sighting.ts'

type Consumer = ReturnType<typeof createConsumer>

/** What it needs of the world around it. */
interface Around {
  readonly clock: { plan(inMs: number, work: () => void): unknown }
  readonly dimensions: ReadonlySet<string>
  readonly kafka: {
    placeOf(partition: number): { readonly topic: string; readonly partition: number } | undefined
  }
  see(sighting: Sighting): void
  reached(kind: string): void
}

const eachMs = 150

/** Where offsets are passed that no message has, or where nothing is handled at all, only a commit of what was handled comes to the end. */
const hasMore: readonly string[] = [
  ...[
    'transactions',
    'begins at the end',
    'logs are trimmed',
    'logs are cut',
    'topics are deleted',
    'errors of partitions',
  ],
  // A dead letter is passed without its handler.
  ...['seeks at any instant', 'seeks on assignment', 'policies decide'],
]

export class CommittingUser {
  /** The next offset of each partition, as far as it was handled and the group does not know. */
  private readonly next = new Map<number, number>()
  private readonly world: Around
  private readonly life: Life
  private readonly random: Random
  private readonly use: (call: (consumer: Consumer) => void) => boolean

  constructor(world: Around, life: Life, random: Random, use: CommittingUser['use']) {
    this.world = world
    this.life = life
    this.random = random
    this.use = use
    world.clock.plan(eachMs, () => this.tick())
  }

  /** Its handler has done with this message. */
  handled(partition: number, offset: number): void {
    this.next.set(partition, Math.max(this.next.get(partition) ?? 0, offset + 1))
    if (this.random.chance(0.3)) this.use((consumer) => this.name(consumer, [partition]))
  }

  /** It reads elsewhere now. */
  sought(partition: number): void {
    this.next.delete(partition)
  }

  private tick(): void {
    if (!this.life.alive) return
    const { world, random } = this
    world.clock.plan(eachMs, () => this.tick())
    this.use((consumer) => {
      if (this.next.size > 0) return this.name(consumer, [...this.next.keys()])
      if (!hasMore.some((name) => world.dimensions.has(name)) || random.chance(0.5)) return
      world.see({ type: 'commit-asked', life: this.life.name })
      void consumer.commit()
    })
  }

  private name(consumer: Consumer, partitions: readonly number[]): void {
    const { world } = this
    const life = this.life.name
    const named = partitions.flatMap((partition) => {
      const offset = this.next.get(partition)
      const place = world.kafka.placeOf(partition)
      if (offset === undefined || !place) this.next.delete(partition)
      return offset === undefined || !place ? [] : [{ partition, offset, place }]
    })
    for (const { partition, offset } of named) world.see({ type: 'named', life, partition, offset })
    const dropped = () => {
      for (const { partition, offset } of named) if (this.next.get(partition) === offset) this.next.delete(partition)
    }
    consumer.commit(named.map(({ place, offset }) => ({ ...place, offset: `${offset}` }))).then(
      () => {
        if (!this.life.alive) return
        world.reached('users commit')
        dropped()
        for (const { partition, offset } of named) world.see({ type: 'acknowledged', life, partition, offset })
      },
      ({ code, stack }: RelistenError) => {
        if (!this.life.alive) return
        world.reached(`a commit is rejected as ${code}`)
        if (code === 'fenced' || code === 'not-assigned' || code === 'out-of-range') {
          if (named.length === 1) dropped()
          // One of them is refused, and none was sent.
          else for (const { partition } of named) this.use((running) => this.name(running, [partition]))
        }
        // The topic is gone, or nobody answers: it is named again.
        else if (code !== 'unreachable' && code !== 'group-refused')
          world.see({ type: 'escaped', life, message: `${code} ${stack}` })
      },
    )
  }
}
