/**
 * Topics: what this process knows of the topics its group reads: their ids, how many partitions they have, and how many they had when the
 * group began to read them. So a partition that came later is read from its start, whatever `fromBeginning` says: nobody can have meant to skip it.
 * The consumers of one group know it together, and each is told: it has its own journal and listeners.
 */

/** A topic as a metadata answer describes it. */
export interface TopicView {
  readonly topic: string
  /** Topic id in hexadecimal (KIP-516); undefined from brokers before Kafka 2.8. */
  readonly id?: string | undefined
  /** Kafka's error code of the topic; 3 where it does not exist. */
  readonly errorCode: number
  readonly partitions: number
}

interface Known {
  id: string | undefined
  partitions: number
  /** Partitions that were there when the group began to read the topic; those from here on came later. */
  atFirst: number
}

/** What the consumers of one group in this process know together. */
interface Shared {
  readonly known: Map<string, Known>
  /** Topics that were not there when they were first looked for: nobody has begun to read them. */
  readonly absent: Set<string>
  /** All topics of the cluster, when an expression was matched first. */
  existing: ReadonlySet<string> | undefined
}

/** What one consumer was told of a topic last. */
interface Told {
  readonly id: string | undefined
  readonly partitions: number
  readonly isMissing: boolean
}

/** What changed with one metadata answer. */
export interface TopicChange {
  readonly topic: string
  readonly kind: 'observed' | 'missing' | 'found' | 'recreated' | 'grown'
}

const unknownTopic = 3

/** Any other error says nothing about the topic itself, and no partition means that it is just being made. */
const isThere = ({ errorCode, partitions }: TopicView): boolean => errorCode === 0 && partitions > 0

export class Topics {
  private readonly shared: Shared
  private readonly told = new Map<string, Told>()

  /** `other`: what another consumer of the group knows, this one knows as well; each is told of it. */
  constructor(other?: Topics) {
    this.shared = other?.shared ?? { known: new Map(), absent: new Set(), existing: undefined }
  }

  /** Takes a metadata answer in and tells what is different from what this consumer was told before. */
  see(views: readonly TopicView[]): TopicChange[] {
    return views.flatMap((view) => {
      this.learn(view)
      const kind = this.tell(view)
      return kind ? [{ topic: view.topic, kind }] : []
    })
  }

  /** What the journal of an earlier life, or the commits of a sibling, say of the time before: it only ever lowers the number. */
  recall(topic: string, atFirst: number, id?: string): void {
    const known = this.shared.known.get(topic)
    if (!known) this.shared.known.set(topic, { id, partitions: atFirst, atFirst })
    else if (id === undefined || known.id === undefined || id === known.id)
      known.atFirst = Math.min(known.atFirst, atFirst)
    if (!this.told.has(topic)) this.told.set(topic, { id, partitions: atFirst, isMissing: false })
  }

  /** All topics of the cluster, as a regular expression needs them: one that was not there the first time came later. */
  list(topics: readonly string[]): void {
    const { shared } = this
    if (shared.existing) for (const topic of topics) if (!shared.existing.has(topic)) this.recall(topic, 0)
    shared.existing ??= new Set(topics)
  }

  /** Whether the partition came while the group was subscribed. */
  isNew(topic: string, partition: number): boolean {
    const known = this.shared.known.get(topic)
    return known !== undefined && partition >= known.atFirst
  }

  /** Whether the topic was there once: one that was and is not comes back, one that never was is misspelt. */
  wasThere(topic: string): boolean {
    return this.shared.known.has(topic)
  }

  /** Whether this consumer has seen last that the topic is not there. */
  isMissing(topic: string): boolean {
    return this.told.get(topic)?.isMissing === true
  }

  idOf(topic: string): string | undefined {
    return this.shared.known.get(topic)?.id
  }

  partitionsOf(topic: string): number {
    return this.shared.known.get(topic)?.partitions ?? 0
  }

  /** What a commit keeps of a topic, so that whoever reads it later knows which partitions came later. */
  originOf(topic: string): Readonly<Known> | undefined {
    return this.shared.known.get(topic)
  }

  private learn(view: TopicView): void {
    const { known: all, absent } = this.shared
    const { topic, id, errorCode, partitions } = view
    const known = all.get(topic)
    if (!known && errorCode === unknownTopic) absent.add(topic)
    if (!isThere(view)) return
    if (!known) return void all.set(topic, { id, partitions, atFirst: absent.has(topic) ? 0 : partitions })
    const isOther = id !== undefined && known.id !== undefined && id !== known.id
    known.id = id ?? known.id
    known.partitions = isOther ? partitions : Math.max(known.partitions, partitions)
    if (isOther) known.atFirst = 0
  }

  private tell(view: TopicView): TopicChange['kind'] | undefined {
    const { topic } = view
    const before = this.told.get(topic)
    const now = { id: this.idOf(topic), partitions: this.partitionsOf(topic) }
    if (view.errorCode === unknownTopic) {
      this.told.set(topic, { ...(before ?? now), isMissing: true })
      return before?.isMissing || !this.wasThere(topic) ? undefined : 'missing'
    }
    if (!isThere(view)) return undefined
    this.told.set(topic, { ...now, isMissing: false })
    if (!before) return 'observed'
    if (before.id !== undefined && before.id !== now.id) return 'recreated'
    if (before.isMissing) return 'found'
    return now.partitions > before.partitions ? 'grown' : undefined
  }
}
