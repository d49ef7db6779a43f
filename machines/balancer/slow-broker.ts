/** Which brokers are slow: by the longest time that an append or a fetch has been pending, against their own history and their peers. */

/** What each report of a broker said, from the oldest to the newest, in milliseconds: the longer of the two pending times. */
export type PendingHistory = readonly number[]

export interface SlowSettings {
  /** Pending for as long is slow, whoever else is; in milliseconds. Default 10,000. */
  readonly alwaysMs: number
  /** Pending for less is never slow; in milliseconds. Default 1,000. */
  readonly neverMs: number
  /** It is slow at so many times its usual time and that of its peers. Default 3. */
  readonly times: number
  /** Without a usual time, or where its usual time is long too, at so many times that of its peers. Default 10. */
  readonly timesPeers: number
}

const usualSlowSettings: SlowSettings = { alwaysMs: 10_000, neverMs: 1000, times: 3, timesPeers: 10 }

/** Why a broker is slow, with the figures in milliseconds. */
export interface Slowness {
  readonly why: 'pending' | 'history-and-peers' | 'peers' | 'history'
  readonly pendingMs: number
  /** Undefined where there are too few reports. */
  readonly usualMs: number | undefined
  /** Undefined where there are fewer than two others. */
  readonly peersMs: number | undefined
}

/** The newest reports, of which the median counts: one that stands out is none. */
const newest = 3
/** Older reports that make a history. */
const leastHistory = 6
const leastPeers = 2

/** The slow ones among these brokers. One that says nothing is not judged. */
export function slowBrokers(
  histories: ReadonlyMap<number, PendingHistory>,
  settings: SlowSettings = usualSlowSettings,
): ReadonlyMap<number, Slowness> {
  const pending = new Map<number, number>()
  for (const [brokerId, history] of histories) {
    const now = median(history.slice(-newest))
    if (now !== undefined) pending.set(brokerId, now)
  }
  const slow = new Map<number, Slowness>()
  for (const [brokerId, pendingMs] of pending) {
    const older = (histories.get(brokerId) ?? []).slice(0, -newest)
    const usualMs = older.length < leastHistory ? undefined : median(older)
    const peers = [...pending].flatMap(([other, ms]) => (other === brokerId ? [] : [ms]))
    const peersMs = peers.length < leastPeers ? undefined : median(peers)
    const why = judge({ pendingMs, usualMs, peersMs }, settings)
    if (why) slow.set(brokerId, { why, pendingMs, usualMs, peersMs })
  }
  return slow
}

function judge(
  { pendingMs, usualMs, peersMs }: Omit<Slowness, 'why'>,
  { alwaysMs, neverMs, times, timesPeers }: SlowSettings,
): Slowness['why'] | undefined {
  if (pendingMs >= alwaysMs) return 'pending'
  if (pendingMs < neverMs) return undefined
  const isUnusual = usualMs !== undefined && pendingMs >= times * usualMs
  if (peersMs === undefined) return isUnusual ? 'history' : undefined
  if (isUnusual && pendingMs >= times * peersMs) return 'history-and-peers'
  return pendingMs >= timesPeers * peersMs ? 'peers' : undefined
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}
