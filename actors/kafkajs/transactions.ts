/**
 * Messages of aborted transactions, told apart as Kafka's own consumer does. KafkaJS begins at most one aborted transaction with each message, in the order in
 * which they ended: where a fetch begins inside two of them, messages of the second come to the handler.
 */

/** What KafkaJS has decoded of one partition in a fetch's answer. */
export interface FetchedRecords {
  readonly messages: FetchedMessage[]
  /** Null or empty where the fetch reads uncommitted messages, or there is none. */
  abortedTransactions?: readonly { readonly firstOffset: string; readonly producerId: string }[] | null
}

interface FetchedMessage {
  readonly offset: string
  readonly key?: Buffer | null
  isControlRecord?: boolean
  /** Not there in the formats before transactions. */
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean }
}

/** Marks what aborted transactions wrote as control records: KafkaJS hands out none, and goes on behind them. Nothing is left for it to look for. */
export function hideAborted(fetched: FetchedRecords): void {
  const { messages, abortedTransactions } = fetched
  if (!abortedTransactions?.length) return
  const waiting = [...abortedTransactions].sort((one, other) =>
    BigInt(one.firstOffset) < BigInt(other.firstOffset) ? -1 : 1,
  )
  const aborted = new Set<string>()
  for (const message of messages) {
    while (waiting[0] && BigInt(waiting[0].firstOffset) <= BigInt(message.offset))
      aborted.add(waiting.shift()?.producerId ?? '')
    const { producerId = '', inTransaction = false } = message.batchContext ?? {}
    if (!inTransaction) continue
    // A marker ends its producer's transaction, also one that commits.
    if (message.isControlRecord) aborted.delete(producerId)
    else if (aborted.has(producerId)) message.isControlRecord = true
  }
  fetched.abortedTransactions = []
}
