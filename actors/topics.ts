/**
 * Topics: what this process knows of the topics its group reads: their ids, how many partitions they have, and how many they had when the
 * group began to read them. So a partition that came later is read from its start, whatever `fromBeginning` says: nobody can have meant to skip it.
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
  missing: boolean
}

/** What changed with one metadata answer. */
export interface TopicChange {
  readonly topic: string
  readonly kind: 'observed' | 'missing' | 'found' | 'recreated' | 'grown'
}

const unknownTopic = 3

export class Topics {
  private readonly known = new Map<string, Known>()
  /** Topics that were not there when they were first looked for: nobody has begun to read them. */
  private readonly absent = new Set<string>()
  private existing: ReadonlySet<string> | undefined

  /** Takes a metadata answer in and tells what is different from before. */
  see(views: readonly TopicView[]): TopicChange[] {
    return views.flatMap((view) => this.seeOne(view))
  }

  /** What the journal of an earlier life, or the commits of a sibling, say of the time before: it only ever lowers the number. */
  recall(topic: string, atFirst: number, id?: string): void {
    const known = this.known.get(topic)
    if (!known) this.known.set(topic, { id, partitions: atFirst, atFirst, missing: false })
    else if (id === undefined || known.id === undefined || id === known.id)
      known.atFirst = Math.min(known.atFirst, atFirst)
  }

  /** All topics of the cluster, as a regular expression needs them: one that was not there the first time came later. */
  list(topics: readonly string[]): void {
    if (this.existing) for (const topic of topics) if (!this.existing.has(topic)) this.recall(topic, 0)
    this.existing ??= new Set(topics)
  }

  /** Whether the partition came while the group was subscribed. */
  isNew(topic: string, partition: number): boolean {
    const known = this.known.get(topic)
    return known !== undefined && partition >= known.atFirst
  }

  /** Whether the topic was there once: one that was and is not comes back, one that never was is misspelt. */
  wasThere(topic: string): boolean {
    return this.known.has(topic)
  }

  idOf(topic: string): string | undefined {
    return this.known.get(topic)?.id
  }

  partitionsOf(topic: string): number {
    return this.known.get(topic)?.partitions ?? 0
  }

  /** What a commit keeps of a topic, so that whoever reads it later knows which partitions came later. */
  originOf(topic: string): { readonly id: string | undefined; readonly atFirst: number } | undefined {
    const known = this.known.get(topic)
    return known && { id: known.id, atFirst: known.atFirst }
  }

  private seeOne({ topic, id, errorCode, partitions }: TopicView): TopicChange[] {
    const known = this.known.get(topic)
    if (errorCode === unknownTopic) {
      if (!known) this.absent.add(topic)
      if (!known || known.missing) return []
      known.missing = true
      return [{ topic, kind: 'missing' }]
    }
    // Any other error says nothing about the topic itself, and no partition means that it is just being made.
    if (errorCode !== 0 || partitions === 0) return []
    if (!known) {
      const isLate = this.absent.has(topic)
      this.known.set(topic, { id, partitions, atFirst: isLate ? 0 : partitions, missing: false })
      return [{ topic, kind: isLate ? 'found' : 'observed' }]
    }
    const isOther = id !== undefined && known.id !== undefined && id !== known.id
    const isGrown = partitions > known.partitions
    const wasMissing = known.missing
    known.missing = false
    known.id = id ?? known.id
    known.partitions = isOther ? partitions : Math.max(known.partitions, partitions)
    if (isOther) known.atFirst = 0
    const kinds: TopicChange['kind'][] = isOther ? ['recreated'] : wasMissing ? ['found'] : isGrown ? ['grown'] : []
    return kinds.map((kind) => ({ topic, kind }))
  }
}
