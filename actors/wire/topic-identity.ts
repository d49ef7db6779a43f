/**
 * The identity of topics: while a node was out of reach, or nothing was asked of a partition, a topic may have been made again under the same name, and
 * a fetch says nothing of whose log it reads. So what the node brings counts once the topics are known to be the same.
 */

export class TopicIdentity {
  private readonly identify: () => Promise<void>
  /** By node: the look at topics since it was out of sight. */
  private readonly looks = new Map<number, Promise<void>>()

  /** `identify` looks whether the topics are still those that are read; rejects with a ConnectionError where nobody can say. */
  constructor(identify: () => Promise<void>) {
    this.identify = identify
  }

  /** The node was out of sight. */
  look(nodeId: number): void {
    const look = this.identify()
    look.catch(() => {}) // it may end before anybody waits for it
    this.looks.set(nodeId, look)
  }

  /** Resolves when it is known that no topic was made again while the node was out of sight, or the era is another. */
  async confirmed(nodeId: number): Promise<void> {
    const look = this.looks.get(nodeId)
    if (!look) return
    try {
      await look
      if (this.looks.get(nodeId) === look) this.looks.delete(nodeId)
    } catch (error) {
      if (this.looks.get(nodeId) === look) this.look(nodeId)
      throw error
    }
  }
}
