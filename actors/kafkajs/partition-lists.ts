/**
 * The partition lists that KafkaJS searches. In each round of each node it searches a list of all partitions for every partition, from the
 * start, and copies what it has found so far each time. The cost grows with the square of the partitions and with the nodes: a few thousand
 * partitions take more than a core. KafkaJS searches in the order in which it sorts, so a search that goes on where the last one ended finds
 * its item at once; and a round of one node is shown only what that node leads.
 */

/** A list without duplicates that is mostly searched in its own order. */
export class InOrder<Item> extends Array<Item> {
  /** Not a property: a list has only its items. */
  #next = 0

  override find(isIt: (item: Item, index: number, list: Item[]) => unknown): Item | undefined {
    const at = this.search((item, index) => isIt(item, index, this))
    return at < 0 ? undefined : this[at]
  }

  override indexOf(wanted: Item): number {
    return this.search((item) => item === wanted)
  }

  private search(isIt: (item: Item, index: number) => unknown): number {
    for (let step = 0; step < this.length; step++) {
      const at = (this.#next + step) % this.length
      if (!isIt(this[at] as Item, at)) continue
      this.#next = at + 1
      return at
    }
    return -1
  }
}

/** What KafkaJS knows of one partition. */
export interface PartitionMetadata {
  readonly partitionId: number
  readonly leader: number
}

class TopicList extends InOrder<PartitionMetadata> {
  static override get [Symbol.species](): ArrayConstructor {
    return InOrder as unknown as ArrayConstructor
  }

  /** If set, only partitions with this leader are found and listed. */
  leader: number | undefined
  private leaders: ReadonlyMap<number, number> | undefined
  private led: ReadonlyMap<number, InOrder<PartitionMetadata>> | undefined

  override map<Result>(made: (item: PartitionMetadata, index: number, list: PartitionMetadata[]) => Result): Result[] {
    if (this.leader === undefined) return super.map(made)
    this.led ??= byLeader(this)
    return (this.led.get(this.leader) ?? new InOrder()).map(made)
  }

  override find(isIt: (item: PartitionMetadata, index: number, list: PartitionMetadata[]) => unknown) {
    const found = super.find(isIt)
    return this.leader === undefined || found?.leader === this.leader ? found : undefined
  }

  leaderOf(partition: number): number | undefined {
    this.leaders ??= new Map(Array.from(this, ({ partitionId, leader }) => [partitionId, leader]))
    return this.leaders.get(partition)
  }
}

function byLeader(list: Iterable<PartitionMetadata>): Map<number, InOrder<PartitionMetadata>> {
  const led = new Map<number, InOrder<PartitionMetadata>>()
  for (const partition of list) {
    const others = led.get(partition.leader) ?? new InOrder()
    led.set(partition.leader, others)
    others.push(partition)
  }
  return led
}

/** The part of KafkaJS's cluster that has them. */
interface Known {
  findTopicPartitionMetadata(topic: string): PartitionMetadata[]
}

export class PartitionLists {
  private readonly lists = new WeakMap<readonly PartitionMetadata[], { readonly told: TopicList; sorted: TopicList }>()
  private readonly told: (topic: string) => readonly PartitionMetadata[]
  private readonly readsLeaders: boolean
  private round: number | undefined
  private turns = Promise.resolve()

  /** `readsLeaders`: no other replica is read. */
  constructor(cluster: Known, readsLeaders: boolean) {
    this.told = cluster.findTopicPartitionMetadata.bind(cluster)
    this.readsLeaders = readsLeaders
    cluster.findTopicPartitionMetadata = (topic) => this.of(topic)
  }

  /** Undefined, or below 0, where there is none. */
  leaderOf(topic: string, partition: number): number | undefined {
    return this.of(topic).leaderOf(partition)
  }

  /** The list as it was told; in a round, in KafkaJS's order, and only what the round's node leads is found. */
  private of(topic: string): TopicList {
    const known = this.told(topic)
    const lists = this.lists.get(known) ?? { told: listOf(known), sorted: listOf(known.toSorted(asText)) }
    this.lists.set(known, lists)
    if (this.round === undefined) return lists.told
    lists.sorted.leader = this.readsLeaders ? this.round : undefined
    return lists.sorted
  }

  /** Resolves after `ready`. What KafkaJS then does synchronously belongs to the round of this node. */
  begin(nodeId: number, ready: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const goOn = () => {
        this.round = nodeId
        resolve()
      }
      // Promises settle in order: between these two is what waits for the one that is returned, and nothing else.
      const end = () => {
        this.round = undefined
      }
      ready.then(() => {
        this.turns = this.turns.then(goOn).then(end)
      }, reject)
    })
  }
}

const listOf = (known: readonly PartitionMetadata[]): TopicList => TopicList.from(known) as TopicList

const asText = (one: PartitionMetadata, other: PartitionMetadata): number =>
  `${one.partitionId}` < `${other.partitionId}` ? -1 : 1

/** The partitions of a fetch: KafkaJS searches its own request for every partition in an answer. */
export function putInOrder(request: { readonly topics: { partitions: readonly unknown[] }[] }): void {
  for (const topic of request.topics) topic.partitions = InOrder.from(topic.partitions)
}
